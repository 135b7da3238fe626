//! A measurement's files: its data as JSON, its picture as SVG, and the page that shows all
//! measurements of the folder.

use std::{fmt::Write as _, fs, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Fallible, machine, say};

/// All measurements, in the page's order.
const NAMES: [&str; 10] = [
    "spread",
    "bare-tick",
    "burst",
    "by-itself",
    "cost",
    "one-bad",
    "soak",
    "log-continuity",
    "log-speed",
    "log-viewers",
];

/// The head of the page.
const HEAD: &str = "\
# Benchmarks

What the reaper and the logs do under load, on a real Docker engine. `make bench` and `make \
soak` measure all of it anew; both write this page, and beside it the data of each measurement as \
JSON and its picture as SVG.

What is measured is the product: the one-machine server in a process of its own, with its embedded \
table on disk and its own schedule. Leases are made over its API; where a measurement wants \
ends to the millisecond, they are moved in the table by the write that a renewal makes. When a \
container is gone is read from the engine's event stream (`destroy`), not from our receipts.
";

/// A measurement.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// The file's name without its extension.
    pub name: String,
    pub title: String,
    /// How it was measured, in sentences.
    pub method: String,
    pub machine: Value,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
    /// The promises, and whether they hold.
    pub goals: Vec<Goal>,
    /// All measured values.
    pub data: Value,
}

/// A promise, and whether it holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Goal {
    pub promise: String,
    pub measured: String,
    pub holds: bool,
}

impl Goal {
    /// A promise, the measured value, and whether it keeps the promise.
    pub fn new(promise: &str, measured: impl Into<String>, holds: bool) -> Self {
        Self {
            promise: promise.to_owned(),
            measured: measured.into(),
            holds,
        }
    }
}

impl Outcome {
    /// Writes data and picture into `folder`, rewrites its page, and prints the result.
    pub fn publish(&self, folder: &Path, picture: &str) -> Fallible<()> {
        fs::create_dir_all(folder)?;
        let data = format!("{}\n", serde_json::to_string(self)?);
        fs::write(folder.join(format!("{}.json", self.name)), data)?;
        fs::write(folder.join(format!("{}.svg", self.name)), picture)?;
        fs::write(folder.join("README.md"), page(folder)?)?;
        say(format_args!("\n{}\n", self.title));
        say(aligned(&self.columns, &self.rows));
        for goal in &self.goals {
            say(format_args!("{}", goal.sentence()));
        }
        Ok(())
    }

    /// Whether all goals are met.
    pub fn holds(&self) -> bool {
        self.goals.iter().all(|goal| goal.holds)
    }

    fn section(&self) -> String {
        let mut text = format!("\n## {}\n\n{}\n\n", self.title, self.method);
        write_row(&mut text, &self.columns);
        write_row(&mut text, &vec!["---".to_owned(); self.columns.len()]);
        for row in &self.rows {
            write_row(&mut text, row);
        }
        text.push('\n');
        for goal in &self.goals {
            text.push_str("- ");
            text.push_str(&goal.sentence());
            text.push('\n');
        }
        let machine = machine::sentence(&self.machine);
        let picture = format!("![{}]({}.svg)", self.title, self.name);
        text + &format!("\n{picture}\n\nMeasured {machine}\n")
    }
}

impl Goal {
    fn sentence(&self) -> String {
        let holds = if self.holds { "holds" } else { "DOES NOT HOLD" };
        format!("{}: {}, {holds}.", self.promise, self.measured)
    }
}

fn page(folder: &Path) -> Fallible<String> {
    let mut page = HEAD.to_owned();
    for name in NAMES {
        let Ok(text) = fs::read_to_string(folder.join(format!("{name}.json"))) else {
            continue;
        };
        page.push_str(&serde_json::from_str::<Outcome>(&text)?.section());
    }
    Ok(page)
}

fn write_row(text: &mut String, cells: &[String]) {
    writeln!(text, "| {} |", cells.join(" | ")).expect("a text takes what is written to it");
}

fn aligned(columns: &[String], rows: &[Vec<String>]) -> String {
    let all = || std::iter::once(columns).chain(rows.iter().map(Vec::as_slice));
    let widest = |column: usize| {
        let cells = all().filter_map(move |row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let line = |row: &[String]| {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let width = widest(column);
            if column == 0 {
                format!("{cell:<width$}")
            } else {
                format!("{cell:>width$}")
            }
        });
        cells.collect::<Vec<_>>().join("  ")
    };
    all().map(line).collect::<Vec<_>>().join("\n")
}

/// The cells as texts.
pub fn texts<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}
