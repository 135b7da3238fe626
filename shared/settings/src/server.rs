//! What only the one-machine server reads.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use super::{DATA, Firewall, SettingsError, environment, reader::Reader};

/// The settings that only the one-machine server reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalSettings {
    pub listen: SocketAddr,
    pub data: PathBuf,
    /// The port at which other processes reach the table, if any do.
    pub table_port: Option<u16>,
    /// The secret path that they need.
    pub table_key: Option<String>,
    pub tick: Duration,
    pub dashboard: PathBuf,
    pub firewall: Firewall,
}

impl LocalSettings {
    /// Reads the process's environment.
    pub fn from_env() -> Result<Self, SettingsError> {
        Self::parse(environment)
    }

    /// Reads the settings from `lookup`, which gives a variable's value.
    pub fn parse(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        const TABLE_PORT: &str = "CONTAINERLEASE_TABLE_PORT";
        let read = Reader(lookup);
        let listen: SocketAddr = read.parsed("CONTAINERLEASE_LISTEN", "127.0.0.1:8080")?;
        if !listen.ip().is_loopback() {
            return Err(SettingsError {
                variable: "CONTAINERLEASE_LISTEN",
                value: listen.to_string(),
                problem: "nobody signs in here, so it listens on a loopback address only, \
                          such as 127.0.0.1:8080"
                    .to_owned(),
            });
        }
        Ok(Self {
            listen,
            data: PathBuf::from(read.text("CONTAINERLEASE_DATA", DATA)),
            table_port: match read.optional(TABLE_PORT) {
                None => None,
                Some(_) => Some(read.number(TABLE_PORT, 0, 0..=65_535)?),
            },
            table_key: read.key("CONTAINERLEASE_TABLE_KEY")?,
            tick: read.seconds("CONTAINERLEASE_TICK_SECONDS", 60, 1..=3_600)?,
            dashboard: PathBuf::from(read.text("CONTAINERLEASE_DASHBOARD", "frontend/dist")),
            firewall: Firewall::read(&read)?,
        })
    }
}
