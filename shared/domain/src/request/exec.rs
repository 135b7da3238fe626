//! The request to run a command inside a container.

use std::time::Duration;

use super::{Fields, Refused, kind, whole};

/// The time limits of a command, in seconds. API Gateway waits 29 s for an answer.
pub const SHORTEST_SECONDS: u64 = 1;
pub const LONGEST_SECONDS: u64 = 25;
pub const DEFAULT_SECONDS: u64 = 10;

/// The limit on a command's standard input, in bytes.
pub const STDIN_BYTES: usize = 32 * 1024;

/// A checked `POST /api/containers/{id}/exec`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec {
    /// The program and its arguments.
    pub command: Vec<String>,
    pub limit: Duration,
    /// The command's standard input; none for empty.
    pub stdin: Option<String>,
}

impl Exec {
    /// Parses the body.
    pub fn parse(body: &[u8]) -> Result<Self, Refused> {
        let mut fields = Fields::parse(body)?;
        let command = fields.needed_command();
        let limit = fields.limit();
        let stdin = fields.stdin();
        fields.finish()?;
        let Some(command) = command else {
            unreachable!("a field that is missing is a fault")
        };
        Ok(Self {
            command,
            limit: limit.unwrap_or(Duration::from_secs(DEFAULT_SECONDS)),
            stdin,
        })
    }
}

impl Fields {
    fn needed_command(&mut self) -> Option<Vec<String>> {
        const FIELD: &str = "command";
        if self.rest.get(FIELD).is_none_or(serde_json::Value::is_null) {
            self.take(FIELD);
            let detail = "It is missing; give a list of texts, the program first.";
            self.fault(FIELD, detail.to_owned());
            return None;
        }
        self.command()
    }

    fn limit(&mut self) -> Option<Duration> {
        const FIELD: &str = "timeoutSeconds";
        let value = self.take(FIELD)?;
        let seconds = value
            .as_number()
            .and_then(whole)
            .filter(|seconds| (SHORTEST_SECONDS..=LONGEST_SECONDS).contains(seconds))
            .map(Duration::from_secs)
            .ok_or_else(|| {
                format!(
                    "It must be a whole number of seconds from {SHORTEST_SECONDS} to \
                     {LONGEST_SECONDS}."
                )
            });
        self.keep(FIELD, seconds)
    }

    fn stdin(&mut self) -> Option<String> {
        const FIELD: &str = "stdin";
        let value = self.take(FIELD)?;
        // It may be a secret, so no error here repeats it.
        let stdin = match value {
            serde_json::Value::String(text) if text.len() <= STDIN_BYTES => Ok(text),
            serde_json::Value::String(_) => {
                Err(format!("It must have at most {STDIN_BYTES} bytes."))
            }
            other => Err(format!("It is {}, not text.", kind(&other))),
        };
        self.keep(FIELD, stdin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn parse(body: &Value) -> Result<Exec, Refused> {
        Exec::parse(body.to_string().as_bytes())
    }

    #[test]
    fn a_command_is_enough() {
        let exec = parse(&json!({"command": ["ls", "-l"]})).unwrap();
        assert_eq!(exec.command, ["ls", "-l"]);
        assert_eq!((exec.limit, exec.stdin), (Duration::from_secs(10), None));
    }

    #[test]
    fn everything_can_be_given() {
        let body = json!({"command": ["cat"], "timeoutSeconds": 25, "stdin": "x\u{0}\n"});
        let exec = parse(&body).unwrap();
        assert_eq!(exec.limit, Duration::from_secs(25));
        assert_eq!(exec.stdin.as_deref(), Some("x\u{0}\n"));
    }

    #[test]
    fn every_fault_is_named() {
        for (body, field) in [
            (json!({}), "command"),
            (json!({"command": null}), "command"),
            (json!({"command": []}), "command"),
            (json!({"command": "ls"}), "command"),
            (json!({"command": [""]}), "command"),
            (json!({"command": ["a\u{0}"]}), "command"),
            (
                json!({"command": ["ls"], "timeoutSeconds": 0}),
                "timeoutSeconds",
            ),
            (
                json!({"command": ["ls"], "timeoutSeconds": 26}),
                "timeoutSeconds",
            ),
            (
                json!({"command": ["ls"], "timeoutSeconds": 1.5}),
                "timeoutSeconds",
            ),
            (json!({"command": ["ls"], "stdin": 7}), "stdin"),
            (
                json!({"command": ["ls"], "stdin": "x".repeat(32 * 1024 + 1)}),
                "stdin",
            ),
            (json!({"command": ["ls"], "tty": true}), "tty"),
        ] {
            let Err(Refused::Fields(faults)) = parse(&body) else {
                panic!("{body} was taken")
            };
            let named: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
            assert_eq!(named, [field], "{body}");
        }
    }
}
