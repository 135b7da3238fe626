//! Problems that name the wrong fields.
//!
//! A body of 64 KiB may have thousands of faults. With a sentence for each, the answer would
//! take megabytes, so only the first are listed.

use containerlease_domain::request::FieldFault;
use serde_json::json;

use super::{Kind, Problem};

/// The maximum number of listed faults.
pub(crate) const LISTED: usize = 20;

impl Problem {
    /// Lists the first faults, and counts the rest.
    pub(super) fn of_fields(kind: Kind, title: &'static str, faults: &[FieldFault]) -> Self {
        let listed = &faults[..faults.len().min(LISTED)];
        let sentences = listed
            .iter()
            .map(|fault| format!("{}: {}", fault.field, fault.detail));
        let more = match faults.len() - listed.len() {
            0 => None,
            more => Some(format!("{more} more are wrong.")),
        };
        let sentences: Vec<_> = sentences.chain(more).collect();
        Self {
            members: vec![("errors", json!(listed))],
            ..Self::new(kind, title, sentences.join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use containerlease_domain::request::Renew;

    use super::*;

    #[test]
    fn a_body_full_of_faults_is_answered_with_the_first_of_them() {
        let fields: Vec<_> = (0..8_000).map(|index| format!("\"{index}\":0")).collect();
        let many = format!("{{{}}}", fields.join(","));
        let long = format!("{{\"{}\":0}}", "\\u0001".repeat(10_000));
        for body in [many, long] {
            assert!(body.len() > 50_000, "{}", body.len());
            let refused = Renew::parse(body.as_bytes(), std::time::Duration::from_secs(60));
            let problem = Problem::from(refused.unwrap_err());
            let (name, errors) = &problem.members[0];
            assert_eq!(*name, "errors");
            assert!(errors.as_array().unwrap().len() <= LISTED);
            let size = problem.detail.len() + errors.to_string().len();
            assert!(size < 16 * 1024, "{size}");
        }
    }

    #[test]
    fn what_is_not_listed_is_counted() {
        let fault = |index: usize| FieldFault {
            field: format!("f{index}"),
            detail: "It is wrong.".to_owned(),
        };
        let detail = |count: usize| {
            let faults: Vec<_> = (0..count).map(fault).collect();
            Problem::of_fields(Kind::InvalidRequest, "", &faults).detail
        };
        assert!(detail(LISTED).ends_with("f19: It is wrong."));
        assert!(detail(LISTED + 3).ends_with("f19: It is wrong. 3 more are wrong."));
    }
}
