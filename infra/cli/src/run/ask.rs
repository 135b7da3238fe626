//! The request for a lease: from the command line's options to the API's fields.

use std::{collections::BTreeMap, fs, path::PathBuf, str::FromStr};

use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};
use thiserror::Error;

use super::variable::{self, Variable};
use crate::{duration::Term, failure::Failure, pair::Pair};

/// The requested lease.
#[derive(Clone, Debug, Args)]
pub(super) struct Asked {
    /// What to lease, such as redis; `containerlease images` lists the choices
    image: String,
    /// For how long, such as 90s, 30m, 2h or 1h30m
    #[arg(long = "for", value_name = "DURATION")]
    duration: Term,
    /// A container port to publish besides the image's own; with a scheme, it gets a URL
    #[arg(short, long = "port", value_name = "PORT[/SCHEME]")]
    ports: Vec<Port>,
    /// A variable for its program, or KEY alone for the value in this shell. Whoever can list this
    /// machine's processes can read a value here: put secrets in a file
    #[arg(short, long, value_name = "KEY[=VALUE]")]
    env: Vec<Variable>,
    /// Variables from a file, one KEY=VALUE per line as docker reads them; --env wins over it
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// A name for the lease
    #[arg(long)]
    name: Option<String>,
    /// A label on the lease; the container does not see it
    #[arg(short, long = "label", value_name = "KEY=VALUE")]
    labels: Vec<Pair>,
    /// Lease redis or postgres without a password
    #[arg(long)]
    no_password: bool,
    /// CPU and memory, in the image's own sizes
    #[arg(long, value_parser = ["small", "medium", "large"])]
    size: Option<String>,
    /// Number of CPUs, such as 0.5; wins over --size
    #[arg(long, value_name = "CPUS")]
    cpu: Option<Cpu>,
    /// Memory, such as 256m or 1g; wins over --size
    #[arg(long, value_name = "SIZE")]
    memory: Option<Mebibytes>,
    /// Disk, such as 512m or 2g
    #[arg(long, value_name = "SIZE")]
    disk: Option<Mebibytes>,
    /// Where its programs may connect to: open, none, or the name of a list
    #[arg(long)]
    egress: Option<String>,
    /// The program to run instead of the image's own, after --
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

impl Asked {
    /// The request's body. Reads the files that the options name.
    pub(super) fn body(&self) -> Result<Value, Failure> {
        let mut env = BTreeMap::new();
        for file in &self.env_file {
            let unreadable = |error| Failure::Unreadable {
                what: file.display().to_string(),
                error,
            };
            let text = fs::read(file).map_err(unreadable)?;
            let variables = variable::lines(&text);
            let variables = variables
                .map_err(|error| Failure::Given(format!("{error} in {}", file.display())))?;
            env.extend(variables.into_iter().filter_map(Variable::resolve));
        }
        env.extend(self.env.iter().cloned().filter_map(Variable::resolve));

        let (field, value) = self.duration.asked();
        let mut body = json!({"imageType": self.image, field: value});
        // Options not given are not sent: the server has its own defaults.
        let mut set = |field: &str, value: Option<Value>| {
            if let Some(value) = value {
                body[field] = value;
            }
        };
        set("ports", some(&self.ports));
        set("env", (!env.is_empty()).then(|| json!(env)));
        set("name", self.name.as_ref().map(|name| json!(name)));
        let labels: BTreeMap<_, _> = keyed(&self.labels).collect();
        set("labels", (!labels.is_empty()).then(|| json!(labels)));
        set("preset", self.size.as_ref().map(|size| json!(size)));
        set("cpuMilli", self.cpu.map(|Cpu(milli)| json!(milli)));
        set("memoryMB", self.memory.map(|Mebibytes(mib)| json!(mib)));
        set("diskMB", self.disk.map(|Mebibytes(mib)| json!(mib)));
        set("egress", self.egress.as_ref().map(|egress| json!(egress)));
        set("password", self.no_password.then_some(Value::Bool(false)));
        set("command", some(&self.command));
        Ok(body)
    }
}

fn keyed(pairs: &[Pair]) -> impl Iterator<Item = (String, String)> {
    let pairs = pairs.iter().cloned();
    pairs.map(|Pair { key, value }| (key, value))
}

fn some<T: Serialize>(list: &[T]) -> Option<Value> {
    (!list.is_empty()).then(|| json!(list))
}

/// A port of the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Port {
    container_port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheme: Option<String>,
}

/// Thousandths of a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cpu(u32);

/// Mebibytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mebibytes(u32);

/// Why an option's value is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
enum Wrong {
    #[error("a port is a number from 1 to 65535; add a scheme to get a URL, such as 8080/http")]
    Port,
    #[error("CPUs are a number without a unit and with at most three decimals, such as 0.5 or 2")]
    Cpu,
    #[error("a size is a whole number with its unit, such as 256m or 1g")]
    Mebibytes,
    #[error("a size has a unit: {0}m is mebibytes, {0}g is gibibytes")]
    SizeWithoutUnit(u32),
}

impl FromStr for Port {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        let (number, scheme) = match text.split_once('/') {
            Some((_, "")) => return Err(Wrong::Port),
            Some((number, scheme)) => (number, Some(scheme.to_owned())),
            None => (text, None),
        };
        let container_port = number.parse().ok().filter(|number| *number > 0);
        Ok(Self {
            container_port: container_port.ok_or(Wrong::Port)?,
            scheme,
        })
    }
}

