//! Finds a lease by its id, the beginning of its id, or its name.

use std::{convert::Infallible, str::FromStr};

use containerlease_domain::names::LeaseId;

use crate::{
    api::{Api, answer::Lease},
    failure::Failure,
};

/// How the user names a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Called {
    /// By its whole id.
    Id(LeaseId),
    /// By its name, or by the beginning of its id.
    Text(String),
}

impl FromStr for Called {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let id = text.parse().map(Self::Id);
        Ok(id.unwrap_or_else(|_| Self::Text(text.to_owned())))
    }
}

/// All leases, to search in; read once, when first needed.
#[derive(Debug)]
pub struct Finder<'a> {
    api: &'a Api,
    active: Option<Vec<Lease>>,
    all: Option<Vec<Lease>>,
}

impl<'a> Finder<'a> {
    pub fn of(api: &'a Api) -> Self {
        Self {
            api,
            active: None,
            all: None,
        }
    }

    /// The lease that the user named. A live lease wins over ended ones, and of ended ones with the
    /// same name the newest wins: a name may be reused.
    pub async fn find(&mut self, called: &Called) -> Result<LeaseId, Failure> {
        let wanted = match called {
            Called::Id(id) => return Ok(*id),
            Called::Text(text) => text,
        };
        if self.active.is_none() {
            self.active = Some(self.read(&[]).await?);
        }
        let mut found = called_so(wanted, self.active.iter().flatten());
        if found.is_empty() {
            if self.all.is_none() {
                let history = [("state", "all"), ("limit", "100")];
                self.all = Some(self.read(&history).await?);
            }
            // The newest is first.
            let last = self
                .all
                .iter()
                .flatten()
                .find(|lease| is_named(wanted, lease));
            found = match last {
                Some(lease) => vec![lease.id],
                None => called_so(wanted, self.all.iter().flatten()),
            };
        }
        match found.as_slice() {
            [] => Err(Failure::NoSuchLease(format!(
                "no lease has the name {wanted:?} or an id that begins with it: `containerlease ls \
                 -a` lists all leases"
            ))),
            [lease] => Ok(*lease),
            _ => Err(Failure::Ambiguous {
                wanted: wanted.clone(),
                leases: found,
            }),
        }
    }

    async fn read(&self, query: &[(&str, &str)]) -> Result<Vec<Lease>, Failure> {
        let listed = self.api.leases(query).await?.leases;
        Ok(listed.into_iter().map(|listed| listed.lease).collect())
    }
}

/// Finds one lease.
pub async fn find(api: &Api, called: &Called) -> Result<LeaseId, Failure> {
    Finder::of(api).find(called).await
}

/// The leases with that name; if there are none, those whose id begins so.
fn called_so<'l>(wanted: &str, leases: impl Iterator<Item = &'l Lease> + Clone) -> Vec<LeaseId> {
    if wanted.is_empty() {
        return Vec::new();
    }
    let named = leases.clone().filter(|lease| is_named(wanted, lease));
    let named: Vec<_> = named.map(|lease| lease.id).collect();
    if !named.is_empty() {
        return named;
    }
    let begun = leases.filter(|lease| lease.id.to_string().starts_with(wanted));
    begun.map(|lease| lease.id).collect()
}

fn is_named(wanted: &str, lease: &Lease) -> bool {
    lease.name.as_deref() == Some(wanted)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FIRST: &str = "0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c";
    const SECOND: &str = "0193b6e0-8d5d-7cc3-9b1e-3f6f3d2a4b5c";

    fn lease(id: &str, name: Option<&str>) -> Lease {
        let lease = json!({
            "id": id, "imageType": "redis", "name": name, "state": "running",
            "expiryTime": "2026-11-24T09:30:00Z",
        });
        serde_json::from_value(lease).unwrap()
    }

    fn found(wanted: &str, names: [Option<&str>; 2]) -> Vec<String> {
        let leases = [lease(FIRST, names[0]), lease(SECOND, names[1])];
        let found = called_so(wanted, leases.iter());
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_lease_is_found_by_its_name_or_the_beginning_of_its_id() {
        let names = [Some("cache"), Some("web")];
        assert_eq!(found("web", names), [SECOND]);
        assert_eq!(found("0193b6e0-8d5c", names), [FIRST]);
        assert_eq!(found("0193", names), [FIRST, SECOND]);
        for nobody in ["", "we", "8d5c", "0193B6E0-8D5C"] {
            assert!(found(nobody, names).is_empty(), "{nobody}");
        }
    }

    #[test]
    fn a_name_goes_before_the_beginning_of_an_id() {
        assert_eq!(found("0193", [None, Some("0193")]), [SECOND]);
        assert_eq!(found("twin", [Some("twin"), Some("twin")]).len(), 2);
    }

    #[test]
    fn a_whole_id_is_not_looked_for() {
        assert!(matches!(FIRST.parse(), Ok(Called::Id(_))));
        assert!(matches!(FIRST.to_uppercase().parse(), Ok(Called::Text(_))));
    }
}
