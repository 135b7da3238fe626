//! Where a leased program may open connections to.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Type, schema::Schema},
};

/// The two names that every deployment knows.
const OPEN: &str = "open";
const NONE: &str = "none";

/// The longest name of a list, in characters; `infra/docker-host/firewall.sh` has the same limit.
const NAME_LENGTH: usize = 20;

/// All egress names, as a regular expression.
pub const PATTERN: &str = "^[a-z][a-z0-9-]{0,19}$";

/// Where a leased program may open connections to. `open`: everything that the host can reach and
/// its firewall allows. `none`: nothing outside its container; the published ports can still be
/// reached. Otherwise the name of a list of addresses in the host's firewall.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Egress {
    #[default]
    Open,
    None,
    List(EgressList),
}

/// The name of a list of addresses that the operator of a Docker host has set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EgressList(String);

/// The text is not an egress name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "an egress is open, none, or the name of a list: 1 to 20 of the characters a-z, 0-9 and -, \
     the first a letter"
)]
pub struct NotAnEgress;

impl Egress {
    /// The name in requests and answers.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Open => OPEN,
            Self::None => NONE,
            Self::List(list) => list.as_str(),
        }
    }

    /// Whether this is the value that a lease record without one stands for.
    pub fn is_open(&self) -> bool {
        *self == Self::Open
    }
}

impl PartialSchema for Egress {
    fn schema() -> RefOr<Schema> {
        let description = "Where its programs may open connections to: `open`, everywhere; \
            `none`, nowhere; or the name of one of the operator's lists.";
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(PATTERN))
            .description(Some(description))
            .examples(["open"])
            .into()
    }
}

impl ToSchema for Egress {}

impl EgressList {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Egress {
    type Err = NotAnEgress;

    fn from_str(text: &str) -> Result<Self, NotAnEgress> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        match text {
            OPEN => Ok(Self::Open),
            NONE => Ok(Self::None),
            name if (1..=NAME_LENGTH).contains(&name.len())
                && name.starts_with(|c: char| c.is_ascii_lowercase())
                && name.chars().all(allowed) =>
            {
                Ok(Self::List(EgressList(name.to_owned())))
            }
            _ => Err(NotAnEgress),
        }
    }
}

impl TryFrom<String> for Egress {
    type Error = NotAnEgress;

    fn try_from(text: String) -> Result<Self, NotAnEgress> {
        text.parse()
    }
}

impl From<Egress> for String {
    fn from(egress: Egress) -> Self {
        egress.as_str().to_owned()
    }
}

impl fmt::Display for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The egress values that a lease may ask for: those that both its image type and the deployment
/// allow. An empty `of_image` allows all. The first is the default. `none` is always included,
/// because less access harms nobody.
pub fn choices(of_image: &[Egress], deployment: &[Egress]) -> Vec<Egress> {
    let mut choices = if of_image.is_empty() {
        deployment.to_vec()
    } else {
        let of_image = of_image.iter();
        let allowed =
            of_image.filter(|&egress| *egress == Egress::None || deployment.contains(egress));
        allowed.cloned().collect()
    };
    if !choices.contains(&Egress::None) {
        choices.push(Egress::None);
    }
    choices
}

/// The egress of a lease that asks for none.
pub fn by_default(of_image: &[Egress], deployment: &[Egress]) -> Egress {
    choices(of_image, deployment).swap_remove(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(names: &[&str]) -> Vec<Egress> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn a_name_is_short_and_of_plain_characters() {
        for name in ["open", "none", "web", "a", "py-pi2", "abcdefghijklmnopqrst"] {
            assert_eq!(name.parse::<Egress>().unwrap().as_str(), name);
        }
        for wrong in [
            "",
            "Web",
            "2web",
            "-web",
            "web.de",
            "we b",
            "abcdefghijklmnopqrstu",
            "wäb",
        ] {
            assert_eq!(wrong.parse::<Egress>(), Err(NotAnEgress), "{wrong}");
        }
    }

    #[test]
    fn an_image_type_takes_no_more_than_the_deployment_and_none_is_always_there() {
        for (of_image, deployment, choices) in [
            (&[][..], &["open", "none"][..], &["open", "none"][..]),
            (&[], &["web", "open"], &["web", "open", "none"]),
            (&[], &["none"], &["none"]),
            (&["none"], &["open", "none"], &["none"]),
            (&["web", "open"], &["open", "web"], &["web", "open", "none"]),
            (&["web"], &["open"], &["none"]),
            (&["none", "web"], &["web"], &["none", "web"]),
            (&["none", "web"], &["web", "none"], &["none", "web"]),
        ] {
            let found = super::choices(&all(of_image), &all(deployment));
            assert_eq!(found, all(choices), "{of_image:?} under {deployment:?}");
        }
    }
}
