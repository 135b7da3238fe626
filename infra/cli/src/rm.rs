//! `containerlease rm`: ends leases early.

use clap::Args;

use crate::{
    api::Api,
    console::Console,
    failure::Failure,
    find::{Called, Finder},
};

/// End leases now
///
/// Shows the id of each lease that has ended. If one cannot be ended, says so and goes on.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    /// The leases: ids, beginnings of ids, or names
    #[arg(value_name = "LEASE", required = true)]
    leases: Vec<Called>,
}

pub async fn run(api: &Api, arguments: &Arguments, console: &mut Console) -> Result<(), Failure> {
    let mut finder = Finder::of(api);
    let mut failures = Vec::new();
    for called in &arguments.leases {
        match end(api, &mut finder, called, console).await {
            Ok(()) => {}
            // Nobody reads the output any more, but the other leases must still end.
            Err(failure) if failure.is_closed_pipe() => {}
            Err(failure) => failures.push(failure),
        }
    }
    all_or_some(failures, arguments.leases.len(), console)
}

async fn end(
    api: &Api,
    finder: &mut Finder<'_>,
    called: &Called,
    console: &mut Console,
) -> Result<(), Failure> {
    let lease = finder.find(called).await?;
    if !api.end(&lease).await? {
        console.tell(&format!(
            "the end of {lease} is recorded, and the server will finish it"
        ));
    }
    console.print_line(&lease.to_string())
}

/// The outcome for several leases. A single failure speaks for itself.
pub(crate) fn all_or_some(
    mut failures: Vec<Failure>,
    all: usize,
    console: &mut Console,
) -> Result<(), Failure> {
    let failed = failures.len();
    match failed {
        0 => Ok(()),
        1 if all == 1 => Err(failures.remove(0)),
        _ => {
            let code = failures[0].exit_code();
            let same = failures.iter().all(|failure| failure.exit_code() == code);
            for failure in &failures {
                console.tell(failure);
            }
            Err(Failure::Some {
                failed,
                all,
                code: if same { code } else { 1 },
            })
        }
    }
}
