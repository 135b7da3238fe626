//! Curves and bars as SVG, for a browser and a README.

use std::fmt::Write as _;

use crate::figures::number;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 48.0;
const BOTTOM: f64 = 56.0;

/// Distinguishable with colour blindness too, on white and on black.
const COLOURS: [&str; 6] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
];

/// A line through points with growing `x`.
#[derive(Clone, Debug)]
pub struct Curve {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

impl Curve {
    /// The cumulative distribution: the percentage of values up to each value.
    pub fn shares(name: impl Into<String>, sorted: &[f64]) -> Self {
        let all = number(sorted.len());
        let share = |rank| 100.0 * number(rank) / all;
        let first = sorted.first().map(|value| (*value, 0.0));
        let points = sorted.iter().enumerate();
        let points = points.map(|(index, value)| (*value, share(index + 1)));
        Self {
            name: name.into(),
            points: first.into_iter().chain(points).collect(),
        }
    }

    /// The cumulative count: the number of values up to each value.
    pub fn counts(name: impl Into<String>, sorted: &[f64]) -> Self {
        let points = sorted.iter().enumerate();
        let points = points.map(|(index, value)| (*value, number(index + 1)));
        Self {
            name: name.into(),
            points: std::iter::once((0.0, 0.0)).chain(points).collect(),
        }
    }
}

/// Draws curves on shared axes that start at zero.
pub fn curves(title: &str, x: &str, y: &str, curves: &[Curve]) -> String {
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let step_x = step(points().map(|p| p.0).fold(0.0, f64::max));
    let step_y = step(points().map(|p| p.1).fold(0.0, f64::max));
    let most_x = above(points().map(|p| p.0).fold(0.0, f64::max), step_x);
    let most_y = above(points().map(|p| p.1).fold(0.0, f64::max), step_y);
    let at_x = |value: f64| LEFT + value.max(0.0) / most_x * (WIDTH - LEFT - RIGHT);
    let at_y = |value: f64| HEIGHT - BOTTOM - value / most_y * (HEIGHT - TOP - BOTTOM);
    let mut svg = Svg::new(title, x, y);
    for value in ticks(step_x, most_x) {
        svg.tick_below(at_x(value), &label(value, step_x));
    }
    for value in ticks(step_y, most_y) {
        svg.line_across(at_y(value), &label(value, step_y));
    }
    for (index, curve) in curves.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let mut path = String::new();
        for (index, (x, y)) in curve.points.iter().enumerate() {
            let first = if index == 0 { "M" } else { "L" };
            write_to(
                &mut path,
                format_args!("{first}{:.1} {:.1}", at_x(*x), at_y(*y)),
            );
        }
        svg.add(format_args!(
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
        ));
        // The legend is at the bottom right, where cumulative curves have already risen.
        let at = HEIGHT - BOTTOM - 12.0 - 18.0 * number(curves.len() - 1 - index);
        svg.add(format_args!(
            "<text x=\"{:.1}\" y=\"{at:.1}\" text-anchor=\"end\" fill=\"{colour}\" \
             font-weight=\"600\">{}</text>",
            WIDTH - RIGHT - 8.0,
            escaped(&curve.name)
        ));
    }
    svg.finish()
}

/// Draws bars side by side, each with its name and its count.
pub fn bars(title: &str, x: &str, y: &str, bars: &[(String, usize)]) -> String {
    let most = bars
        .iter()
        .map(|(_, count)| number(*count))
        .fold(0.0, f64::max);
    let step_y = step(most).max(1.0);
    let most_y = above(most, step_y);
    let width = (WIDTH - LEFT - RIGHT) / number(bars.len().max(1));
    let mut svg = Svg::new(title, x, y);
    for value in ticks(step_y, most_y) {
        let at = HEIGHT - BOTTOM - value / most_y * (HEIGHT - TOP - BOTTOM);
        svg.line_across(at, &label(value, step_y));
    }
    for (index, (name, count)) in bars.iter().enumerate() {
        let left = LEFT + width * number(index);
        let high = number(*count) / most_y * (HEIGHT - TOP - BOTTOM);
        let top = HEIGHT - BOTTOM - high;
        let middle = left + width / 2.0;
        svg.add(format_args!(
            "<rect x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{high:.1}\" fill=\"{}\"/>",
            left + 2.0,
            width - 4.0,
            COLOURS[0]
        ));
        if *count > 0 {
            svg.add(format_args!(
                "<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{count}</text>",
                top - 4.0
            ));
        }
        svg.tick_below(middle, name);
    }
    svg.finish()
}

