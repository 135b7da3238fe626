//! `containerlease stats`: what a lease uses.

use clap::Args;

use crate::{
    api::{Api, Request, answer::Stats},
    console::Console,
    failure::Failure,
    find::{Called, find},
    table::Table,
};

/// Show what a lease uses now
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    /// The lease: its id, the beginning of its id, or its name
    #[arg(value_name = "LEASE")]
    lease: Called,
    /// Show it as JSON, in numbers with units
    #[arg(long)]
    json: bool,
}

pub async fn run(api: &Api, arguments: &Arguments, console: &mut Console) -> Result<(), Failure> {
    let lease = find(api, &arguments.lease).await?;
    let request = Request::get(format!("/containers/{lease}/stats"));
    let answer = api.settle(&request).await?;
    if arguments.json {
        return console.print_line(&answer.json());
    }
    let text = table(&answer.read()?).render(console.colours);
    console.print(&text)
}

fn table(stats: &Stats) -> Table<5> {
    let Stats {
        cpu,
        memory,
        disk,
        network,
        processes,
    } = stats;
    let mut table = Table::new(["CPU", "MEMORY", "DISK", "NETWORK", "PROCESSES"]);
    let limit = cpu.limit_milli / 10;
    table.row([
        format!("{:.1} of {limit} %", cpu.percent).into(),
        format!(
            "{} of {}",
            size(memory.used_bytes),
            size(memory.limit_bytes)
        )
        .into(),
        match disk.map(|disk| (disk.used_bytes, disk.limit_bytes)) {
            Some((Some(used), Some(limit))) => format!("{} of {}", size(used), size(limit)).into(),
            Some((Some(used), None)) => size(used).into(),
            Some((None, _)) | None => "-".into(),
        },
        format!(
            "{} in, {} out",
            size(network.received_bytes),
            size(network.sent_bytes)
        )
        .into(),
        match processes.limit {
            Some(limit) => format!("{} of {limit}", processes.count),
            None => processes.count.to_string(),
        }
        .into(),
    ]);
    table
}

/// Bytes in the largest unit of which there is at least one.
fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match UNITS.iter().find(|(length, _)| bytes >= *length) {
        Some((length, name)) => {
            let tenths = u128::from(bytes) * 10 / u128::from(*length);
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_says_what_is_used_of_what() {
        let stats = serde_json::json!({
            "readAt": "2026-11-24T09:30:00.000Z",
            "cpu": {"percent": 12.5, "percentOfLimit": 25.0, "usedNanoseconds": 5,
                    "limitMilli": 500, "measuredMilliseconds": 500},
            "memory": {"usedBytes": 3_670_016, "limitBytes": 268_435_456},
            "disk": {"usedBytes": 2_097_152, "limitBytes": 1_073_741_824},
            "network": {"receivedBytes": 1_536, "sentBytes": 70},
            "processes": {"count": 6, "limit": 256},
        });
        assert_eq!(
            table(&serde_json::from_value(stats).unwrap()).render(false),
            "CPU            MEMORY                 DISK                 NETWORK                PROCESSES\n\
             12.5 of 50 %   3.5 MiB of 256.0 MiB   2.0 MiB of 1.0 GiB   1.5 KiB in, 70 B out   6 of 256\n"
        );
    }

    #[test]
    fn sizes_have_units() {
        for (bytes, said) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (1_610_612_736, "1.5 GiB"),
        ] {
            assert_eq!(size(bytes), said);
        }
    }
}
