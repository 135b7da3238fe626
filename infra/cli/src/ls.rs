//! `containerlease ls`: live and ended leases.

use std::time::Duration;

use clap::Args;
use containerlease_domain::time::Time;

use crate::{
    api::{
        Api,
        answer::{Lease, Leases},
    },
    console::Console,
    duration::spell,
    failure::Failure,
    pair::Pair,
    table::{Cell, Colour, Table},
};

/// The shortest part of an id that is shown: the time of its creation, in milliseconds.
const ID_LENGTH: usize = "0193b6e0-8d5c".len();

/// List the leases that have not ended, oldest first
#[derive(Clone, Debug, Args)]
#[command(visible_alias = "ps")]
pub struct Arguments {
    /// Include ended leases, newest first
    #[arg(short, long, conflicts_with = "state")]
    all: bool,
    /// Only those in this state
    #[arg(
        long,
        value_parser = ["provisioning", "running", "ending", "ended", "quarantined"]
    )]
    state: Option<String>,
    /// Only those with this label
    #[arg(short, long = "label", value_name = "KEY[=VALUE]")]
    labels: Vec<String>,
    /// Only those of this image type
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Show whole ids, and nothing else
    #[arg(short, long, conflicts_with = "json")]
    quiet: bool,
    /// Show them as a JSON array, with everything known about each
    #[arg(long)]
    json: bool,
}

pub async fn run(api: &Api, arguments: &Arguments, console: &mut Console) -> Result<(), Failure> {
    let labels: Vec<_> = arguments.labels.iter().map(|text| filter(text)).collect();
    let mut query = Vec::new();
    let state = if arguments.all {
        Some("all")
    } else {
        arguments.state.as_deref()
    };
    query.extend(state.map(|state| ("state", state)));
    if matches!(state, Some("all" | "ended")) {
        query.push(("limit", "100"));
    }
    query.extend(arguments.image.as_deref().map(|image| ("imageType", image)));
    query.extend(labels.iter().map(|label| ("label", label.as_str())));
    let found = api.leases(&query).await?;

    if arguments.quiet {
        let ids = found.leases.iter().map(|it| format!("{}\n", it.lease.id));
        console.print(&ids.collect::<String>())
    } else if arguments.json {
        let all: Vec<_> = found.leases.iter().map(|it| it.json.as_str()).collect();
        console.print_line(&format!("[{}]", all.join(",")))
    } else {
        let text = table(&found).render(console.colours);
        console.print(&text)
    }
}

/// In the API's form, which has a colon between key and value.
fn filter(text: &str) -> String {
    match text.parse::<Pair>() {
        Ok(Pair { key, value }) => format!("{key}:{value}"),
        Err(_) => text.to_owned(),
    }
}

fn table(found: &Leases) -> Table<6> {
    let mut table = Table::new(["ID", "NAME", "IMAGE", "STATE", "ENDS IN", "PORTS"]);
    let ids: Vec<_> = found
        .leases
        .iter()
        .map(|it| it.lease.id.to_string())
        .collect();
    let length = telling_length(&ids);
    for (id, listed) in ids.iter().zip(&found.leases) {
        let lease = &listed.lease;
        table.row([
            id[..length].into(),
            lease.name.as_deref().unwrap_or("-").into(),
            image(lease).into(),
            state(lease),
            end(lease, found.server_time).into(),
            ports(lease).into(),
        ]);
    }
    table
}

/// How much of each id distinguishes it from the others.
fn telling_length(ids: &[String]) -> usize {
    let mut sorted: Vec<_> = ids.iter().map(String::as_str).collect();
    sorted.sort_unstable();
    let mut length = ID_LENGTH;
    for pair in sorted.windows(2) {
        let same = pair[0].bytes().zip(pair[1].bytes());
        let same = same.take_while(|(a, b)| a == b).count();
        length = length.max(same + 1);
    }
    length
}

fn image(lease: &Lease) -> String {
    if lease.stand_in {
        format!("{} (stand-in)", lease.image_type)
    } else {
        lease.image_type.clone()
    }
}

