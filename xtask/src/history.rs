//! Committed figures are of commits that whoever reads them can check out.
//!
//! A record names the commit that was measured. One that is not in the history of `HEAD` (of a branch
//! that was rebased, of a clone that is gone) cannot be measured again, and nobody can tell what has
//! changed since.

use crate::child::{self, Stderr};
use crate::steps::{Outcome, not_run, passed};
use anyhow::{Result, bail};
use std::path::Path;
use std::process::Command;

/// A record, and the commit it names.
pub(crate) struct Named {
    pub(crate) record: String,
    pub(crate) commit: String,
}

/// Looks for each record's commit among the ancestors of `HEAD`; where there is no whole history, nothing
/// can be said, and that is said.
pub(crate) fn check(root: &Path, records: &[Named]) -> Result<Outcome> {
    let Some(top) = answer(root, &["rev-parse", "--show-toplevel"])? else {
        return not_run("no git, or no repository: sources alone have no history");
    };
    // A folder in somebody else's repository is no clone of ours.
    if Path::new(&top).canonicalize()? != root.canonicalize()? {
        return not_run("these sources are not a repository of their own: they have no history");
    }
    if answer(root, &["rev-parse", "--is-shallow-repository"])?.as_deref() == Some("true") {
        return not_run("a shallow clone has not all of the history: git fetch --unshallow");
    }
    let mut found = Vec::new();
    for Named { record, commit } in records {
        // Of a work tree that differed, the commit is where it came from.
        let commit = commit.strip_suffix("-dirty").unwrap_or(commit);
        let hash = commit.len() >= 7 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        let known =
            hash && answer(root, &["cat-file", "-e", &format!("{commit}^{{commit}}")])?.is_some();
        if !known {
            found.push(format!("{record}: commit {commit} is not in this repository"));
        } else if answer(root, &["merge-base", "--is-ancestor", commit, "HEAD"])?.is_none() {
            found.push(format!("{record}: commit {commit} is not in the history of HEAD"));
        }
    }
    if !found.is_empty() {
        bail!("measure again, at a commit that stays; {}:\n{}", found.len(), found.join("\n"));
    }
    passed(format!("{} records", records.len()))
}

/// What git says; nothing where it fails, or is not there.
fn answer(root: &Path, args: &[&str]) -> Result<Option<String>> {
    let mut command = git(root);
    command.args(args);
    match child::run(&mut command, Stderr::Captured, None) {
        Ok(done) => Ok(done.ok().then(|| done.stdout.trim().to_owned())),
        Err(error) if not_there(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn not_there(error: &anyhow::Error) -> bool {
    let kinds = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    kinds.map(std::io::Error::kind).any(|kind| kind == std::io::ErrorKind::NotFound)
}

/// Of that folder's repository, also where this runs in a hook of another.
fn git(root: &Path) -> Command {
    let mut command = Command::new("git");
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        command.env_remove(variable);
    }
    command.arg("-C").arg(root);
    command
}

#[cfg(test)]
mod tests {
    use super::{Named, check, git};
    use crate::steps::Outcome;
    use std::path::{Path, PathBuf};
    use std::{env, fs, process};

    /// A folder that is gone in the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = env::temp_dir().join(format!("quarry-history-{name}-{}", process::id()));
            fs::create_dir_all(&path).expect("a folder");
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn run(root: &Path, args: &[&str]) -> String {
        let mut command = git(root);
        command.args(["-c", "user.name=T", "-c", "user.email=t@example.org"]).args(args);
        let done = command.output().expect("git");
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    fn commit(root: &Path, message: &str) -> String {
        run(root, &["commit", "--quiet", "--allow-empty", "--no-gpg-sign", "-m", message]);
        run(root, &["rev-parse", "--short=10", "HEAD"])
    }

    fn of(root: &Path, commit: &str) -> Result<Outcome, String> {
        let named = Named { record: "a.json".to_owned(), commit: commit.to_owned() };
        check(root, &[named]).map_err(|error| error.to_string())
    }

    #[test]
    fn a_record_is_of_an_ancestor_or_is_refused() {
        let folder = Folder::new("whole");
        let root = &folder.0;
        run(root, &["init", "--quiet", "--initial-branch=main"]);
        let first = commit(root, "first");
        run(root, &["checkout", "--quiet", "-b", "side"]);
        let side = commit(root, "side");
        run(root, &["checkout", "--quiet", "main"]);
        let head = commit(root, "second");
        for ancestor in [&first, &head, &format!("{first}-dirty")] {
            assert!(matches!(of(root, ancestor), Ok(Outcome::Passed(_))), "{ancestor}");
        }
        let refused = |commit: &str| of(root, commit).err().unwrap_or_default();
        assert!(refused(&side).contains("not in the history of HEAD"), "{}", refused(&side));
        for stranger in ["66d5ab3c31", "unknown", "", "main", "--help"] {
            let said = refused(stranger);
            assert!(said.contains("is not in this repository"), "{stranger}: {said}");
        }
    }

    #[test]
    fn without_a_whole_history_nothing_is_said() {
        let folder = Folder::new("parts");
        let whole = folder.0.join("whole");
        fs::create_dir_all(&whole).expect("a folder");
        let not_run = |root: &Path| matches!(of(root, "66d5ab3c31"), Ok(Outcome::NotRun(_)));
        assert!(not_run(&whole), "no repository");
        run(&whole, &["init", "--quiet", "--initial-branch=main"]);
        commit(&whole, "first");
        commit(&whole, "second");
        assert!(!not_run(&whole), "the whole history");
        let inside = whole.join("sources");
        fs::create_dir_all(&inside).expect("a folder");
        assert!(not_run(&inside), "sources in a repository of somebody else's");
        let shallow = folder.0.join("shallow");
        let from = format!("file://{}", whole.display());
        run(&folder.0, &["clone", "--quiet", "--depth=1", &from, &shallow.to_string_lossy()]);
        assert!(not_run(&shallow), "a shallow clone");
    }
}