impl FromStr for Cpu {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 3 {
            return Err(Wrong::Cpu);
        }
        let milli = format!("{whole}{part:0<3}");
        milli.parse().map(Self).map_err(|_| Wrong::Cpu)
    }
}

impl FromStr for Mebibytes {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        if let Ok(number) = text.parse() {
            return Err(Wrong::SizeWithoutUnit(number));
        }
        let unit = text.find(|c: char| !c.is_ascii_digit());
        let (number, unit) = text.split_at(unit.ok_or(Wrong::Mebibytes)?);
        let times = match unit.to_ascii_lowercase().as_str() {
            "m" | "mb" | "mi" | "mib" => 1,
            "g" | "gb" | "gi" | "gib" => 1024,
            _ => return Err(Wrong::Mebibytes),
        };
        let number: u32 = number.parse().map_err(|_| Wrong::Mebibytes)?;
        number.checked_mul(times).map(Self).ok_or(Wrong::Mebibytes)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Call {
        #[command(flatten)]
        ask: Asked,
    }

    fn body(call: &[&str]) -> Value {
        let call = Call::try_parse_from(["run"].iter().chain(call)).expect("it is taken");
        call.ask.body().expect("it can be asked for")
    }

    #[test]
    fn what_is_not_said_is_not_sent() {
        assert_eq!(
            body(&["redis", "--for", "30m"]),
            json!({"imageType": "redis", "durationMinutes": 30})
        );
        assert_eq!(
            body(&["redis", "--for", "90s"]),
            json!({"imageType": "redis", "durationSeconds": 90})
        );
    }

    #[test]
    fn everything_can_be_asked_for() {
        let file = std::env::temp_dir().join(format!("env-{}", uuid::Uuid::new_v4()));
        fs::write(&file, "A=from the file\nB=2\n").unwrap();
        let file = file.display().to_string();
        let asked = body(&[
            "alpine",
            "--for",
            "1h30m",
            "-p",
            "8080/http",
            "--port",
            "53",
            "-e",
            "A=1",
            "--env-file",
            &file,
            "--name",
            "web",
            "-l",
            "team=search",
            "--label",
            "empty=",
            "--size",
            "small",
            "--cpu",
            "0.5",
            "--disk",
            "2g",
            "--memory",
            "1g",
            "--egress",
            "packages",
            "--",
            "sh",
            "-c",
            "exit 3",
        ]);
        fs::remove_file(file).unwrap();
        assert_eq!(
            asked,
            json!({
                "imageType": "alpine", "durationMinutes": 90,
                "ports": [{"containerPort": 8080, "scheme": "http"}, {"containerPort": 53}],
                "env": {"A": "1", "B": "2"}, "name": "web",
                "labels": {"team": "search", "empty": ""}, "preset": "small",
                "cpuMilli": 500, "memoryMB": 1024, "diskMB": 2048,
                "egress": "packages", "command": ["sh", "-c", "exit 3"],
            })
        );
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named() {
        let file = std::env::temp_dir().join(format!("env-{}", uuid::Uuid::new_v4()));
        fs::write(&file, "A=1\nexport B=2\n").unwrap();
        let name = file.display().to_string();
        let call = ["run", "redis", "--for", "1m", "--env-file", &name];
        let call = Call::try_parse_from(call).ok().unwrap();
        let said = call.ask.body().unwrap_err().to_string();
        fs::remove_file(file).unwrap();
        assert!(said.starts_with("line 2 begins with export"), "{said}");
        assert!(said.ends_with(&name), "{said}");

        let call = ["run", "redis", "--for", "1m", "--env-file", "/no/such/file"];
        let call = Call::try_parse_from(call).ok().unwrap();
        let said = call.ask.body().unwrap_err().to_string();
        assert!(said.starts_with("/no/such/file cannot be read"), "{said}");
    }

    #[test]
    fn amounts_are_read_with_their_units() {
        for (text, milli) in [("1", 1_000), ("0.5", 500), ("0.05", 50), ("1.125", 1_125)] {
            assert_eq!(text.parse(), Ok(Cpu(milli)), "{text}");
        }
        for wrong in [
            "", ".5", "1.", "0.0001", "-1", "1e3", "half", "500m", "99999999",
        ] {
            assert_eq!(wrong.parse::<Cpu>(), Err(Wrong::Cpu), "{wrong}");
        }
        for (text, mib) in [("256m", 256), ("1g", 1_024), ("2GiB", 2_048), ("64MB", 64)] {
            assert_eq!(text.parse(), Ok(Mebibytes(mib)), "{text}");
        }
        for wrong in ["", "m", "1.5g", "1t", "5000000g", "99999999999"] {
            assert_eq!(wrong.parse::<Mebibytes>(), Err(Wrong::Mebibytes), "{wrong}");
        }
        for (text, said) in [
            (
                "64",
                "a size has a unit: 64m is mebibytes, 64g is gibibytes",
            ),
            ("0", "a size has a unit: 0m is mebibytes, 0g is gibibytes"),
        ] {
            assert_eq!(text.parse::<Mebibytes>().unwrap_err().to_string(), said);
        }
        for wrong in ["", "0", "65536", "80/", "/http", "80:80"] {
            assert_eq!(wrong.parse::<Port>(), Err(Wrong::Port), "{wrong}");
        }
    }
}
