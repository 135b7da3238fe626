//! The engine's network for leased containers, and where they may open connections to.

use containerlease_domain::egress::Egress;

use super::{Reader, SettingsError};

const VARIABLE: &str = "CONTAINERLEASE_NETWORK";
const EGRESS: &str = "CONTAINERLEASE_EGRESS";

/// The network of leased containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkChoice {
    /// The engine's default bridge if it isolates its containers, otherwise one of our own.
    Auto,
    /// Always one of our own.
    Own,
}

impl NetworkChoice {
    pub(super) fn read<L>(read: &Reader<L>) -> Result<Self, SettingsError>
    where
        L: Fn(&str) -> Option<String>,
    {
        match read.text(VARIABLE, "auto").as_str() {
            "auto" => Ok(Self::Auto),
            "own" => Ok(Self::Own),
            value => Err(SettingsError {
                variable: VARIABLE,
                value: value.to_owned(),
                problem: "it must be auto or own".to_owned(),
            }),
        }
    }
}

/// The egress values of leases: at least one, without repeats.
pub(super) fn egress<L>(read: &Reader<L>) -> Result<Vec<Egress>, SettingsError>
where
    L: Fn(&str) -> Option<String>,
{
    let value = read.text(EGRESS, "open,none");
    let refuse = |problem: String| SettingsError {
        variable: EGRESS,
        value: value.clone(),
        problem,
    };
    let mut all = Vec::new();
    for name in value.split(',').map(str::trim) {
        let egress: Egress = name
            .parse()
            .map_err(|error| refuse(format!("of '{name}': {error}")))?;
        if all.contains(&egress) {
            return Err(refuse(format!("{name} is given more than once")));
        }
        all.push(egress);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn egress_is_a_list_of_names_each_once() {
        let read = |value: &'static str| egress(&Reader(move |_: &str| Some(value.into())));
        assert_eq!(read("").unwrap(), [Egress::Open, Egress::None]);
        let web = "web".parse().unwrap();
        assert_eq!(read("web, none").unwrap(), [web, Egress::None]);
        for wrong in [",", "open,", "Web", "open,none,open", "web.de"] {
            assert!(
                read(wrong).unwrap_err().to_string().contains(EGRESS),
                "{wrong}"
            );
        }
    }

    #[test]
    fn it_is_auto_or_own() {
        let read =
            |value: &'static str| NetworkChoice::read(&Reader(move |_: &str| Some(value.into())));
        assert_eq!(read("").unwrap(), NetworkChoice::Auto);
        assert_eq!(read("auto").unwrap(), NetworkChoice::Auto);
        assert_eq!(read("own").unwrap(), NetworkChoice::Own);
        assert!(read("host").unwrap_err().to_string().contains(VARIABLE));
    }
}
