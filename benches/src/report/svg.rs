//! The drawings of the page: dots with intervals on a log axis.
//!
//! Positions are percentages of whatever width the row gets, so that a drawing fills a phone or a
//! desk without its dots turning into ellipses: there is no view box to stretch.

use core::borrow::Borrow;
use core::fmt::Write;

use crate::report::schema::RoleName;
use crate::report::summary::{self, Line, Mark};
use crate::stats::Interval;

/// Room left and right of the outermost dot, in percent.
const MARGIN: f64 = 3.0;
/// The widest axis; what lies beyond is drawn at its end, with an arrow.
const WIDEST: (f64, f64) = (1.0 / 64.0, 1024.0);
/// A narrower axis would blow noise up into drama.
const NARROWEST: (f64, f64) = (0.8, 1.25);

/// A log axis for ratios.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    lo: f64,
    hi: f64,
}

impl Axis {
    /// The axis that holds all of these and 1.
    #[must_use]
    pub fn around<I: Borrow<Interval>>(intervals: impl IntoIterator<Item = I>) -> Self {
        let (mut lo, mut hi) = NARROWEST;
        for interval in intervals {
            let interval = interval.borrow();
            lo = lo.min(interval.lo.max(WIDEST.0));
            hi = hi.max(interval.hi.min(WIDEST.1));
        }
        Axis { lo, hi }
    }

    /// Where a ratio lies, in percent of the width.
    #[must_use]
    pub fn at(&self, ratio: f64) -> f64 {
        let ratio = ratio.clamp(self.lo, self.hi);
        let share = (ratio.ln() - self.lo.ln()) / (self.hi.ln() - self.lo.ln());
        MARGIN + share * (100.0 - 2.0 * MARGIN)
    }

    /// Ratios worth a label: powers of two around 1, thinned so that labels do not collide.
    #[must_use]
    pub fn ticks(&self) -> Vec<f64> {
        let fits = |ratio: &f64| self.lo <= *ratio && *ratio <= self.hi;
        for step in [2.0, 4.0, 8.0, 16.0, 32.0] {
            let up = (0..20).map(|i| f64::powi(step, i));
            let down = (1..20).rev().map(|i| f64::powi(step, -i));
            let ticks: Vec<f64> = down.chain(up).filter(fits).collect();
            if ticks.len() <= 6 {
                return if ticks.len() == 1 { vec![self.lo, 1.0, self.hi] } else { ticks };
            }
        }
        vec![1.0]
    }

    fn beyond(&self, ratio: f64) -> bool {
        ratio > self.hi || ratio < self.lo
    }
}

/// Writes a tick: `½x`, `1x`, `16x`.
fn tick(ratio: f64) -> String {
    match ratio {
        0.5 => "½x".to_owned(),
        0.25 => "¼x".to_owned(),
        0.125 => "⅛x".to_owned(),
        r if r == r.round() => format!("{r:.0}x"),
        r if r < 0.2 => format!("1/{:.0}x", 1.0 / r),
        r => format!("{}x", summary::ratio(r).trim_end_matches('0')),
    }
}

/// What colours a mark.
#[must_use]
pub fn class(mark: Mark) -> &'static str {
    match mark {
        Mark::Loss => "loss",
        Mark::Win => "win",
        Mark::Even => "even",
        Mark::Ours => "ours",
        Mark::Sibling => "sibling",
        Mark::Error | Mark::Plain => "plain",
    }
}

/// One engine's dot and interval; ours is the line at 1.
#[must_use]
pub fn row(axis: &Axis, line: &Line<'_>) -> String {
    let mut svg = open("row", "");
    for ratio in axis.ticks() {
        let _ = write!(
            svg,
            "<line class=grid x1={x} x2={x} y1=0 y2=100% />",
            x = percent(axis.at(ratio))
        );
    }
    let _ = write!(svg, "<line class=one x1={x} x2={x} y1=0 y2=100% />", x = percent(axis.at(1.0)));
    let class = class(line.mark);
    if line.mark == Mark::Ours {
        let _ = write!(svg, "<circle class=ours cx={} cy=50% r=5.5 />", percent(axis.at(1.0)));
    } else if let Some(Interval { ratio, lo, hi }) = line.ratio {
        let at = |ratio: f64| percent(axis.at(ratio));
        let _ = write!(
            svg,
            "<line class='span {class}' x1={} x2={} y1=50% y2=50% />",
            at(*lo),
            at(*hi)
        );
        let shape = if axis.beyond(*ratio) {
            let arrow = if *ratio > 1.0 { "▸" } else { "◂" };
            format!(
                "<text class='{class}' x={} y=50% dy=.36em text-anchor=middle>{arrow}</text>",
                at(*ratio)
            )
        } else if line.engine.role == RoleName::Control {
            format!("<circle class='hollow {class}' cx={} cy=50% r=4.5 />", at(*ratio))
        } else {
            format!("<circle class='{class}' cx={} cy=50% r=5 />", at(*ratio))
        };
        svg.push_str(&shape);
    }
    svg + "</svg>"
}

