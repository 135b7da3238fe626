//! `POST /api/tokens`: the API token to make.

use std::{ops::RangeInclusive, time::Duration};

use serde_json::Value;

use super::{FieldFault, Refused, fields::Fields, kind, quoted, whole};
use crate::{
    identity::{Identity, Role, Scope, Scopes, TokenSpec},
    names::Owner,
    time::Time,
};

/// How many days a token lasts if the request does not say.
pub const TOKEN_DAYS: u64 = 90;

/// How many days a token may last.
pub const TOKEN_DAYS_RANGE: RangeInclusive<u64> = 1..=366;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A checked `POST /api/tokens`. What it leaves out follows from the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MakeToken {
    pub name: String,
    pub owner: Option<Owner>,
    pub role: Option<Role>,
    pub scopes: Option<Scopes>,
    pub lifetime: Duration,
}

impl MakeToken {
    /// Parses the body.
    pub fn parse(body: &[u8]) -> Result<Self, Refused> {
        let mut fields = Fields::parse(body)?;
        let name = fields.token_name();
        let owner = fields.owner();
        let role = fields.role();
        let scopes = fields.scopes();
        let lifetime = fields.days();
        fields.finish()?;
        let Some(name) = name else {
            unreachable!("a name that is missing is a fault")
        };
        Ok(Self {
            name,
            owner,
            role,
            scopes,
            lifetime: lifetime.unwrap_or(Duration::from_secs(TOKEN_DAYS * DAY.as_secs())),
        })
    }

    /// The token to make. By default it is for the caller's owner, with the role of a user. It never
    /// outlives the caller's own credential.
    pub fn by(self, caller: &Identity, now: Time) -> Result<TokenSpec, Refused> {
        let role = self.role.unwrap_or(Role::User);
        let possible = role.scopes();
        if let Some(scopes) = &self.scopes
            && !scopes.are_within(&possible)
        {
            return Err(Refused::Fields(vec![FieldFault {
                field: "scopes".to_owned(),
                detail: format!("A token of the role {role} can have these: {possible}."),
            }]));
        }
        let end = now.plus(self.lifetime);
        Ok(TokenSpec {
            name: self.name,
            owner: self.owner.unwrap_or_else(|| caller.owner.clone()),
            role,
            scopes: self.scopes,
            expires_at: caller.until.map_or(end, |until| until.min(end)),
        })
    }
}

impl Fields {
    fn token_name(&mut self) -> Option<String> {
        let faults = self.faults.len();
        let name = self.name();
        if name.is_none() && self.faults.len() == faults {
            let detail = "It is missing; say what the token is for.".to_owned();
            self.fault("name", detail);
        }
        name
    }

    fn owner(&mut self) -> Option<Owner> {
        let owner = match self.take("owner")? {
            Value::String(name) if is_plain(&name) => {
                Owner::try_from(name).map_err(|error| format!("It cannot be used: {error}."))
            }
            Value::String(_) => Err("It must be 1 to 128 letters from a to z, digits, dots, \
                underscores, hyphens or at signs, and begin with a letter or digit."
                .to_owned()),
            other => Err(format!("It is {}, not text.", kind(&other))),
        };
        self.keep("owner", owner)
    }

    fn role(&mut self) -> Option<Role> {
        let role = match self.take("role")? {
            Value::String(name) => name
                .parse()
                .map_err(|error| format!("It is {}; {error}.", quoted(&name))),
            other => Err(format!("It is {}, not text.", kind(&other))),
        };
        self.keep("role", role)
    }

    fn scopes(&mut self) -> Option<Scopes> {
        let scopes = match self.take("scopes")? {
            Value::Array(names) if names.is_empty() => {
                Err("It is empty; leave it out for all scopes of the role.".to_owned())
            }
            Value::Array(names) => names.iter().map(scope).collect::<Result<Vec<_>, _>>(),
            other => Err(format!("It is {}, not a list.", kind(&other))),
        };
        let scopes = scopes.map(|scopes| Scopes::of(&scopes));
        self.keep("scopes", scopes)
    }

