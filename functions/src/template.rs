//! What tests hold the code against of `template.yaml`.

use std::time::Duration;

/// After which time Lambda cuts off the function of that name.
pub(crate) fn timeout_of(function: &str) -> Duration {
    let template = include_str!("../../template.yaml");
    let (_, of_it) = template.split_once(&format!("  {function}:\n")).unwrap();
    let (_, timeout) = of_it.split_once("Timeout: ").unwrap();
    let seconds = timeout.split_whitespace().next().unwrap();
    Duration::from_secs(seconds.parse().unwrap())
}
