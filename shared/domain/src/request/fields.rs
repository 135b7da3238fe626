//! The fields of a body, taken one by one, and the faults found on the way.

use serde_json::{Map, Number, Value};

use super::{FieldFault, Refused, json};

/// The fields of a body that no parser has taken yet, and the faults found so far.
pub(super) struct Fields {
    pub(super) rest: Map<String, Value>,
    pub(super) known: Vec<&'static str>,
    pub(super) faults: Vec<FieldFault>,
}

impl Fields {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Refused> {
        let (value, faults) = json::read(body).map_err(|error| {
            Refused::NotAnObject(if body.is_empty() {
                "The body is empty; send a JSON object.".to_owned()
            } else {
                format!("The body is not JSON: {error}.")
            })
        })?;
        let Value::Object(rest) = value else {
            return Err(Refused::NotAnObject(format!(
                "The body is {}; send a JSON object.",
                kind(&value)
            )));
        };
        Ok(Self {
            rest,
            known: Vec::new(),
            faults,
        })
    }

    /// Refuses the remaining fields: we must not ignore a misspelt one.
    pub(super) fn finish(mut self) -> Result<(), Refused> {
        let known = self.known.join(", ");
        for field in std::mem::take(&mut self.rest).keys() {
            let detail = format!("There is no such field; the fields are {known}.");
            self.fault(&short(field), detail);
        }
        if self.faults.is_empty() {
            Ok(())
        } else {
            self.faults.sort();
            self.faults.dedup();
            Err(Refused::Fields(self.faults))
        }
    }

    pub(super) fn fault(&mut self, field: &str, detail: String) {
        self.faults.push(FieldFault {
            field: field.to_owned(),
            detail,
        });
    }

    /// Takes a field out. `null` counts as absent.
    pub(super) fn take(&mut self, field: &'static str) -> Option<Value> {
        self.known.push(field);
        self.rest.remove(field).filter(|value| !value.is_null())
    }

    pub(super) fn keep<T>(&mut self, field: &'static str, parsed: Result<T, String>) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(detail) => {
                self.fault(field, detail);
                None
            }
        }
    }
}

/// A caller's text, safe to repeat in an answer: short, with control characters escaped.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", short(text))
}

pub(super) fn short(text: &str) -> String {
    const LONGEST: usize = 40;
    let short: String = text.chars().take(LONGEST).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("{}{more}", short.escape_debug())
}

/// The number, if it is whole. In JSON, 5 and 5.0 are the same number, and some clients know only
/// floating-point numbers.
pub(super) fn whole(number: &Number) -> Option<u64> {
    /// The largest number up to which a floating-point number represents every whole number.
    const LARGEST: f64 = 9_007_199_254_740_991.0;
    number.as_u64().or_else(|| {
        let float = number.as_f64().filter(|it| (0.0..=LARGEST).contains(it))?;
        if float.fract() != 0.0 {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "both types represent this whole number"
        )]
        Some(float as u64)
    })
}

pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
