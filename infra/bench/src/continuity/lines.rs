//! Numbered lines: how a container writes them, and which of them a reader has received.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// Number of digits at the start of a line.
const DIGITS: usize = 7;

/// Maximum number of anomalies described one by one.
const TOLD: usize = 20;

/// Interval of a reader's progress points in the picture.
const NOTED_EVERY: Duration = Duration::from_millis(500);

/// Lines numbered from 1, odd ones on stdout and even ones on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    /// The last line's number; it is even.
    pub count: u32,
    /// Lines written per second.
    pub per_second: u32,
    /// Bytes of a line, without its end.
    pub bytes: usize,
}

impl Lines {
    /// The script that writes them to the streams of a container's first process.
    ///
    /// It follows the elapsed time, so it keeps the rate however slow a line is. After a pause
    /// it catches up at no more than twice the rate.
    pub fn script(&self) -> String {
        let Self {
            count, per_second, ..
        } = self;
        let filling = self.filling();
        let burst = (per_second / 25).max(2);
        format!(
            "exec 3>/proc/1/fd/1 4>/proc/1/fd/2\n\
             filling={filling}\n\
             read -r up rest </proc/uptime\n\
             begun=${{up%.*}}${{up#*.}}\n\
             n=0\n\
             while [ $n -lt {count} ]; do\n\
               read -r up rest </proc/uptime\n\
               due=$(((${{up%.*}}${{up#*.}} - begun) * {per_second} / 100))\n\
               [ $due -le {count} ] || due={count}\n\
               [ $due -le $((n + {burst})) ] || due=$((n + {burst}))\n\
               while [ $n -lt $due ]; do\n\
                 n=$((n + 1)); printf '%0{DIGITS}d %s\\n' $n $filling >&3\n\
                 n=$((n + 1)); printf '%0{DIGITS}d %s\\n' $n $filling >&4\n\
               done\n\
               sleep 0.02\n\
             done"
        )
    }

    /// The line's text.
    fn text(&self, number: u32) -> String {
        format!("{number:0DIGITS$} {}", self.filling())
    }

    fn filling(&self) -> String {
        "x".repeat(self.bytes.saturating_sub(DIGITS + 1))
    }

    /// How long writing them takes.
    pub fn time(&self) -> Duration {
        Duration::from_secs(u64::from(self.count / self.per_second))
    }
}

/// What a reader has received, and the anomalies by their causes.
#[derive(Clone, Debug)]
pub struct Ledger {
    lines: Lines,
    begun: Instant,
    /// Whether each line has arrived; index 0 is line 1.
    seen: Vec<bool>,
    /// The greatest number received on each stream, stdout first.
    newest: [u32; 2],
    /// For each stream, the reader's last interruption, until the stream goes on.
    after: [Option<String>; 2],
    /// The cause to name if the reader was not interrupted.
    otherwise: &'static str,
    last_line: Option<Instant>,
    by_cause: BTreeMap<String, Effect>,
    told: Vec<String>,
    /// Progress points: seconds, and lines received by then.
    progress: Vec<(f64, usize)>,
    received: usize,
}

/// The effect of interruptions of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Effect {
    /// Number of interruptions.
    pub interruptions: usize,
    /// Lines missing when their stream went on.
    pub missing: usize,
    /// Repeated lines.
    pub repeated: usize,
    /// Lines that arrived after later ones.
    pub late: usize,
    /// Lines with the wrong text or stream.
    pub damaged: usize,
    /// The longest time between two lines, in seconds.
    pub longest_gap: f64,
}

impl Ledger {
    /// An empty ledger. `otherwise` names the cause of anomalies that follow no interruption.
    pub fn new(lines: Lines, begun: Instant, otherwise: &'static str) -> Self {
        Self {
            lines,
            begun,
            seen: vec![false; lines.count as usize],
            newest: [0; 2],
            after: [None, None],
            otherwise,
            last_line: None,
            by_cause: BTreeMap::new(),
            told: Vec::new(),
            progress: Vec::new(),
            received: 0,
        }
    }

    /// Records that the reader was interrupted and must reconnect.
    pub fn interrupted(&mut self, by: &str) {
        self.by_cause
            .entry(by.to_owned())
            .or_default()
            .interruptions += 1;
        self.after = [Some(by.to_owned()), Some(by.to_owned())];
    }

    /// Records a line that arrived `at` this time. Lines without a number are ignored.
    pub fn note(&mut self, is_stderr: bool, message: &str, at: Instant) {
        let digits = message.get(..DIGITS).unwrap_or_default();
        let Ok(number @ 1..) = digits.parse::<u32>() else {
            return;
        };
        let stream = usize::from(is_stderr);
        let cause = self.after[stream].as_deref().unwrap_or(self.otherwise);
        let cause = cause.to_owned();
        let effect = self.by_cause.entry(cause.clone()).or_default();
        let named = || format!("{} {number}", ["stdout", "stderr"][stream]);

        let gap = self.last_line.map_or(0.0, |last| (at - last).as_secs_f64());
        effect.longest_gap = effect.longest_gap.max(gap);
        self.last_line = Some(at);
        self.received += 1;
        let seconds = (at - self.begun).as_secs_f64();
        let noted = self.progress.last().map_or(0.0, |(noted, _)| *noted);
        if seconds - noted >= NOTED_EVERY.as_secs_f64() {
            self.progress.push((seconds, self.received));
        }

        let seen = self.seen.get_mut(number as usize - 1);
        let is_right = number % 2 == u32::from(!is_stderr) && message == self.lines.text(number);
        let (Some(seen), true) = (seen, is_right) else {
            effect.damaged += 1;
            self.told.push(format!("{} is damaged, {cause}", named()));
            return;
        };
        let newest = &mut self.newest[stream];
        // The first line of stdout is 1, and that of stderr is 2.
        let next = if *newest == 0 {
            1 + u32::from(is_stderr)
        } else {
            *newest + 2
        };
        if std::mem::replace(seen, true) {
            effect.repeated += 1;
            self.told.push(format!("{} came again, {cause}", named()));
            return;
        }
        if number < next {
            effect.late += 1;
            self.told.push(format!("{} came late, {cause}", named()));
            return;
        }
        if number > next {
            let missing = (number - next) / 2;
            effect.missing += missing as usize;
            let what = format!("{missing} lines are missing before {}, {cause}", named());
            self.told.push(what);
        }
        *newest = number;
        self.after[stream] = None;
    }

