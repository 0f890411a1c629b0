//! Which cases a command line asks for.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use globset::GlobBuilder;

use crate::case::Case;

/// Keeps the cases of the named crates whose id matches the glob.
///
/// `*` stays within one part of an id, `**` does not; a glob without `/` is tried on each part.
///
/// # Errors
///
/// Returns an error that names what exists when a crate is unknown, the glob is malformed, or
/// nothing is left.
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
        (true, Some(glob)) => bail!("no case matches {glob:?}; cases: {}", list(&ids)),
        (true, None) => bail!("there are no cases yet"),
        _ => Ok(chosen),
    }
}

/// Returns the test for a glob.
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
        matcher.is_match(id) || (parts && id.split('/').any(|part| matcher.is_match(part)))
    })
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
    use crate::runner::canary::catalogue;
    use crate::runner::job::Catalogue::Canaries;

    fn ids(crates: &[&str], glob: Option<&str>) -> Result<Vec<&'static str>> {
        let crates: Vec<String> = crates.iter().map(|&c| c.to_owned()).collect();
        Ok(select(catalogue(Canaries), &crates, glob)?.into_iter().map(|case| case.id).collect())
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
        assert_eq!(
            ids(&[], Some("canary/*")).unwrap_err().to_string().matches("canary/tail").count(),
            1
        );
    }

    #[test]
    fn what_does_not_exist_is_an_error_that_names_what_does() {
        let error = ids(&["alloc-liner"], None).unwrap_err().to_string();
        assert!(error.contains("\"alloc-liner\"") && error.contains("canary"), "{error}");
        assert!(ids(&[], Some("a{b")).unwrap_err().to_string().contains("a{b"));
        assert!(select(Vec::new(), &[], None).is_err());
    }
}
