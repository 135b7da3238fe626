//! The names that cross our boundary. Only its parser builds each one.
//!
//! We never pass on a Docker id or name from a caller. A caller names a lease by its [`LeaseId`],
//! and the container's name follows from it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

/// A lease's id: a UUID of version 7 in canonical lower-case form, so ids sort by creation time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(
    value_type = String,
    format = "uuid",
    pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$",
    example = "0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c"
)]
pub struct LeaseId(uuid::Uuid);

/// The text is not a lease id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a lease id looks like 0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c")]
pub struct NotALeaseId;

impl LeaseId {
    /// A new id, which sorts after all earlier ids of this process.
    pub fn generate() -> Self {
        Self(uuid::Uuid::now_v7())
    }
}

impl FromStr for LeaseId {
    type Err = NotALeaseId;

    fn from_str(text: &str) -> Result<Self, NotALeaseId> {
        let id = uuid::Uuid::try_parse(text).map_err(|_| NotALeaseId)?;
        // One lease has one spelling. The UUID parser would also accept upper case, braces and
        // the form without hyphens.
        if id.get_version_num() == 7 && id.as_hyphenated().to_string() == text {
            Ok(Self(id))
        } else {
            Err(NotALeaseId)
        }
    }
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl Serialize for LeaseId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LeaseId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// The owner of a lease. Every read and write of the table includes it, so another owner's lease
/// is simply not found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Owner(String);

/// The text is not an owner's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("an owner is 1 to 128 characters without control characters")]
pub struct NotAnOwner;

impl Owner {
    /// The owner of the leases of the user who runs a one-machine server, and of everybody's where
    /// there is no sign-in.
    pub fn local() -> Self {
        Self("local".to_owned())
    }

    /// The owner's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Owner {
    type Error = NotAnOwner;

    fn try_from(text: String) -> Result<Self, NotAnOwner> {
        let length = text.chars().count();
        if (1..=128).contains(&length) && !text.chars().any(char::is_control) {
            Ok(Self(text))
        } else {
            Err(NotAnOwner)
        }
    }
}

/// The name of this installation. Every container carries it as a label, and we never touch a
/// container without it, so several installations may share an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment(String);

/// The text is not a deployment's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "a deployment is 1 to 32 of the characters a-z, 0-9 and -, and starts with a letter or digit"
)]
pub struct NotADeployment;

impl Deployment {
    /// The deployment's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Deployment {
    type Err = NotADeployment;

    fn from_str(text: &str) -> Result<Self, NotADeployment> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if (1..=32).contains(&text.len()) && text.chars().all(allowed) && !text.starts_with('-') {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotADeployment)
        }
    }
}

/// A container, as the engine addresses it: the name that follows from a lease's id, or the id
/// from the engine's own listing. Nothing else can become one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct ContainerName(String);

/// The text is not an id of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a container's id is hexadecimal")]
pub struct NotAnEngineId;

/// A process that ends leases. Each has its own name, which tells its claims from those of
/// others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder(String);

impl Holder {
    /// A name that no other process uses.
    pub fn generate() -> Self {
        Self(uuid::Uuid::now_v7().to_string())
    }
}

impl TryFrom<String> for ContainerName {
    type Error = NotAnEngineId;

    fn try_from(text: String) -> Result<Self, NotAnEngineId> {
        Self::listed_by_engine(&text).ok_or(NotAnEngineId)
    }
}

impl ContainerName {
    /// The only possible name for the container of lease `id`.
    pub fn of_lease(id: &LeaseId) -> Self {
        Self(format!("containerlease-{id}"))
    }

    /// An id from the engine's listing. It must be hexadecimal, because the client library puts it
    /// into a URL unescaped.
    pub fn listed_by_engine(id: &str) -> Option<Self> {
        let hexadecimal = !id.is_empty() && id.bytes().all(|b| b.is_ascii_hexdigit());
        hexadecimal.then(|| Self(id.to_owned()))
    }

    /// The name, as the engine expects it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_id_is_read_back() {
        let id = LeaseId::generate();
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn ids_sort_by_their_making() {
        let ids: Vec<_> = (0..1_000).map(|_| LeaseId::generate()).collect();
        assert!(ids.is_sorted());
        assert!(ids.iter().map(ToString::to_string).is_sorted());
    }

    #[test]
    fn only_the_canonical_form_is_an_id() {
        let id = LeaseId::generate().to_string();
        for wrong in [
            String::new(),
            "../images/x".to_owned(),
            id.to_uppercase(),
            id.replace('-', ""),
            format!("{{{id}}}"),
            format!("urn:uuid:{id}"),
            format!("{id} "),
            "00000000-0000-0000-0000-000000000000".to_owned(),
            "f81d4fae-7dec-41d0-a765-00a0c91e6bf6".to_owned(),
            "é".repeat(36),
        ] {
            assert_eq!(wrong.parse::<LeaseId>(), Err(NotALeaseId), "{wrong}");
        }
    }

    #[test]
    fn owners_and_deployments_have_their_bounds() {
        assert!(Owner::try_from("a".repeat(128)).is_ok());
        assert!(Owner::try_from("a".repeat(129)).is_err());
        assert!(Owner::try_from(String::new()).is_err());
        assert!(Owner::try_from("a\nb".to_owned()).is_err());
        assert!("prod-2".parse::<Deployment>().is_ok());
        for wrong in ["", "-a", "A", "a b", "a/b", &"a".repeat(33)] {
            assert!(wrong.parse::<Deployment>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_engine_id_that_could_leave_its_url_is_refused() {
        assert!(ContainerName::listed_by_engine("0a1b2c").is_some());
        assert!(ContainerName::listed_by_engine("").is_none());
        assert!(ContainerName::listed_by_engine("../images/x").is_none());
    }
}
