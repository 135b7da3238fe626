//! The tables of settings for display. Their only source is the head of `lib.rs`.

/// The names that look like a misspelt setting, each with the setting that it resembles.
pub(super) fn mistaken_among(names: impl Iterator<Item = String>) -> Vec<(String, &'static str)> {
    let unknown = names
        .filter(|name| name.starts_with("CONTAINERLEASE_"))
        .filter(|name| !variables().any(|variable| variable == name));
    let mistaken = unknown.filter_map(|name| {
        let meant = variables()
            .find(|variable| strsim::damerau_levenshtein(&name, variable) <= MOST_SLIPS)?;
        Some((name, meant))
    });
    mistaken.collect()
}

/// How many letters of a name may be wrong, missing, superfluous or swapped.
const MOST_SLIPS: usize = 2;

fn variables() -> impl Iterator<Item = &'static str> {
    tables().flatten().map(|row| row.variable)
}

/// A row of the tables of `lib.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub variable: &'static str,
    pub default: &'static str,
    pub meaning: &'static str,
}

/// The settings of the one-machine server: the common ones and its own.
pub fn of_the_server() -> impl Iterator<Item = Row> {
    tables().take(2).flatten()
}

/// The tables of `lib.rs`.
fn tables() -> impl Iterator<Item = impl Iterator<Item = Row>> {
    let head = include_str!("lib.rs").split("\n\n").next();
    tables_in(head.unwrap_or_default())
}

/// The tables of a page, or of a module's documentation.
fn tables_in(text: &'static str) -> impl Iterator<Item = impl Iterator<Item = Row>> {
    let tables = text.split("|---|---|---|").skip(1);
    tables.map(|table| table.lines().filter_map(Row::of))
}

