//! Who calls, and what a caller may do.
//!
//! A caller has a role, which gives scopes; a token may narrow them. A route demands one scope, and
//! every read and write of the table names the caller's owner.

mod scope;
mod token;

pub use scope::{NotAScope, Scope, Scopes};
pub use token::{Token, TokenDigest, TokenId, TokenSpec, TokenState, TokenText};

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use crate::{names::Owner, time::Time};

/// What the text of a token's holder begins with.
const TOKEN_PREFIX: &str = "token:";

/// Who calls, for the log and the records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Subject {
    /// The user who runs the server.
    Local,
    /// The holder of a token.
    Token(TokenId),
}

/// The text names no caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a caller is local, or token: and the id of a token")]
pub struct NotASubject;

impl TryFrom<String> for Subject {
    type Error = NotASubject;

    fn try_from(text: String) -> Result<Self, NotASubject> {
        if text == "local" {
            return Ok(Self::Local);
        }
        let id = text.strip_prefix(TOKEN_PREFIX).ok_or(NotASubject)?;
        id.parse().map(Self::Token).map_err(|_| NotASubject)
    }
}

impl From<Subject> for String {
    fn from(subject: Subject) -> Self {
        subject.to_string()
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::Token(id) => write!(f, "{TOKEN_PREFIX}{id}"),
        }
    }
}

/// What somebody is for the owner of leases.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads what the owner has.
    Viewer,
    /// Leases, works in and ends what the owner has.
    User,
    /// Also manages the tokens of all owners.
    Admin,
}

/// The text is not a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a role is viewer, user or admin")]
pub struct NotARole;

impl Role {
    pub const ALL: [Self; 3] = [Self::Viewer, Self::User, Self::Admin];

    /// The role's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::User => "user",
            Self::Admin => "admin",
        }
    }

    /// The scopes of a caller whose token does not narrow them.
    pub fn scopes(self) -> Scopes {
        match self {
            Self::Viewer => Scopes::of(&[Scope::Read]),
            Self::User => Scopes::of(&[Scope::Read, Scope::Lease, Scope::Exec]),
            Self::Admin => Scopes::of(&Scope::ALL),
        }
    }
}

impl FromStr for Role {
    type Err = NotARole;

    fn from_str(text: &str) -> Result<Self, NotARole> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or(NotARole)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A caller who has been identified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub subject: Subject,
    /// Whose leases the caller sees and makes.
    pub owner: Owner,
    pub role: Role,
    /// What the caller may do: the role's scopes, or fewer.
    pub scopes: Scopes,
    /// When the credential ends; none: never.
    pub until: Option<Time>,
}

impl Identity {
    /// A caller with all scopes of the role, and without an end.
    pub fn new(subject: Subject, owner: Owner, role: Role) -> Self {
        Self {
            subject,
            owner,
            role,
            scopes: role.scopes(),
            until: None,
        }
    }

    /// The user who runs a one-machine server.
    pub fn local() -> Self {
        Self::new(Subject::Local, Owner::local(), Role::Admin)
    }

    /// Whether the caller may do what needs that scope.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(scope) && self.role.scopes().contains(scope)
    }

    /// Whether the caller may see the passwords of services: whoever has them works in a container.
    pub fn sees_passwords(&self) -> bool {
        self.may(Scope::Lease) || self.may(Scope::Exec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(name: &str) -> Owner {
        Owner::try_from(name.to_owned()).unwrap()
    }

    #[test]
    fn a_role_gives_these_scopes() {
        let table: Vec<_> = Role::ALL
            .iter()
            .map(|role| format!("{role}: {}", role.scopes()))
            .collect();
        assert_eq!(
            table,
            [
                "viewer: read",
                "user: read lease exec",
                "admin: read lease exec admin"
            ]
        );
    }

    #[test]
    fn scopes_narrow_a_role_and_never_widen_it() {
        let viewer = Identity {
            scopes: Scopes::of(&Scope::ALL),
            ..Identity::new(Subject::Local, owner("a"), Role::Viewer)
        };
        assert!(viewer.may(Scope::Read));
        assert!(!viewer.may(Scope::Lease) && !viewer.may(Scope::Admin));
        let reader = Identity {
            scopes: Scopes::of(&[Scope::Read]),
            ..Identity::new(Subject::Local, owner("a"), Role::Admin)
        };
        assert!(reader.may(Scope::Read) && !reader.may(Scope::Exec));
    }

    #[test]
    fn a_password_is_shown_to_whoever_works_with_leases() {
        let caller = |role| Identity::new(Subject::Local, owner("a"), role);
        assert!(!caller(Role::Viewer).sees_passwords());
        assert!(caller(Role::User).sees_passwords());
        let reader = Identity {
            scopes: Scopes::of(&[Scope::Read]),
            ..caller(Role::Admin)
        };
        assert!(!reader.sees_passwords());
    }

    #[test]
    fn a_subject_is_read_as_it_is_written() {
        for text in ["local", "token:5f0c2a9d41be"] {
            let subject = Subject::try_from(text.to_owned()).unwrap();
            assert_eq!(subject.to_string(), text);
        }
        for wrong in ["", "token:", "token:x", "ada"] {
            assert_eq!(Subject::try_from(wrong.to_owned()), Err(NotASubject));
        }
    }
}
