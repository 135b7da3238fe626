//! `containerlease renew`: moves a lease's end.

use std::time::Duration;

use clap::Args;
use containerlease_domain::time::Time;
use serde_json::json;

use crate::{
    api::{
        Api, Request,
        answer::{Granted, Lease, Renewed, Timed},
    },
    console::Console,
    duration::{Renewal, spell},
    failure::Failure,
    find::{Called, find},
};

/// Let a lease end later
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
A renewal never shortens a lease. The new end is counted from now in whole seconds, so +15m adds
15 minutes and less than a second more.")]
pub struct Arguments {
    /// The lease: its id, the beginning of its id, or its name
    #[arg(value_name = "LEASE")]
    lease: Called,
    /// How much longer, such as +15m or +90s; or how long from now, such as 15m
    #[arg(value_name = "[+]DURATION")]
    duration: Renewal,
    /// Show the lease as JSON, with what was granted
    #[arg(long)]
    json: bool,
}

pub async fn run(api: &Api, arguments: &Arguments, console: &mut Console) -> Result<(), Failure> {
    let lease = find(api, &arguments.lease).await?;
    let (left, most) = match arguments.duration {
        Renewal::FromNow(_) => (Duration::ZERO, Duration::MAX),
        Renewal::Longer(_) => {
            let request = Request::get(format!("/containers/{lease}"));
            let it: Timed<Lease> = api.settle(&request).await?.read()?;
            let until = |end| it.server_time.until(end);
            let most = it.body.maximum_expiry_time.map_or(Duration::MAX, until);
            (until(it.body.expiry_time), most)
        }
    };
    let (field, value) = arguments.duration.from_now(left, most).asked();
    let body = json!({field: value});
    let request = Request::post(format!("/containers/{lease}/renew"), body);
    let answer = api.settle(&request).await?;
    if arguments.json {
        return console.print_line(&answer.json());
    }
    let renewed: Renewed = answer.read()?;
    console.print_line(&said(renewed.granted, renewed.expiry_time))
}

fn said(granted: Granted, end: Time) -> String {
    let left = spell(Duration::from_secs(granted.duration_seconds));
    let end = end.to_string();
    let clock = end.get(11..19).unwrap_or(&end);
    let added = if granted.added_seconds == 0 {
        "no later than before".to_owned()
    } else {
        let added = Duration::from_secs(granted.added_seconds);
        format!("{} later than before", spell(added))
    };
    let capped = if granted.capped {
        "; more is not allowed: the longest lifetime includes all renewals"
    } else {
        ""
    };
    format!("ends in {left}, at {clock} UTC, {added}{capped}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_granted_is_said_and_when_it_was_capped() {
        let end = Time::from_millis(1_795_512_600_000);
        let granted = |added_seconds, capped| Granted {
            duration_seconds: 2_700,
            added_seconds,
            capped,
        };
        assert_eq!(
            said(granted(900, false), end),
            "ends in 45m, at 09:30:00 UTC, 15m later than before"
        );
        assert!(said(granted(0, false), end).ends_with(", no later than before"));
        assert!(said(granted(60, true), end).contains("1m later than before; more is not allowed"));
    }
}