impl Row {
    fn of(line: &'static str) -> Option<Self> {
        let mut cells = line
            .trim_start_matches("//! ")
            .strip_prefix("| ")?
            .trim_end_matches(" |")
            .split(" | ");
        let (variable, default, meaning) = (cells.next()?, cells.next()?, cells.next()?);
        let plain = |cell: &'static str| cell.strip_prefix('`').and_then(|it| it.strip_suffix('`'));
        Some(Self {
            variable: plain(variable)?,
            default: plain(default).unwrap_or(default),
            meaning,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, collections::BTreeSet};

    use super::*;
    use crate::{CommandLineSettings, GuardSettings, LocalSettings, Settings};

    /// It has the tables of `lib.rs` in their order, then those of scripts and of libraries.
    const PAGE: &str = include_str!("../../../docs/settings.md");

    const SCRIPTS: [&str; 4] = [
        include_str!("../../../infra/docker-host/engine.sh"),
        include_str!("../../../infra/docker-host/firewall.sh"),
        include_str!("../../../infra/images/prepare.sh"),
        include_str!("../../../infra/test.sh"),
    ];

    fn defaults(rows: impl Iterator<Item = Row>) -> Vec<(&'static str, &'static str)> {
        let mut defaults: Vec<_> = rows.map(|row| (row.variable, row.default)).collect();
        defaults.sort_unstable();
        defaults
    }

    fn words(line: &str) -> impl Iterator<Item = &str> {
        line.split(|c: char| !c.is_ascii_uppercase() && c != '_')
    }

    /// Gives each variable the default in its row, if that is a value and not a description.
    fn written_defaults(table: usize) -> impl Fn(&str) -> Option<String> {
        move |variable| {
            let mut rows = tables().nth(table)?;
            let default = rows.find(|row| row.variable == variable)?.default;
            let as_value = format!("| `{variable}` | `{default}` |");
            PAGE.contains(&as_value).then(|| default.to_owned())
        }
    }

    #[test]
    fn the_page_has_each_setting_once_with_its_default() {
        assert_eq!(tables_in(PAGE).count(), tables().count() + 2);
        for (of_page, of_code) in tables_in(PAGE).zip(tables()) {
            assert_eq!(defaults(of_page), defaults(of_code));
        }
    }

    #[test]
    fn each_setting_of_the_scripts_on_the_page_is_read_by_one() {
        let rows = tables_in(PAGE).nth(tables().count()).expect("a table");
        for (variable, _) in defaults(rows) {
            let is_read = SCRIPTS
                .iter()
                .flat_map(|script| script.lines())
                .filter(|line| !line.trim_start().starts_with('#'))
                .flat_map(words)
                .any(|word| word == variable);
            assert!(is_read, "no script reads {variable}");
        }
    }

    #[test]
    fn the_tables_have_the_variables_that_are_read() {
        let read = RefCell::new(BTreeSet::from(["RUST_LOG".to_owned()]));
        let unset = |variable: &str| {
            read.borrow_mut().insert(variable.to_owned());
            None::<String>
        };
        // Only an engine over TLS has certificates.
        let over_tls = |variable: &str| match variable {
            "DOCKER_HOST" => Some("tcp://192.0.2.7:2376".to_owned()),
            "DOCKER_CERT_PATH" => {
                unset(variable);
                Some("/certificates".to_owned())
            }
            _ => unset(variable),
        };
        Settings::parse(over_tls).unwrap();
        LocalSettings::parse(unset).unwrap();
        GuardSettings::parse(unset).unwrap();
        CommandLineSettings::parse(unset);
        let known: BTreeSet<_> = variables().map(str::to_owned).collect();
        assert_eq!(read.into_inner(), known);
    }

    #[test]
    fn the_tables_have_the_defaults_that_are_used() {
        let unset = |_: &str| None::<String>;
        let used = Settings::parse(unset);
        assert_eq!(Settings::parse(written_defaults(0)), used);
        let used = LocalSettings::parse(unset);
        assert_eq!(LocalSettings::parse(written_defaults(1)), used);
        let used = GuardSettings::parse(unset);
        assert_eq!(GuardSettings::parse(written_defaults(2)), used);
        let used = CommandLineSettings::parse(unset);
        assert_eq!(CommandLineSettings::parse(written_defaults(3)), used);
    }

    #[test]
    fn a_parameter_of_the_template_has_the_default_of_its_setting() {
        const TEMPLATE: &str = include_str!("../../../template.yaml");
        let mut compared = 0;
        for line in TEMPLATE.lines() {
            let Some((variable, parameter)) = line.trim().split_once(": !Ref ") else {
                continue;
            };
            let rows: Vec<_> = of_the_server().collect();
            let Some(row) = rows.iter().find(|row| row.variable == variable) else {
                continue;
            };
            let (_, block) = TEMPLATE
                .split_once(&format!("\n  {parameter}:\n"))
                .unwrap_or_else(|| panic!("{parameter} is no parameter"));
            let block = block.lines().take_while(|line| line.starts_with("    "));
            let mut defaults = block.filter_map(|line| line.trim().strip_prefix("Default: "));
            // Without one, the deployer must say it.
            let Some(default) = defaults.next() else {
                continue;
            };
            let default = default.trim_matches('\'');
            // An empty variable counts as not set.
            if !default.is_empty() && row.default.parse::<u64>().is_ok() {
                compared += 1;
                assert_eq!(default, row.default, "{parameter} and {variable}");
            }
        }
        assert!(compared >= 6, "{compared}");
    }

    #[test]
    fn the_tables_can_be_read() {
        let rows: Vec<_> = of_the_server().collect();
        let row = |variable: &str| rows.iter().find(|row| row.variable == variable);
        assert_eq!(row("CONTAINERLEASE_MAX_LEASES").unwrap().default, "20");
        let tick = row("CONTAINERLEASE_TICK_SECONDS").unwrap();
        assert!(tick.meaning.starts_with("how often the reaper"), "{tick:?}");
        assert_eq!(row("CONTAINERLEASE_GUARD_GRACE_SECONDS"), None);
        assert!(variables().any(|it| it == "CONTAINERLEASE_GUARD_GRACE_SECONDS"));
    }

    #[test]
    fn a_slip_in_a_variables_name_is_noticed() {
        let names = [
            "CONTAINERLEASE_MAX_LEASES",
            "CONTAINERLEASE_MAX_LEASE",
            "CONTAINERLEASE_TIKC_SECONDS",
            "CONTAINERLEASE_ENGINE_DIR",
            "PATH",
        ];
        let mistaken = mistaken_among(names.map(str::to_owned).into_iter());
        let meant: Vec<_> = mistaken.iter().map(|(_, meant)| *meant).collect();
        assert_eq!(
            meant,
            ["CONTAINERLEASE_MAX_LEASES", "CONTAINERLEASE_TICK_SECONDS"]
        );
    }

    #[test]
    fn the_example_has_each_setting_once() {
        let example = include_str!("../../../.env.example");
        let lines = example.lines().filter_map(|line| line.strip_prefix("# "));
        let named: Vec<_> = lines.filter_map(|line| line.split_once('=')).collect();
        let once: BTreeSet<_> = named.iter().map(|(variable, _)| *variable).collect();
        assert_eq!(named.len(), once.len(), "one is there twice");
        assert_eq!(once, variables().collect());
        let has_default = |variable: &str, default: &str| {
            let mut rows = tables().flatten();
            rows.any(|row| row.variable == variable && row.default == default)
        };
        for (variable, default) in named.into_iter().filter(|(_, it)| !it.is_empty()) {
            assert!(has_default(variable, default), "{variable}={default}");
        }
    }
}