    fn days(&mut self) -> Option<Duration> {
        let (least, most) = TOKEN_DAYS_RANGE.into_inner();
        let bounds = format!("a whole number of days from {least} to {most}");
        let days = match self.take("expiresInDays")? {
            Value::Number(number) => whole(&number)
                .filter(|days| TOKEN_DAYS_RANGE.contains(days))
                .map(|days| Duration::from_secs(days * DAY.as_secs()))
                .ok_or_else(|| format!("It is {number}; give {bounds}.")),
            other => Err(format!("It is {}; give {bounds}.", kind(&other))),
        };
        self.keep("expiresInDays", days)
    }
}

/// Whether two people who read the name see the same name.
fn is_plain(owner: &str) -> bool {
    let allowed = |it: u8| it.is_ascii_alphanumeric() || b"._-@".contains(&it);
    (1..=128).contains(&owner.len())
        && owner.bytes().all(allowed)
        && owner.as_bytes()[0].is_ascii_alphanumeric()
}

fn scope(value: &Value) -> Result<Scope, String> {
    match value {
        Value::String(name) => name
            .parse()
            .map_err(|error| format!("It has {}; {error}.", quoted(name))),
        other => Err(format!("It has {}; a scope is text.", kind(other))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Time = Time::from_millis(1_000_000_000);

    fn admin() -> Identity {
        Identity {
            owner: Owner::try_from("team".to_owned()).unwrap(),
            ..Identity::local()
        }
    }

    fn wanted(body: &Value) -> MakeToken {
        MakeToken::parse(body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn what_is_left_out_follows_from_the_caller() {
        let made = wanted(&json!({"name": "ci"})).by(&admin(), NOW).unwrap();
        assert_eq!(made.owner.as_str(), "team");
        assert_eq!((made.role, made.scopes), (Role::User, None));
        assert_eq!(made.expires_at, NOW.plus(90 * DAY));
        let body = json!({
            "name": "x", "owner": "others", "role": "admin", "scopes": ["admin"],
            "expiresInDays": 1,
        });
        let made = wanted(&body).by(&admin(), NOW).unwrap();
        assert_eq!(made.owner.as_str(), "others");
        assert_eq!(made.scopes, Some(Scopes::of(&[Scope::Admin])));
        assert_eq!((made.role, made.expires_at), (Role::Admin, NOW.plus(DAY)));
    }

    #[test]
    fn a_token_does_not_outlive_the_one_that_makes_it() {
        let brief = Identity {
            until: Some(NOW.plus(DAY)),
            ..admin()
        };
        let made = wanted(&json!({"name": "x"})).by(&brief, NOW).unwrap();
        assert_eq!(Some(made.expires_at), brief.until);
    }

    #[test]
    fn a_role_cannot_have_any_scope() {
        let body = json!({"name": "x", "role": "viewer", "scopes": ["read", "exec"]});
        let Err(Refused::Fields(faults)) = wanted(&body).by(&admin(), NOW) else {
            panic!("it is refused for its scopes");
        };
        assert_eq!(faults[0].field, "scopes");
        assert!(faults[0].detail.contains("can have these: read."));
    }

    #[test]
    fn every_fault_is_told() {
        let body = json!({
            "owner": "", "role": "root", "scopes": ["write"], "expiresInDays": 400, "x": 1,
        });
        let Err(Refused::Fields(faults)) = MakeToken::parse(body.to_string().as_bytes()) else {
            panic!("it is refused for its fields");
        };
        let fields: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
        let expected = ["expiresInDays", "name", "owner", "role", "scopes", "x"];
        assert_eq!(fields, expected);
        for (field, wrong) in [
            ("scopes", json!([])),
            ("scopes", json!("read")),
            ("scopes", json!([1])),
            ("expiresInDays", json!(0)),
            ("expiresInDays", json!("1")),
            ("owner", json!(1)),
            ("owner", json!("local ")),
            ("owner", json!("l\u{43e}cal")),
            ("owner", json!(".hidden")),
            ("role", json!(1)),
        ] {
            let mut body = json!({"name": "x"});
            body[field] = wrong;
            let parsed = MakeToken::parse(body.to_string().as_bytes());
            let Err(Refused::Fields(faults)) = parsed else {
                panic!("{body} is refused");
            };
            assert_eq!(faults.len(), 1);
            assert_eq!(faults[0].field, field);
        }
    }
}
