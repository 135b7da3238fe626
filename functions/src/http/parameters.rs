//! Checks the names of query parameters.

use containerlease_domain::request::FieldFault;
use lambda_http::aws_lambda_events::query_map::QueryMap;

use crate::http::problem::Problem;

/// Refuses a misspelt or repeated parameter, rather than ignore it.
pub(crate) fn check_names(parameters: &QueryMap, known: &[&str]) -> Result<(), Problem> {
    let mut seen = Vec::new();
    let mut faults = Vec::new();
    for (name, _) in parameters.iter() {
        if !known.contains(&name) {
            faults.push(FieldFault::unknown_parameter(name, known));
        } else if seen.contains(&name) {
            faults.push(FieldFault::repeated_parameter(name));
        } else {
            seen.push(name);
        }
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Problem::invalid_query(&faults))
    }
}
