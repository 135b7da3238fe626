//! The tables of settings, as programs show them: they are written once, at the head of
//! `settings.rs`.

/// Of these variables those that nobody reads, and that look like a slip of one that somebody does,
/// which is the second of each pair.
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

/// How many letters of a variable's name may be wrong, missing, too many or the wrong way round.
const MOST_SLIPS: usize = 2;

fn variables() -> impl Iterator<Item = &'static str> {
    tables().flatten().map(|row| row.variable)
}

/// A setting, as the tables of `settings.rs` have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub variable: &'static str,
    pub default: &'static str,
    pub meaning: &'static str,
}

/// The settings of the one-machine server: those of all programs, and its own.
pub fn of_the_server() -> impl Iterator<Item = Row> {
    tables().take(2).flatten()
}

/// The tables of `settings.rs`.
fn tables() -> impl Iterator<Item = impl Iterator<Item = Row>> {
    let head = include_str!("../settings.rs").split("\n\n").next();
    let tables = head.unwrap_or_default().split("//! |---|---|---|").skip(1);
    tables.map(|table| table.lines().filter_map(Row::of))
}

impl Row {
    fn of(line: &'static str) -> Option<Self> {
        let mut cells = line
            .strip_prefix("//! | ")?
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
    use super::*;

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
}
