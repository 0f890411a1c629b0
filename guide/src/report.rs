//! What a program prints: a table and facts for people, or lines of JSON for `cargo xtask guide`.
#![expect(clippy::print_stdout, reason = "programs that report on standard output")]

use core::fmt::{Display, Write as _};
use std::env;

use crate::compare::{Measured, Ratio};

fn as_json() -> bool {
    env::args().any(|argument| argument == "--json")
}

/// Prints a comparison.
pub(crate) fn table(unit: &str, units: usize, ways: &[Measured], control: Ratio) {
    if as_json() {
        let mut line = format!("{{\"comparison\":{{\"unit\":{unit:?},\"units\":{units},");
        let _ = write!(line, "\"control\":{},\"ways\":[", json(control));
        for (at, way) in ways.iter().enumerate() {
            let Measured { name, ns, allocs, peak_bytes, ratio } = way;
            let comma = if at == 0 { "" } else { "," };
            let _ = write!(
                line,
                "{comma}{{\"name\":{name:?},\"ns\":{ns:.1},\"allocs\":{allocs},\
                 \"peak_bytes\":{peak_bytes},\"ratio\":{}}}",
                json(*ratio)
            );
        }
        println!("{line}]}}}}");
        return;
    }
    if cfg!(debug_assertions) {
        println!("A debug build: its times mean nothing. `cargo run --release …` measures.");
    }
    let (per, times) = (format!("ns a {unit}"), "times as fast as plain");
    println!("{:30} {per:>16} {:>12} {:>12}  {times}", "", "allocations", "peak");
    for way in ways {
        let peak = bytes(way.peak_bytes);
        print!("{:30} {:16.1} {:12} {peak:>12}", way.name, way.ns, way.allocs);
        let Ratio { median, lo, hi } = way.ratio;
        let said = match way.ratio.is_resolved(control) {
            true if median < 1.0 => "  SLOWER",
            true => "",
            false => "  (no difference measured)",
        };
        // The plain way's ratio to itself is no news.
        if way == &ways[0] {
            println!("  1");
        } else {
            println!("  {median:.2} [{lo:.2}, {hi:.2}]{said}");
        }
    }
    let Ratio { median, lo, hi } = control;
    println!("Allocations and peak are of one run, {units} × {unit}.");
    println!("How noisy: the plain version measured {median:.2} [{lo:.2}, {hi:.2}] of itself.");
}

/// Prints something that the program found out.
pub fn fact(what: &str, value: impl Display) {
    if as_json() {
        let value = value.to_string();
        println!("{{\"fact\":{{\"what\":{what:?},\"value\":{value:?}}}}}");
    } else {
        println!("{what}: {value}");
    }
}

/// Returns `count` bytes as a person reads them.
#[must_use]
pub fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} B"),
        10_000..10_000_000 => format!("{:.0} KiB", count as f64 / 1024.0),
        _ => format!("{:.0} MiB", count as f64 / (1024.0 * 1024.0)),
    }
}

fn json(Ratio { median, lo, hi }: Ratio) -> String {
    format!("{{\"median\":{median:.3},\"lo\":{lo:.3},\"hi\":{hi:.3}}}")
}
