//! The query of a list, parsed.
//!
//! Without parameters, a list contains the leases that have not ended. `state=ended` and
//! `state=all` return the history in pages, newest first.

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::{FieldFault, LABELS, is_label_key, quoted};
use crate::{
    catalogue::{Catalogue, ImageType},
    lease::{Lease, StateName},
    names::LeaseId,
};

/// The greatest number of leases in a page.
pub const LONGEST_PAGE: usize = 100;

/// The default number of leases in a page.
pub const PAGE: usize = 50;

/// A checked query of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    states: States,
    image_type: Option<ImageType>,
    labels: Vec<LabelFilter>,
    /// The page of the history; none if the query is only for leases that have not ended.
    pub page: Option<PageAsked>,
}

/// One page of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageAsked {
    pub cursor: Option<Cursor>,
    pub limit: usize,
}

/// The last lease of a page of the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(
    as = HistoryCursor,
    value_type = String,
    pattern = "^[0-9a-f]{12}7[0-9a-f]{19}$",
    example = "0193b6e08d5c7cc39b1e3f6f3d2a4b5c"
)]
pub struct Cursor(pub LeaseId);

/// The text is not a list cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotACursor;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum States {
    Active,
    All,
    Only(StateName),
}

/// A label that a lease must have, with this value or with any.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LabelFilter {
    key: String,
    value: Option<String>,
}

impl List {
    /// Parses the pairs of a query. Collects all faults before it answers.
    pub fn parse<'q>(
        pairs: impl IntoIterator<Item = (&'q str, &'q str)>,
        catalogue: &Catalogue,
    ) -> Result<Self, Vec<FieldFault>> {
        let mut query = Query::of(pairs);
        let state = query.once("state").map(states);
        let image_type = query.once("imageType").map(|name| {
            let image = catalogue.get(name).map(|image| image.image_type.clone());
            image.ok_or_else(|| format!("There is no image type {}.", quoted(name)))
        });
        let cursor = query.once("cursor").map(|text| {
            let text = text.parse::<Cursor>();
            text.map_err(|NotACursor| "Use the previous page's, unchanged.".to_owned())
        });
        let limit = query.once("limit").map(limit);
        let labels = query.all("label");

        let many = labels.len() > LABELS;
        let mut labels: Vec<_> = labels.into_iter().map(label).collect();
        if many {
            labels.push(Err(format!("Give at most {LABELS} of them.")));
        }
        let labels = query.keep("label", labels.into_iter().collect());
        let state = query.keep("state", state.transpose());
        let states = state.flatten().unwrap_or(States::Active);
        let history = match states {
            States::All | States::Only(StateName::Ended) => true,
            States::Active | States::Only(_) => false,
        };
        if !history {
            let paging = [("cursor", cursor.is_some()), ("limit", limit.is_some())];
            for (parameter, _) in paging.iter().filter(|(_, given)| *given) {
                query.fault(
                    parameter,
                    "Only state=ended and state=all come in pages.".to_owned(),
                );
            }
        }
        let image_type = query.keep("imageType", image_type.transpose());
        let (cursor, limit) = if history {
            let cursor = query.keep("cursor", cursor.transpose());
            let limit = query.keep("limit", limit.transpose());
            (cursor.flatten(), limit.flatten())
        } else {
            (None, None)
        };
        query.finish()?;
        Ok(Self {
            states,
            image_type: image_type.flatten(),
            labels: labels.unwrap_or_default(),
            page: history.then(|| PageAsked {
                cursor,
                limit: limit.unwrap_or(PAGE),
            }),
        })
    }

    /// Whether the query asks for the lease.
    pub fn wants(&self, lease: &Lease) -> bool {
        let state = lease.state_name();
        let in_state = match self.states {
            States::Active => state != StateName::Ended,
            States::All => true,
            States::Only(only) => state == only,
        };
        let of_type = self.image_type.as_ref();
        in_state
            && of_type.is_none_or(|image_type| lease.image_type == *image_type)
            && self.labels.iter().all(|label| label.fits(lease))
    }
}

