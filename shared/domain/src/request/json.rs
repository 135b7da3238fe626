//! A JSON parser that reports repeated keys. Serde alone keeps the last value of a repeated key,
//! but a program that checked the body earlier may have used the first.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::FieldFault;

/// The value, and the repeated keys of all objects in it, each as a fault of its outermost field.
/// The value contains the first value of a repeated key.
pub(super) fn read(body: &[u8]) -> Result<(Value, Vec<FieldFault>), serde_json::Error> {
    let mut faults = Vec::new();
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = Reader {
        field: None,
        faults: &mut faults,
    }
    .deserialize(&mut json)?;
    json.end()?;
    Ok((value, faults))
}

struct Reader<'r> {
    /// The outermost field that contains the value; none at the top.
    field: Option<&'r str>,
    faults: &'r mut Vec<FieldFault>,
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Reader {
            field: self.field,
            faults: &mut *self.faults,
        })? {
            values.push(value);
        }
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(key) = object.next_key::<String>()? {
            let field = self.field.unwrap_or(&key);
            let value = object.next_value_seed(Reader {
                field: Some(field),
                faults: &mut *self.faults,
            })?;
            if values.contains_key(&key) {
                self.faults.push(FieldFault::repeated_key(field, &key));
            } else {
                values.insert(key, value);
            }
        }
        Ok(values.into())
    }
}
