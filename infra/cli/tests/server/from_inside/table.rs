//! The outcome of each attempt in each image type.

use std::{fmt::Write as _, fs, path::Path, time::Duration};

use super::{Attempt, Lease};

/// The text above the table in its file.
const INTRODUCTION: &str = "\
# What a hostile program in a lease tries

Each attempt was made from inside a lease of each image type, by `exec`, all image types beside each
other. The test `server from_inside::` made this table, with `CONTAINERLEASE_TEST_TABLE` naming this
file; the attempts are the scripts in `infra/cli/tests/server/from_inside`, and what is looked at on
the host and its neighbours afterwards is in `host.rs` beside them.

`held` is an attempt that was made, and was refused or found its bound. `no …` is what this image
lacks to make it; another image type has it. The images were those that
`infra/images/prepare.sh` had made on that machine.

";

/// The script's word if nothing got through.
const HELD: &str = "held";

/// The script's words if the attempt could not be made.
const NOT_TRIED: &str = "cannot be tried here (";

pub(super) struct Table {
    image_types: Vec<String>,
    rows: Vec<(String, Vec<String>)>,
}

impl Table {
    pub(super) fn new(
        attempts: &[Attempt],
        attackers: &[Lease],
        came: Vec<Vec<Result<String, String>>>,
    ) -> Self {
        let mut rows: Vec<_> = attempts
            .iter()
            .map(|attempt| (attempt.tries.to_owned(), Vec::new()))
            .collect();
        for of_one in came {
            assert_eq!(of_one.len(), rows.len());
            for ((_, cells), cell) in rows.iter_mut().zip(of_one) {
                cells.push(cell.unwrap_or_else(|failed| format!("unclear: {failed}")));
            }
        }
        let image_types = attackers.iter().map(|it| it.image_type.clone()).collect();
        Self { image_types, rows }
    }

    /// An action of one image type's lease that the test saw fail.
    pub(super) fn also(&mut self, image_type: &str, tries: &str) {
        let cells = self.image_types.iter();
        let cells = cells.map(|of| if of == image_type { HELD } else { "" });
        let row = (tries.to_owned(), cells.map(str::to_owned).collect());
        self.rows.push(row);
    }

    /// Prints the table, and writes it to a file if one is given.
    #[expect(clippy::print_stderr, reason = "it is what the test is for")]
    pub(super) fn show(&self, latest: Duration, file: Option<&Path>) {
        let markdown = self.markdown(latest);
        eprintln!("{markdown}");
        if let Some(file) = file {
            fs::write(file, INTRODUCTION.to_owned() + &markdown).expect("the table can be written");
        }
    }

    fn markdown(&self, latest: Duration) -> String {
        let mut text = format!("| it tries to | {} |\n", self.image_types.join(" | "));
        text.push_str(&"|---".repeat(self.image_types.len() + 1));
        text.push_str("|\n");
        for (tries, cells) in &self.rows {
            let cells: Vec<_> = cells.iter().map(|cell| shown(cell)).collect();
            writeln!(text, "| {tries} | {} |", cells.join(" | ")).expect("it is a text");
        }
        let late = latest.as_millis();
        let others = super::OTHERS;
        writeln!(
            text,
            "\nMeanwhile {others} other leases ended, the latest {late} ms after its time."
        )
        .expect("it is a text");
        text
    }

    /// Fails if an attempt got through, is unclear, or was made by nobody.
    pub(super) fn assert_held(&self, all: bool) {
        for (tries, cells) in &self.rows {
            for (image_type, cell) in self.image_types.iter().zip(cells) {
                let fine = cell == HELD || cell.starts_with(NOT_TRIED) || cell.is_empty();
                assert!(fine, "{image_type}: {tries}: {cell}");
            }
            let tried = cells.iter().any(|cell| cell == HELD);
            assert!(tried, "no image type has the tools to {tries} (all: {all})");
        }
    }
}

fn shown(cell: &str) -> String {
    match cell.strip_prefix(NOT_TRIED) {
        Some(why) => why.trim_end_matches(')').to_owned(),
        None => cell.replace(['\n', '|'], " "),
    }
}
