//! Who may call which operation.

use containerlease_domain::identity::Scope;
use serde_json::{Value, json};

/// The name of the one security scheme.
const SCHEME: &str = "token";

/// What an operation needs of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Everybody may call it.
    Nothing,
    /// Every known caller may, whatever the caller's scopes.
    Caller,
    /// Callers with that scope may.
    Scope(Scope),
}

impl Needs {
    /// The operation's security requirement. Its list has the scope.
    pub(super) fn requirement(self) -> Value {
        match self {
            Self::Nothing => json!([]),
            Self::Caller => json!([{SCHEME: []}]),
            Self::Scope(scope) => json!([{SCHEME: [scope]}]),
        }
    }
}

pub(super) fn schemes() -> Value {
    json!({
        SCHEME: {
            "type": "http",
            "scheme": "bearer",
            "description": "An API token: `Authorization: Bearer TOKEN`. On one machine, the user \
                who runs the server needs none. docs/sign-in.md has more.",
        },
    })
}