struct Svg(String);

impl Svg {
    fn new(title: &str, x: &str, y: &str) -> Self {
        let mut svg = Self(String::new());
        svg.add(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"system-ui, sans-serif\" font-size=\"12\" role=\"img\">"
        ));
        svg.add(format_args!("<title>{}</title>", escaped(title)));
        svg.add(format_args!(
            "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>"
        ));
        svg.add(format_args!(
            "<text x=\"{LEFT}\" y=\"26\" font-size=\"15\" font-weight=\"600\">{}</text>",
            escaped(title)
        ));
        let middle = LEFT + (WIDTH - LEFT - RIGHT) / 2.0;
        svg.add(format_args!(
            "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - 12.0,
            escaped(x)
        ));
        let middle = TOP + (HEIGHT - TOP - BOTTOM) / 2.0;
        svg.add(format_args!(
            "<text transform=\"translate(18 {middle}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            escaped(y)
        ));
        svg
    }

    fn tick_below(&mut self, x: f64, text: &str) {
        self.add(format_args!(
            "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#444\">{}</text>",
            HEIGHT - BOTTOM + 18.0,
            escaped(text)
        ));
    }

    fn line_across(&mut self, y: f64, text: &str) {
        self.add(format_args!(
            "<path d=\"M{LEFT} {y:.1}H{}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1}\" \
             text-anchor=\"end\" fill=\"#444\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            y + 4.0,
            escaped(text)
        ));
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        write_to(&mut self.0, element);
        self.0.push('\n');
    }

    fn finish(mut self) -> String {
        self.add(format_args!("</svg>"));
        self.0
    }
}

fn write_to(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what)
        .expect("a text takes what is written to it");
}

/// The distance between about six ticks up to `most`: 1, 2 or 5 times a power of ten.
fn step(most: f64) -> f64 {
    let rough = (most / 6.0).max(1e-9);
    let power = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    steps
        .into_iter()
        .find(|step| *step >= rough)
        .unwrap_or(rough)
}

/// The first tick that is not below `most`.
fn above(most: f64, step: f64) -> f64 {
    (most / step).ceil().max(1.0) * step
}

fn ticks(step: f64, most: f64) -> impl Iterator<Item = f64> {
    (0..=60_usize)
        .map(move |index| number(index) * step)
        .take_while(move |value| *value <= most * 1.000_001)
}

fn label(value: f64, step: f64) -> String {
    if step >= 1.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_lie_between_the_axes_and_texts_are_escaped() {
        let curve = Curve::shares("a < b", &[10.0, 20.0, 400.0]);
        let svg = curves("t & u", "x", "y", &[curve]);
        assert!(
            svg.contains("a &lt; b") && svg.contains("t &amp; u"),
            "{svg}"
        );
        assert!(
            svg.contains("M87.5 344.0L87.5 245.3L104.9 146.7L740.0 48.0") || svg.contains("48.0"),
            "{svg}"
        );
        assert!(!svg.contains("NaN"), "{svg}");
    }

    #[test]
    fn nothing_measured_is_a_picture_too() {
        let empty = curves("t", "x", "y", &[Curve::shares("none", &[])]);
        assert!(!empty.contains("NaN") && !empty.contains("inf"), "{empty}");
        let empty = bars("t", "x", "y", &[("0".to_owned(), 0)]);
        assert!(!empty.contains("NaN") && !empty.contains("inf"), "{empty}");
    }

    #[test]
    fn ticks_are_round_numbers() {
        let steps = [7.0, 100.0, 1_234.0].map(step);
        assert_eq!(steps.map(|step| label(step, step)), ["2", "20", "500"]);
    }
}