fn state(lease: &Lease) -> Cell {
    let reason = lease
        .receipt
        .as_ref()
        .map(|receipt| receipt.reason.as_str());
    let reason = reason.or(lease.reason.as_deref());
    let receipt = lease.receipt.as_ref();
    let detail = receipt.and_then(|receipt| receipt.detail.as_deref());
    let text = match (reason, detail) {
        (Some(reason), Some(detail)) => format!("{} ({reason}: {detail})", lease.state),
        (Some(reason), None) => format!("{} ({reason})", lease.state),
        (None, _) => lease.state.clone(),
    };
    let colour = match lease.state.as_str() {
        "running" => Some(Colour::Green),
        "provisioning" | "ending" => Some(Colour::Yellow),
        "quarantined" => Some(Colour::Red),
        "ended" if reason == Some("failed") => Some(Colour::Red),
        "ended" => Some(Colour::Dim),
        _ => None,
    };
    Cell::coloured(text, colour)
}

/// Time left, or time since it ended.
fn end(lease: &Lease, now: Time) -> String {
    let ended = lease
        .receipt
        .as_ref()
        .and_then(|receipt| receipt.removed_at);
    match ended {
        Some(ended) => format!("{} ago", spell(ended.until(now))),
        None if lease.is_over() => "-".to_owned(),
        None => match now.until(lease.expiry_time) {
            Duration::ZERO => "now".to_owned(),
            left => spell(left),
        },
    }
}

fn ports(lease: &Lease) -> String {
    // The ports of an ended lease are closed.
    if lease.is_over() {
        return String::new();
    }
    let ports: Vec<_> = lease
        .ports
        .iter()
        .map(|port| match &port.url {
            Some(url) => url.clone(),
            None => format!("{}->{}", port.reached_at(), port.container_port),
        })
        .collect();
    ports.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::api::answer::Listed;

    fn leases(leases: &[Value]) -> Leases {
        let leases = leases.iter().map(|lease| Listed {
            lease: serde_json::from_value(lease.clone()).unwrap(),
            json: lease.to_string(),
        });
        Leases {
            leases: leases.collect(),
            server_time: Time::from_millis(1_795_512_600_000),
        }
    }

    #[test]
    fn a_table_says_what_there_is_and_for_how_long() {
        let found = leases(&[
            json!({
                "id": "0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c", "imageType": "redis",
                "name": "cache", "state": "running", "standIn": true,
                "expiryTime": "2026-11-24T09:59:40Z",
                "ports": [
                    {"containerPort": 6379, "host": "127.0.0.1", "hostPort": 32768,
                     "url": "redis://127.0.0.1:32768"},
                    {"containerPort": 8080, "host": "::1", "hostPort": 32769, "url": null},
                ],
            }),
            json!({
                "id": "0193b6e0-8d5d-7cc3-9b1e-3f6f3d2a4b5c", "imageType": "alpine",
                "name": null, "state": "ended", "expiryTime": "2026-11-24T09:28:00Z",
                "receipt": {"reason": "expired", "removedAt": "2026-11-24T09:28:00.1Z"},
            }),
            json!({
                "id": "0193b6e0-8d5e-7cc3-9b1e-3f6f3d2a4b5c", "imageType": "alpine",
                "name": null, "state": "ending", "reason": "deleted",
                "expiryTime": "2026-11-24T09:28:00Z",
            }),
        ]);
        assert_eq!(
            table(&found).render(false),
            "\
ID              NAME    IMAGE              STATE              ENDS IN      PORTS
0193b6e0-8d5c   cache   redis (stand-in)   running            29m 40s      redis://127.0.0.1:32768, [::1]:32769->8080
0193b6e0-8d5d   -       alpine             ended (expired)    1m 59s ago
0193b6e0-8d5e   -       alpine             ending (deleted)   now
"
        );
    }

    #[test]
    fn ids_are_shown_as_far_as_they_differ() {
        let ids = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect::<Vec<_>>();
        assert_eq!(telling_length(&[]), 13);
        let apart = ids(&["0193b6e0-8d5c-7cc3", "0193b6e0-8d5d-7cc3"]);
        assert_eq!(telling_length(&apart), 13);
        let close = ids(&[
            "0193b6e0-8d5c-7cd3",
            "0193b6e1-8d5c-7000",
            "0193b6e0-8d5c-7cc3",
        ]);
        assert_eq!(telling_length(&close), "0193b6e0-8d5c-7cc".len());
    }

    #[test]
    fn a_label_is_asked_for_as_the_api_has_it() {
        assert_eq!(filter("team=search"), "team:search");
        assert_eq!(filter("team"), "team");
        assert_eq!(filter("team="), "team:");
    }
}