    /// Whether the last line of both streams has arrived.
    pub fn is_at_the_end(&self) -> bool {
        self.newest.into_iter().max() == Some(self.lines.count)
            && self.newest.into_iter().min() == Some(self.lines.count - 1)
    }

    /// Whether every line has arrived once, whole and in its stream's order.
    pub fn is_whole(&self) -> bool {
        let sum = self.sum();
        self.lost() == 0 && sum.repeated + sum.late + sum.damaged == 0
    }

    /// Number of lines received, including repeated ones.
    pub fn received(&self) -> usize {
        self.received
    }

    /// Number of lines never received.
    pub fn lost(&self) -> usize {
        self.seen.iter().filter(|seen| !**seen).count()
    }

    /// The sum over all causes, including none.
    pub fn sum(&self) -> Effect {
        self.by_cause
            .values()
            .fold(Effect::default(), |sum, one| Effect {
                interruptions: sum.interruptions + one.interruptions,
                missing: sum.missing + one.missing,
                repeated: sum.repeated + one.repeated,
                late: sum.late + one.late,
                damaged: sum.damaged + one.damaged,
                longest_gap: sum.longest_gap.max(one.longest_gap),
            })
    }

    /// The effect of each kind of interruption.
    pub fn by_cause(&self) -> impl Iterator<Item = (&str, Effect)> {
        let causes = self.by_cause.iter();
        causes.map(|(cause, effect)| (cause.as_str(), *effect))
    }

    /// The first anomalies, in sentences.
    pub fn told(&self) -> &[String] {
        &self.told[..self.told.len().min(TOLD)]
    }

    /// Progress points: seconds from the beginning, and lines received by then.
    pub fn progress(&self) -> &[(f64, usize)] {
        &self.progress
    }

    /// For the data beside a picture.
    pub fn json(&self) -> Value {
        let causes = self.by_cause().map(|(cause, effect)| {
            let effect = json!({
                "interruptions": effect.interruptions,
                "missing": effect.missing,
                "repeated": effect.repeated,
                "late": effect.late,
                "damaged": effect.damaged,
                "longestGapSeconds": effect.longest_gap,
            });
            (cause.to_owned(), effect)
        });
        json!({
            "received": self.received,
            "lost": self.lost(),
            "byCause": causes.collect::<serde_json::Map<_, _>>(),
            "anomalies": self.told(),
            "progress": self.progress,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: Lines = Lines {
        count: 10,
        per_second: 5,
        bytes: 20,
    };

    /// A ledger after these lines; 0 is an interruption.
    fn after(numbers: &[u32]) -> Ledger {
        let begun = Instant::now();
        let mut ledger = Ledger::new(LINES, begun, "without an interruption");
        ledger.note(false, "the container is ready", begun);
        for number in numbers {
            match number {
                0 => ledger.interrupted("after a cut"),
                number => ledger.note(number % 2 == 0, &LINES.text(*number), begun),
            }
        }
        ledger
    }

    fn of(ledger: &Ledger, cause: &str) -> Effect {
        let found = ledger.by_cause().find(|(name, _)| *name == cause);
        found.map(|(_, effect)| effect).unwrap_or_default()
    }

    #[test]
    fn every_line_once_is_whole_whatever_lies_between_the_streams() {
        let ledger = after(&[1, 3, 2, 5, 0, 4, 6, 7, 8, 10, 9]);
        assert!(ledger.is_whole() && ledger.is_at_the_end(), "{ledger:?}");
        assert_eq!(of(&ledger, "after a cut").interruptions, 1);
        assert!(!after(&[1, 2, 3, 4, 5, 6, 7, 8, 9]).is_whole());
    }

    #[test]
    fn what_goes_wrong_is_put_down_to_what_came_before() {
        let ledger = after(&[1, 2, 3, 0, 3, 4, 5, 9, 7, 6, 6, 8, 10]);
        let (cut, none) = ("after a cut", "without an interruption");
        assert_eq!(of(&ledger, cut).repeated, 1);
        let without = of(&ledger, none);
        assert_eq!(
            (without.repeated, without.missing, without.late),
            (1, 1, 1),
            "{ledger:?}"
        );
        assert_eq!((ledger.lost(), ledger.is_whole()), (0, false));
        let ledger = after(&[1, 2, 3, 0, 9]);
        assert_eq!((of(&ledger, cut).missing, ledger.lost()), (2, 6));
    }

    #[test]
    fn a_line_of_another_text_or_stream_is_damaged() {
        let mut ledger = after(&[]);
        let now = Instant::now();
        ledger.note(false, "0000001 xxx", now);
        ledger.note(true, &LINES.text(1), now);
        ledger.note(true, &LINES.text(12), now);
        assert_eq!((ledger.sum().damaged, ledger.lost()), (3, 10));
    }
}
