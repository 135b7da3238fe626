//! The values of `template.yaml` that tests compare with the code.

use std::time::Duration;

/// The named function's timeout.
pub(crate) fn timeout_of(function: &str) -> Duration {
    let template = include_str!("../../template.yaml");
    let (_, of_it) = template.split_once(&format!("  {function}:\n")).unwrap();
    let (_, timeout) = of_it.split_once("Timeout: ").unwrap();
    let seconds = timeout.split_whitespace().next().unwrap();
    Duration::from_secs(seconds.parse().unwrap())
}
