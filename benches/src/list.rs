//! `bench --list`: the cases, what each measures, and who runs it.

use std::io::{self, Write};

use crate::case::{Case, Role};
use crate::report::schema::label;
use crate::report::summary::counted;
use crate::runner::assemble::model_name;

/// Prints the cases.
///
/// # Errors
///
/// Returns the writer's error.
pub fn print(out: &mut dyn Write, cases: &[Case]) -> io::Result<()> {
    for case in cases {
        writeln!(out, "{}", case.id)?;
        let threads =
            if case.threads == 1 { String::new() } else { format!(", {} threads", case.threads) };
        writeln!(
            out,
            "    {} · {} per {}{threads}",
            case.krate,
            model_name(case.model),
            case.unit
        )?;
        writeln!(out, "    {}", case.what)?;
        for (title, role) in [
            ("ours", Role::Ours),
            ("peers", Role::Peer),
            ("controls", Role::Control),
            ("empty loop", Role::Null),
        ] {
            let names: Vec<String> = case
                .engines
                .iter()
                .filter(|engine| engine.role == role)
                .map(|engine| {
                    let marks = match (engine.primary, engine.reference) {
                        (true, _) => " (primary)",
                        (_, true) => " (reference)",
                        _ => "",
                    };
                    label(engine.name, engine.config) + marks
                })
                .collect();
            if !names.is_empty() {
                writeln!(out, "    {title}: {}", names.join(", "))?;
            }
        }
    }
    let engines: usize = cases.iter().map(|case| case.engines.len()).sum();
    writeln!(out, "{}, {}", counted(cases.len(), "case"), counted(engines, "row"))
}
