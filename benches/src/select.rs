//! Which cases a command line asks for.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use globset::GlobBuilder;

use crate::case::Case;

/// Keeps the cases of the named crates whose id matches the glob, as [`matcher`] says.
///
/// # Errors
///
/// Returns an error that names what exists when a crate is unknown, the glob is malformed, or
/// nothing is left: of the ids the nearest.
pub fn select(all: Vec<Case>, crates: &[String], glob: Option<&str>) -> Result<Vec<Case>> {
    let known: BTreeSet<&str> = all.iter().map(|case| case.krate).collect();
    for name in crates {
        if !known.contains(name.as_str()) {
            bail!("no case of a crate called {name:?}; crates with cases: {}", list(&known));
        }
    }
    let matches = glob.map(matcher).transpose()?;
    let ids: BTreeSet<&str> = all
        .iter()
        .filter(|case| crates.is_empty() || crates.iter().any(|name| name == case.krate))
        .map(|case| case.id)
        .collect();
    let chosen: Vec<Case> = all
        .into_iter()
        .filter(|case| ids.contains(case.id) && matches.as_ref().is_none_or(|m| m(case.id)))
        .collect();
    match (chosen.is_empty(), glob) {
        (true, Some(glob)) => {
            let near = nearest(glob, ids.iter().copied()).join(", ");
            bail!("no case matches {glob:?}; nearest: {near} (--list shows all {})", ids.len())
        }
        (true, None) => bail!("there are no cases yet"),
        _ => Ok(chosen),
    }
}

/// Returns the test for a glob: it matches an id as a whole, or a leading part of it and so all
/// below (`stack`, `stack/*`, `stack/mixed-align`), or, without a `/`, any one part (`typed-24`).
///
/// `*` stays within one part of an id, `**` does not.
///
/// # Errors
///
/// Returns an error that quotes a malformed glob.
pub fn matcher(glob: &str) -> Result<impl Fn(&str) -> bool + use<>> {
    let matcher = GlobBuilder::new(glob)
        .literal_separator(true)
        .build()
        .with_context(|| format!("--case {glob:?} is not a glob"))?
        .compile_matcher();
    let parts = !glob.contains('/');
    Ok(move |id: &str| {
        leading(id).any(|leading| matcher.is_match(leading))
            || (parts && id.split('/').any(|part| matcher.is_match(part)))
    })
}

/// `a`, `a/b`, `a/b/c` of `a/b/c`.
fn leading(id: &str) -> impl Iterator<Item = &str> {
    id.match_indices('/').map(|(end, _)| &id[..end]).chain([id])
}

/// How many ids an error lists.
const NEAREST: usize = 5;

/// Returns the ids that a glob comes closest to, the closest first.
#[must_use]
pub fn nearest<'i>(glob: &str, ids: impl IntoIterator<Item = &'i str>) -> Vec<&'i str> {
    let parts = |id: &'i str| id.split('/').filter(|_| !glob.contains('/'));
    let distance = |id| leading(id).chain(parts(id)).map(|text| edits(glob, text)).min();
    let mut ranked: Vec<(usize, &str)> =
        ids.into_iter().map(|id| (distance(id).unwrap_or(usize::MAX), id)).collect();
    ranked.sort_unstable();
    ranked.dedup();
    ranked.into_iter().take(NEAREST).map(|(_, id)| id).collect()
}

/// Letters to insert, remove or replace until a glob matches a text; a `*` stands for any, a `?` for
/// one.
fn edits(glob: &str, text: &str) -> usize {
    // What the glob read so far costs against each beginning of the text.
    let mut costs: Vec<usize> = (0..=text.len()).collect();
    for letter in glob.bytes() {
        let mut before = costs[0];
        costs[0] += usize::from(letter != b'*');
        for (at, byte) in text.bytes().enumerate() {
            let above = costs[at + 1];
            costs[at + 1] = match letter {
                b'*' => above.min(costs[at]),
                _ => {
                    let replaced = before + usize::from(letter != byte && letter != b'?');
                    replaced.min(above + 1).min(costs[at] + 1)
                }
            };
            before = above;
        }
    }
    costs[text.len()]
}

fn list(names: &BTreeSet<&str>) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.iter().copied().collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::canary::canaries;

    fn ids(crates: &[&str], glob: Option<&str>) -> Result<Vec<&'static str>> {
        let crates: Vec<String> = crates.iter().map(|&c| c.to_owned()).collect();
        Ok(select(canaries(), &crates, glob)?.into_iter().map(|case| case.id).collect())
    }

    #[test]
    fn globs_choose_by_part_or_whole() {
        assert_eq!(ids(&[], None).unwrap().len(), 4);
        assert_eq!(ids(&["canary"], Some("tail")).unwrap(), ["canary/tail/spikes"]);
        assert_eq!(
            ids(&[], Some("canary/t*/*")).unwrap(),
            ["canary/threads/two", "canary/tail/spikes"]
        );
        assert_eq!(ids(&[], Some("**/spikes")).unwrap(), ["canary/tail/spikes"]);
    }

    #[test]
    fn a_leading_part_chooses_all_below_it() {
        for all in ["canary", "canary/*", "can*/**", "canary/*/*"] {
            assert_eq!(ids(&[], Some(all)).unwrap().len(), 4, "{all}");
        }
        assert_eq!(ids(&[], Some("canary/tail")).unwrap(), ["canary/tail/spikes"]);
        assert_eq!(ids(&[], Some("*/tail")).unwrap(), ["canary/tail/spikes"]);
        for none in ["canar", "tail/*", "canary/tai", "canary/tail/spikes/*"] {
            assert!(ids(&[], Some(none)).is_err(), "{none}");
        }
    }

    #[test]
    fn what_does_not_exist_is_an_error_that_names_what_does() {
        let error = ids(&["alloc-liner"], None).unwrap_err().to_string();
        assert!(error.contains("\"alloc-liner\"") && error.contains("canary"), "{error}");
        assert!(ids(&[], Some("a{b")).unwrap_err().to_string().contains("a{b"));
        assert!(select(Vec::new(), &[], None).is_err());
        let error = ids(&[], Some("canary/tial/*")).unwrap_err().to_string();
        assert!(error.contains("\"canary/tial/*\"; nearest: canary/tail/spikes, "), "{error}");
    }

    #[test]
    fn the_nearest_ids_come_first() {
        let ids = ["stack/eval/program", "stack/dyn-trait/x", "arena/ast/registry", "a/b/c"];
        assert_eq!(nearest("stack/evl", ids)[0], "stack/eval/program");
        assert_eq!(nearest("*/asd", ids)[0], "arena/ast/registry");
        assert_eq!(nearest("registri", ids)[0], "arena/ast/registry");
        assert_eq!(nearest("stack/d?m*", ids)[0], "stack/dyn-trait/x");
        assert_eq!(nearest("x", (0..9).map(|_| "a/b/c")), ["a/b/c"]);
        assert_eq!(edits("a*c", "abbc"), 0);
        assert_eq!((edits("", "abc"), edits("abc", ""), edits("kitten", "sitting")), (3, 3, 3));
    }
}