impl LabelFilter {
    fn fits(&self, lease: &Lease) -> bool {
        lease.labels.get(&self.key).is_some_and(|its| {
            let value = self.value.as_ref();
            value.is_none_or(|value| value == its)
        })
    }
}

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let id = uuid::Uuid::try_parse(text).map_err(|_| NotACursor)?;
        let id = id.as_hyphenated().to_string().parse();
        let cursor = Self(id.map_err(|_| NotACursor)?);
        if cursor.to_string() == text {
            Ok(cursor)
        } else {
            Err(NotACursor)
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_string().replace('-', ""))
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn states(text: &str) -> Result<States, String> {
    let found = StateName::ALL.into_iter().find(|it| it.as_str() == text);
    match (text, found) {
        ("active", _) => Ok(States::Active),
        ("all", _) => Ok(States::All),
        (_, Some(only)) => Ok(States::Only(only)),
        (_, None) => {
            let names = StateName::ALL.map(StateName::as_str).join(", ");
            let text = quoted(text);
            Err(format!(
                "There is no state {text}; choose one of active, all, {names}."
            ))
        }
    }
}

fn limit(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|limit| (1..=LONGEST_PAGE).contains(limit))
        .ok_or_else(|| {
            let text = quoted(text);
            format!("It is {text}; give a whole number from 1 to {LONGEST_PAGE}.")
        })
}

fn label(text: &str) -> Result<LabelFilter, String> {
    let (key, value) = match text.split_once(':') {
        Some((key, value)) => (key, Some(value)),
        None => (text, None),
    };
    if is_label_key(key) {
        Ok(LabelFilter {
            key: key.to_owned(),
            value: value.map(str::to_owned),
        })
    } else {
        let key = quoted(key);
        Err(format!(
            "{key} is not a label key; give KEY or KEY:VALUE, such as team:search."
        ))
    }
}

/// The parameters that no parser has taken yet, and the faults found so far.
struct Query<'q> {
    rest: Vec<(&'q str, &'q str)>,
    known: Vec<&'static str>,
    faults: Vec<FieldFault>,
}

impl<'q> Query<'q> {
    fn of(pairs: impl IntoIterator<Item = (&'q str, &'q str)>) -> Self {
        Self {
            rest: pairs.into_iter().collect(),
            known: Vec::new(),
            faults: Vec::new(),
        }
    }

    fn all(&mut self, name: &'static str) -> Vec<&'q str> {
        self.known.push(name);
        let of_name = self.rest.extract_if(.., |(its, _)| *its == name);
        of_name.map(|(_, value)| value).collect()
    }

    fn once(&mut self, name: &'static str) -> Option<&'q str> {
        let values = self.all(name);
        if values.len() > 1 {
            self.faults.push(FieldFault::repeated_parameter(name));
        }
        values.first().copied()
    }

    fn keep<T>(&mut self, name: &'static str, parsed: Result<T, String>) -> Option<T> {
        parsed.map_err(|detail| self.fault(name, detail)).ok()
    }

    fn fault(&mut self, field: &str, detail: String) {
        self.faults.push(FieldFault {
            field: field.to_owned(),
            detail,
        });
    }

    /// Refuses the remaining parameters: we must not ignore a misspelt one.
    fn finish(mut self) -> Result<(), Vec<FieldFault>> {
        self.known.sort_unstable();
        for (name, _) in std::mem::take(&mut self.rest) {
            let fault = FieldFault::unknown_parameter(name, &self.known);
            self.faults.push(fault);
        }
        if self.faults.is_empty() {
            return Ok(());
        }
        self.faults.sort_by(|a, b| a.field.cmp(&b.field));
        Err(self.faults)
    }
}

#[cfg(test)]
mod tests;
