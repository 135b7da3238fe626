//! The password of a lease's service.

use std::{borrow::Cow, collections::BTreeMap};

use super::{Fields, Provision, kind};
use crate::{
    catalogue::{Image, PasswordRecipe},
    lease::{Credentials, Password},
};

const FIELD: &str = "password";

impl Fields {
    /// Whether the caller asks for a password; none if the request does not say. `command` and
    /// `env` are the caller's own.
    pub(super) fn password(
        &mut self,
        image: Option<&Image>,
        command: Option<&[String]>,
        env: &BTreeMap<String, String>,
    ) -> Option<bool> {
        let value = self.take(FIELD)?;
        let wanted = match value.as_bool() {
            None => Err(format!("It is {}, not true or false.", kind(&value))),
            Some(true) => match image.map(|image| given(image, command, env)) {
                Some(Err(why)) => Err(why),
                _ => Ok(true),
            },
            Some(false) => Ok(false),
        };
        self.keep(FIELD, wanted)
    }
}

/// How to set a password for the requested lease, or why that is impossible.
fn given<'i>(
    image: &'i Image,
    command: Option<&[String]>,
    env: &BTreeMap<String, String>,
) -> Result<&'i PasswordRecipe, String> {
    let Some(recipe) = &image.password else {
        return Err("This image type has no password.".to_owned());
    };
    if recipe.command.is_some() && command.is_some() {
        return Err("You give both password and command; give only one. With your own command, set the password there.".to_owned());
    }
    if env.contains_key(&recipe.variable) {
        let variable = &recipe.variable;
        return Err(format!(
            "It is in env already, as {variable}; leave one of the two out."
        ));
    }
    Ok(recipe)
}

/// Whether we generate a password for the requested lease.
pub(super) fn is_made(
    wanted: Option<bool>,
    image: &Image,
    command: Option<&[String]>,
    env: &BTreeMap<String, String>,
) -> bool {
    wanted != Some(false) && given(image, command, env).is_ok()
}

impl Provision {
    /// The login of the service, with a generated password if there is to be one. None if the
    /// service takes no password, or the caller sets one.
    pub fn credentials(&self) -> Option<Credentials> {
        let recipe = self.image.password.as_ref()?;
        let password = if self.makes_password {
            Password::generate()
        } else {
            // Without a generated password the service has the catalogue's, which is public.
            let known = self.image.env.get(&recipe.variable)?;
            let is_known = self.env.get(&recipe.variable) == Some(known);
            is_known.then(|| Password::known(known))?
        };
        let user = recipe.user_variable.as_ref();
        let user = user.and_then(|variable| self.env.get(variable));
        Some(Credentials {
            container_port: self.image.ports.first()?.container_port,
            user: user.unwrap_or(&recipe.user).clone(),
            password,
        })
    }

    /// The command and the variables that set these credentials in the container.
    pub fn with_password(
        &self,
        credentials: Option<&Credentials>,
    ) -> (Option<&[String]>, Cow<'_, BTreeMap<String, String>>) {
        let (command, env) = (self.command.as_deref(), Cow::Borrowed(&self.env));
        let (Some(credentials), Some(recipe)) = (credentials, &self.image.password) else {
            return (command, env);
        };
        if !self.makes_password {
            return (command, env);
        }
        let mut env = env.into_owned();
        let password = credentials.password.reveal().to_owned();
        env.insert(recipe.variable.clone(), password);
        (recipe.command.as_deref().or(command), Cow::Owned(env))
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::Policy;
    use serde_json::{Value, json};

    use super::*;
    use crate::{catalogue::Catalogue, request::Refused};

    fn asked(image_type: &str, more: &Value) -> Result<Provision, Refused> {
        let mut body = json!({"imageType": image_type, "durationMinutes": 5});
        let more = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        let policy = Policy::default();
        Provision::parse(body.to_string().as_bytes(), &Catalogue::embedded(), &policy)
    }

    #[test]
    fn redis_and_postgres_have_a_new_one_each_time() {
        for (image_type, variable) in [
            ("redis", "REDISCLI_AUTH"),
            ("postgres", "POSTGRES_PASSWORD"),
        ] {
            for more in [
                json!({}),
                json!({"password": null}),
                json!({"password": true}),
            ] {
                let asked = asked(image_type, &more).unwrap();
                let (one, other) = (asked.credentials().unwrap(), asked.credentials().unwrap());
                assert_ne!(one.password, other.password);
                let (_, env) = asked.with_password(Some(&one));
                assert_eq!(env[variable], one.password.reveal());
                assert!(!format!("{asked:?} {one:?}").contains(one.password.reveal()));
            }
        }
        for image_type in ["alpine", "nginx"] {
            assert_eq!(asked(image_type, &json!({})).unwrap().credentials(), None);
        }
    }

    #[test]
    fn it_can_be_left_to_the_caller_or_turned_off() {
        for (image_type, more) in [
            ("redis", json!({"password": false})),
            ("redis", json!({"command": ["redis-server", "--save", ""]})),
            ("redis", json!({"env": {"REDISCLI_AUTH": "mine"}})),
            ("postgres", json!({"env": {"POSTGRES_PASSWORD": "mine"}})),
            ("alpine", json!({"password": false})),
        ] {
            let asked = asked(image_type, &more).unwrap();
            assert_eq!(asked.credentials(), None, "{more}");
            let (command, env) = asked.with_password(None);
            assert_eq!((command, &*env), (asked.command.as_deref(), &asked.env));
        }
        let off = asked("postgres", &json!({"password": false})).unwrap();
        assert_eq!(off.credentials().unwrap().password.reveal(), "postgres");
        let of = json!({"env": {"POSTGRES_USER": "ann"}, "command": ["postgres"]});
        let of_another = asked("postgres", &of).unwrap().credentials().unwrap();
        assert_eq!(of_another.user, "ann");
        assert_eq!(of_another.password.reveal().len(), 32);
    }

    #[test]
    fn what_cannot_be_is_refused_and_what_is_asked_for_is_another_request() {
        for (image_type, more) in [
            ("alpine", json!({"password": true})),
            (
                "redis",
                json!({"password": true, "command": ["redis-server"]}),
            ),
            (
                "redis",
                json!({"password": true, "env": {"REDISCLI_AUTH": "mine"}}),
            ),
            ("redis", json!({"password": "mine"})),
        ] {
            let Err(Refused::Fields(faults)) = asked(image_type, &more) else {
                panic!("{more} is taken")
            };
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert_eq!(faults[0].field, "password");
            assert!(!faults[0].detail.contains("mine"));
        }
        let canonical = |more| asked("redis", &more).unwrap().canonical;
        let plain = canonical(json!({}));
        assert_ne!(plain, canonical(json!({"password": false})));
        assert_eq!(plain, canonical(json!({"password": null})));
        assert!(
            !plain.as_str().contains("password"),
            "as it was before there were any"
        );
    }
}