/// The labels below a case's rows.
#[must_use]
pub fn scale(axis: &Axis) -> String {
    let mut svg = open("scale", "");
    for ratio in axis.ticks() {
        let _ = write!(
            svg,
            "<text x={} y=1em text-anchor=middle>{}</text>",
            percent(axis.at(ratio)),
            tick(ratio)
        );
    }
    svg + "</svg>"
}

/// All engines of a case as dots in one strip, for the overview.
#[must_use]
pub fn strip(axis: &Axis, lines: &[Line<'_>]) -> String {
    let mut svg = open("strip", "");
    for ratio in axis.ticks() {
        let _ = write!(
            svg,
            "<line class=grid x1={x} x2={x} y1=0 y2=100% />",
            x = percent(axis.at(ratio))
        );
    }
    let _ = write!(svg, "<line class=one x1={x} x2={x} y1=0 y2=100% />", x = percent(axis.at(1.0)));
    // Losses last, so that no win hides one.
    for line in lines.iter().rev() {
        let Some(ratio) = line.ratio else { continue };
        let hollow = if line.engine.role == RoleName::Control { "hollow " } else { "" };
        let _ = write!(
            svg,
            "<circle class='{hollow}{}' cx={} cy=50% r=4.5><title>{} {}</title></circle>",
            class(line.mark),
            percent(axis.at(ratio.ratio)),
            super::html::escape(&line.engine.label()),
            summary::interval(ratio)
        );
    }
    svg + "</svg>"
}

/// A dot with the class that colours it, where it lies, and what it says when pointed at.
#[derive(Debug)]
pub struct Dot {
    /// Class of the circle.
    pub class: String,
    /// Its place on the axis.
    pub ratio: f64,
    /// Its title.
    pub title: String,
}

/// Dots in one strip; the first ones lie on top.
#[must_use]
pub fn dots(axis: &Axis, dots: &[Dot]) -> String {
    let mut svg = open("strip", "");
    for ratio in axis.ticks() {
        let at = percent(axis.at(ratio));
        let _ = write!(svg, "<line class=grid x1={at} x2={at} y1=0 y2=100% />");
    }
    let at = percent(axis.at(1.0));
    let _ = write!(svg, "<line class=one x1={at} x2={at} y1=0 y2=100% />");
    for Dot { class, ratio, title } in dots.iter().rev() {
        let at = percent(axis.at(*ratio));
        let title = super::html::escape(title);
        let _ = write!(
            svg,
            "<circle class='{class}' cx={at} cy=50% r=5><title>{title}</title></circle>"
        );
    }
    svg + "</svg>"
}

fn open(class: &str, more: &str) -> String {
    // Names beside each drawing carry the same figures as text.
    format!("<svg class={class} width=100% aria-hidden=true{more}>")
}

fn percent(value: f64) -> String {
    format!("{value:.2}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axis_is_logarithmic_holds_one_and_stays_inside() {
        let axis = Axis::around([Interval { ratio: 0.5, lo: 0.25, hi: 0.6 }, Interval::exact(4.0)]);
        assert!((axis.at(1.0) - 50.0).abs() < 1e-9, "1 is half-way between 1/4 and 4");
        assert!((axis.at(0.25) - MARGIN).abs() < 1e-9);
        assert!((axis.at(f64::INFINITY) - (100.0 - MARGIN)).abs() < 1e-9);
        assert_eq!(axis.ticks(), [0.25, 0.5, 1.0, 2.0, 4.0]);
        let wide = Axis::around([Interval::exact(f64::INFINITY)]);
        assert!(wide.ticks().len() <= 6 && wide.ticks().contains(&1.0));
        let narrow = Axis::around([Interval::exact(1.01)]);
        assert_eq!(narrow.ticks(), [0.8, 1.0, 1.25]);
    }

    #[test]
    fn ticks_are_readable() {
        let words: Vec<String> = [0.0625, 0.125, 0.5, 0.8, 1.0, 1.25, 64.0].map(tick).into();
        assert_eq!(words, ["1/16x", "⅛x", "½x", "0.8x", "1x", "1.25x", "64x"]);
    }
}
