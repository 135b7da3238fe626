//! What a trial proves, in words, rows and a picture.

use serde_json::json;

use super::{ALL, ENGINE, Proof, Trial, lines::Effect};
use crate::{
    figures::number,
    picture::{Curve, curves},
    result::{Goal, Outcome, texts},
};

impl Proof {
    /// The promises, and whether they hold.
    pub fn goals(&self) -> Vec<Goal> {
        let written = self.trial.lines.count;
        let ours = self.ledgers.iter().filter(|(name, _)| *name != ENGINE);
        let mut goals: Vec<_> = ours
            .map(|(name, ledger)| {
                let sum = ledger.sum();
                let measured = format!(
                    "{written} written, {} received, {} lost, {} repeated, {} late, {} damaged",
                    ledger.received(),
                    ledger.lost(),
                    sum.repeated,
                    sum.late,
                    sum.damaged
                );
                let promise = format!("{name} gets every line once and in order");
                Goal::new(&promise, measured, ledger.is_whole())
            })
            .collect();
        goals.push(Goal::new(
            "all of them stop when the lease has ended",
            match self.not_stopped.as_slice() {
                [] => "all have".to_owned(),
                others => format!("not {}", others.join(" and ")),
            },
            self.not_stopped.is_empty(),
        ));
        goals.push(Goal::new(
            "relays hand over and the log rotates meanwhile",
            format!(
                "{} times, and {} times",
                self.successions,
                self.rotations_in_words()
            ),
            self.successions > 0 && self.rotations != Some(0),
        ));
        goals
    }

    /// The anomalies of each reader, in sentences.
    pub fn anomalies(&self) -> Vec<String> {
        let all = self.ledgers.iter().flat_map(|(name, ledger)| {
            let told = ledger.told().iter();
            told.map(move |what| format!("{name}: {what}"))
        });
        all.collect()
    }

    /// Table rows: what each reader received after each kind of interruption.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let rows = self.ledgers.iter().flat_map(|(name, ledger)| {
            let received = ledger.received().to_string();
            let whole = row(name, &received, ledger.lost(), ledger.sum());
            let causes = ledger.by_cause().filter(|(cause, _)| *cause != ALL);
            let causes =
                causes.map(|(cause, one)| row(&format!("… {cause}"), "", one.missing, one));
            std::iter::once(whole).chain(causes)
        });
        rows.collect()
    }

    fn rotations_in_words(&self) -> String {
        let unseen = || "an unseen number of".to_owned();
        self.rotations
            .map_or_else(unseen, |count| count.to_string())
    }

    pub(super) fn outcome(&self, machine: serde_json::Value) -> Outcome {
        let Trial {
            lines,
            cuts,
            stalls,
            kills,
            ..
        } = self.trial;
        let rate = f64::from(lines.count) / self.written_in.as_secs_f64();
        let ledgers = self.ledgers.iter();
        let ledgers = ledgers.map(|(name, ledger)| ((*name).to_owned(), ledger.json()));
        Outcome {
            name: "log-continuity".to_owned(),
            title: "A log whose connections are cut".to_owned(),
            method: format!(
                "A container writes {} numbered lines of {} bytes, by turns to stdout and stderr, \
                 {rate:.0} a second. Meanwhile the connections of the command line and of one \
                 viewer are cut {cuts} times each, by resets, by closes, in the middle of a frame \
                 and by {stalls} silent stalls; the server is killed {kills} times and started \
                 again; a relay runs for {} s, and {} have handed over to the next; and the engine's log rotates {} times. The viewers \
                 are as simple as can be: they give the last line's cursor when they connect \
                 again, and count what comes. A silent stall is noticed after {} s. Seed {}.",
                lines.count,
                lines.bytes,
                self.trial.relay_time.as_secs(),
                self.successions,
                self.rotations_in_words(),
                self.trial.patience.as_secs(),
                self.trial.seed,
            ),
            machine,
            columns: texts([
                "read by",
                "lines",
                "lost",
                "repeated",
                "late",
                "damaged",
                "interruptions",
                "longest gap s",
            ]),
            rows: self.rows(),
            goals: self.goals(),
            data: json!({
                "seed": self.trial.seed,
                "written": lines.count,
                "writtenInSeconds": self.written_in.as_secs_f64(),
                "linesPerSecond": rate,
                "bytesPerLine": lines.bytes,
                "cutsOfEachClient": cuts,
                "kills": kills,
                "relaySeconds": self.trial.relay_time.as_secs(),
                "successions": self.successions,
                "rotations": self.rotations,
                "readers": ledgers.collect::<serde_json::Map<_, _>>(),
            }),
        }
    }

    pub(super) fn picture(&self) -> String {
        let curves_of = self.ledgers.iter().map(|(name, ledger)| {
            let points = ledger.progress().iter();
            let points = points.map(|(seconds, lines)| (*seconds, number(*lines)));
            Curve {
                name: (*name).to_owned(),
                points: std::iter::once((0.0, 0.0)).chain(points).collect(),
            }
        });
        curves(
            "A log whose connections are cut",
            "seconds",
            "lines that have come",
            &curves_of.collect::<Vec<_>>(),
        )
    }
}

pub(super) fn row(name: &str, received: &str, lost: usize, effect: Effect) -> Vec<String> {
    vec![
        name.to_owned(),
        received.to_owned(),
        lost.to_string(),
        effect.repeated.to_string(),
        effect.late.to_string(),
        effect.damaged.to_string(),
        effect.interruptions.to_string(),
        format!("{:.1}", effect.longest_gap),
    ]
}
