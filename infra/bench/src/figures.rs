//! Percentiles of measured values.

use serde_json::{Value, json};

/// Sorted measured values.
#[derive(Clone, Debug)]
pub struct Figures {
    sorted: Vec<f64>,
}

impl Figures {
    /// Sorts these values, which share a unit.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        Self { sorted }
    }

    /// The sorted values.
    pub fn sorted(&self) -> &[f64] {
        &self.sorted
    }

    /// The smallest value that at least `percent` percent of all do not exceed; NaN if empty.
    pub fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.sorted.len() * percent).div_ceil(100).max(1);
        self.sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
    }

    /// The greatest value; NaN if empty.
    pub fn max(&self) -> f64 {
        self.percentile(100)
    }

    /// The smallest value; NaN if empty.
    pub fn min(&self) -> f64 {
        self.percentile(0)
    }

    /// Table cells: count, smallest, median, 99th percentile and greatest.
    pub fn cells(&self) -> Vec<String> {
        let shown = [0, 50, 99, 100].map(|percent| format!("{:.0}", self.percentile(percent)));
        let mut cells = vec![self.sorted.len().to_string()];
        cells.extend(shown);
        cells
    }

    /// The headings of [`cells`](Self::cells) for values in milliseconds.
    pub const HEADINGS: [&'static str; 5] = ["leases", "min ms", "p50 ms", "p99 ms", "max ms"];

    /// For the data beside a picture.
    pub fn json(&self) -> Value {
        json!({
            "count": self.sorted.len(),
            "min": self.min(),
            "p50": self.percentile(50),
            "p90": self.percentile(90),
            "p99": self.percentile(99),
            "max": self.max(),
            "all": self.sorted.iter().map(|value| (value * 10.0).round() / 10.0).collect::<Vec<_>>(),
        })
    }
}

/// A count as a number to divide by; counts here are far below 2^52.
pub fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let figures = Figures::of((1..=200).rev().map(f64::from));
        let percentiles = [0, 50, 99, 100].map(|percent| figures.percentile(percent));
        assert!(
            percentiles
                .iter()
                .zip([1.0, 100.0, 198.0, 200.0])
                .all(|(a, b)| (a - b).abs() < 0.1)
        );
        assert!(Figures::of([]).max().is_nan());
    }
}
