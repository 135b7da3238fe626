//! The banner that a server prints once it is up.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
};

use containerlease_functions::{app::App, routes::health};
use containerlease_settings::{
    CommandLineSettings, EngineAddress, Firewall, LocalSettings, Settings,
};

use crate::{
    callers::Callers,
    dashboard,
    folder::{ENDPOINT, TOKEN},
    table::Table,
};

/// Prints where everything is and what to do next.
pub(crate) async fn greet(
    settings: &Settings,
    local: &LocalSettings,
    address: SocketAddr,
    table: &Table,
    callers: &Callers,
    app: &App,
) {
    let engine = match &settings.engine {
        EngineAddress::Unix(path) => format!("unix://{}", path.display()),
        EngineAddress::Tls { authority, .. } => format!("tcp://{authority} with mutual TLS"),
    };
    let engine_state = match app.host.version().await {
        Ok(version) => format!("Docker {}", version.version),
        Err(error) => format!(
            "NOT USABLE: {} Nothing can be leased until it is.",
            health::engine_fault(&error)
        ),
    };
    // The program's name as it was called, so that the lines below work in the same shell.
    let program = std::env::args().next();
    let program = program.as_deref().unwrap_or("containerlease");
    let mut said = Vec::new();
    let here = format!("http://{address}");
    let elsewhere = if CommandLineSettings::from_env().url == here {
        String::new()
    } else {
        format!(" --server {here}")
    };
    said.push(format!("ContainerLease is on {here}"));
    said.push(String::new());
    said.push(format!(
        "  dashboard  http://{address}/{}",
        dashboard::hint(&local.dashboard)
    ));
    said.push(format!("  engine     {engine} ({engine_state})"));
    said.push(format!("  data       {}", local.data.display()));
    said.push(match table.address() {
        None => "  table      DynamoDB, embedded; no other process reaches it".to_owned(),
        Some(address) => format!(
            "  table      DynamoDB, embedded; on {address} for clients with the key in {}",
            local.data.join(ENDPOINT).display()
        ),
    });
    said.push(format!(
        "  callers    you and root; others with the token in {}",
        local.data.join(TOKEN).display()
    ));
    if let Some(link) = callers.link() {
        said.push(format!(
            "             a browser of another user, once and within an hour: {here}{link}"
        ));
    }
    if local.firewall == Firewall::Unknown && matches!(settings.engine, EngineAddress::Unix(_)) {
        said.push(
            "  firewall   not checked yet; `sudo infra/docker-host/firewall.sh status` checks it"
                .to_owned(),
        );
    }
    for warning in app.all_warnings().await {
        said.push(format!("  WARNING    {}", warning.detail()));
        said.push(format!("             {}", warning.command()));
    }
    said.push(format!("  reaper     every {} s", local.tick.as_secs()));
    said.push(String::new());
    said.push("Lease an ubuntu for five minutes, and look at your leases:".to_owned());
    said.push(String::new());
    said.push(format!("  {program}{elsewhere} run ubuntu --for 5m"));
    said.push(format!("  {program}{elsewhere} ls"));
    said.push(String::new());
    said.push("The same as a request:".to_owned());
    said.push(String::new());
    said.push(format!(
        "  curl -X POST http://{address}/api/provision -H 'Content-Type: application/json' \\"
    ));
    said.push(r#"    -d '{"imageType":"ubuntu","durationMinutes":5}'"#.to_owned());
    said.push(String::new());
    said.push(
        "Stop with Ctrl-C: leases are kept, and end on time once the server runs again.".to_owned(),
    );
    said.push(String::new());
    // If nobody reads standard output, the server still goes on.
    drop(io::stdout().write_all(said.join("\n").as_bytes()));
}
