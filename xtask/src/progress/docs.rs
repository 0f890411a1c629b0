//! What a method's documentation says about its progress: the class named in its `# Concurrency`.
//!
//! ```text
//! /// # Concurrency
//! ///
//! /// Lock-free. Linearizes at its compare-exchange.        or: As [`push`](Self::push).
//! ```
//!
//! A section that says "touches nothing that …" (changes, other threads touch) has nothing for a model to
//! show. A type of which no method has the section is one thread's own: errors, chains, iterators. Of all
//! other types a method without it is a finding.

use crate::cargo::Package;
use crate::orderings;
use anyhow::{Context, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use syn::{Attribute, Expr, FnArg, ImplItem, Item, Lit, Meta, Visibility};

/// What is said of a method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It never waits for another thread: wait-free, lock-free or obstruction-free.
    Free,
    /// It may wait for another thread.
    Blocking,
    /// It touches nothing that another thread changes meanwhile.
    Alone,
    /// As another method of the type says.
    As(String),
    /// A section without a class.
    NoClass,
}

/// `Type::method` and what is said of it, for the public methods of a crate; and those that say nothing,
/// of types that do.
pub(super) fn methods(package: &Package) -> Result<(BTreeMap<String, Said>, Vec<String>)> {
    let (mut all, mut silent) = (BTreeMap::new(), Vec::new());
    for path in orderings::sources(&package.dir().join("src"))? {
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let file = syn::parse_file(&text).with_context(|| path.display().to_string())?;
        let (methods, without) = methods_of(&file);
        all.extend(methods);
        silent.extend(without);
    }
    let owner = |method: &str| method.split("::").next().unwrap_or_default().to_owned();
    let speak: BTreeSet<_> = all.keys().map(|method| owner(method)).collect();
    silent.retain(|method| speak.contains(&owner(method)));
    Ok((all, silent))
}

fn methods_of(file: &syn::File) -> (BTreeMap<String, Said>, Vec<String>) {
    let (mut methods, mut silent) = (BTreeMap::new(), Vec::new());
    for item in &file.items {
        let Item::Impl(block) = item else { continue };
        let syn::Type::Path(of) = &*block.self_ty else { continue };
        let Some(owner) = of.path.segments.last().map(|segment| segment.ident.to_string()) else {
            continue;
        };
        if block.trait_.is_some() {
            continue;
        }
        for item in &block.items {
            let ImplItem::Fn(method) = item else { continue };
            let public = matches!(method.vis, Visibility::Public(_));
            let has_self = matches!(method.sig.inputs.first(), Some(FnArg::Receiver(_)));
            if !public || !has_self {
                continue;
            }
            let name = format!("{owner}::{}", method.sig.ident);
            match section(&method.attrs) {
                Some(text) => drop(methods.insert(name, class(&text))),
                None => silent.push(name),
            }
        }
    }
    (methods, silent)
}

/// The text of the `# Concurrency` section.
fn section(attrs: &[Attribute]) -> Option<String> {
    let lines = attrs.iter().filter_map(|attr| {
        let Meta::NameValue(pair) = &attr.meta else { return None };
        let Expr::Lit(value) = &pair.value else { return None };
        let Lit::Str(text) = &value.lit else { return None };
        pair.path.is_ident("doc").then(|| text.value())
    });
    let mut inside = false;
    let mut text = None;
    for line in lines {
        let line = line.trim();
        if line.starts_with("# ") {
            inside = line == "# Concurrency";
        } else if inside {
            let text = text.get_or_insert_with(String::new);
            text.push_str(line);
            text.push(' ');
        }
    }
    text
}

/// The first class that is named.
fn class(text: &str) -> Said {
    if let Some(other) = text.trim().strip_prefix("As [`") {
        return Said::As(other.split(['`', '(']).next().unwrap_or_default().to_owned());
    }
    if text.contains("ouches nothing that ") {
        return Said::Alone;
    }
    let lower = text.to_lowercase();
    let classes = ["wait-free", "lock-free", "obstruction-free", "blocking", "blocks"];
    let first = classes.iter().filter_map(|class| Some((lower.find(class)?, *class))).min();
    match first {
        Some((_, "blocking" | "blocks")) => Said::Blocking,
        Some(_) => Said::Free,
        None => Said::NoClass,
    }
}

/// Where methods and models disagree.
pub(super) fn disagreements(
    methods: &BTreeMap<String, Said>,
    free: &BTreeSet<String>,
    blocking: &BTreeSet<String>,
) -> Vec<String> {
    let mut found = Vec::new();
    for name in free.union(blocking).filter(|name| !methods.contains_key(*name)) {
        found.push(format!("{name}: a model speaks of its progress, its documentation does not"));
    }
    for (name, said) in methods {
        match resolved(methods, name, said) {
            Said::NoClass | Said::As(_) => {
                found.push(format!("{name}: `# Concurrency` names no progress class"));
            }
            Said::Free if blocking.contains(name) => {
                found.push(format!("{name}: called lock-free, and a model shows that it blocks"));
            }
            Said::Free if !free.contains(name) => {
                found.push(format!(
                    "{name}: called lock-free, and no model freezes a thread to show it"
                ));
            }
            Said::Blocking if free.contains(name) => {
                found.push(format!(
                    "{name}: called blocking, and a model claims that it is lock-free"
                ));
            }
            Said::Blocking if !blocking.contains(name) => {
                found.push(format!("{name}: called blocking, and no model shows at which place"));
            }
            Said::Alone if blocking.contains(name) => {
                found.push(format!(
                    "{name}: said to touch nothing, and a model shows that it blocks"
                ));
            }
            Said::Free | Said::Blocking | Said::Alone => {}
        }
    }
    found
}

fn resolved(methods: &BTreeMap<String, Said>, name: &str, said: &Said) -> Said {
    let Said::As(other) = said else { return said.clone() };
    let owner = name.split("::").next().unwrap_or_default();
    let other = match other.strip_prefix("Self::").unwrap_or(other) {
        method if method.contains("::") => method.to_owned(),
        method => format!("{owner}::{method}"),
    };
    match methods.get(&other) {
        Some(Said::As(_)) | None => Said::NoClass,
        Some(said) => said.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Said, disagreements, methods_of};
    use std::collections::BTreeSet;

    const SOURCE: &str = "impl<T> A<T> {
        /// Puts.
        ///
        /// # Concurrency
        ///
        /// Lock-free; what waits is [`pop`](Self::pop), which is blocking.
        pub fn push(&self) {}
        /// # Concurrency
        ///
        /// As [`push`](Self::push).
        pub fn push_all(&self) {}
        /// # Concurrency
        ///
        /// *Blocking*: waits for a thread in the middle of a push, which is lock-free.
        ///
        /// # Panics
        ///
        /// Lock-free all the same.
        pub fn pop(&self) {}
        pub fn len(&self) {}
        /// # Concurrency
        ///
        /// Wait-free; touches nothing that changes.
        pub const fn capacity(&self) {}
        pub fn clear(&mut self) {}
        fn hidden(&self) {}
        pub fn new() {}
    }
    impl Drop for A<u8> { fn drop(&mut self) {} }
    impl B {
        /// # Concurrency
        /// As [`A::push`].
        pub fn len(&mut self) {}
    }";

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn classes_are_read_from_the_section() {
        let (methods, silent) = methods_of(&syn::parse_file(SOURCE).expect("parses"));
        assert_eq!((methods.len(), silent), (5, vec!["A::len".into(), "A::clear".into()]));
        assert_eq!(methods["A::capacity"], Said::Alone);
        assert_eq!(methods["A::push"], Said::Free);
        assert_eq!(methods["A::push_all"], Said::As("push".into()));
        assert_eq!(methods["A::pop"], Said::Blocking);
        assert_eq!(methods["B::len"], Said::As("A::push".into()));
    }

    #[test]
    fn disagreement_is_found_both_ways() {
        let (mut methods, _) = methods_of(&syn::parse_file(SOURCE).expect("parses"));
        let free = set(&["A::push", "A::push_all"]);
        let found = disagreements(&methods, &free, &set(&["A::pop"]));
        assert!(found.len() == 1 && found[0].starts_with("B::len: called lock-free"), "{found:?}");
        methods.remove("B::len");
        for (free, blocking) in [
            (&["A::push", "A::push_all", "A::pop"][..], &["A::pop"][..]),
            (&["A::push", "A::push_all"], &[]),
            (&["A::push"], &["A::pop"]),
            (&["A::push", "A::push_all"], &["A::pop", "A::push"]),
            (&["A::push", "A::push_all", "A::gone"], &["A::pop"]),
        ] {
            let found = disagreements(&methods, &set(free), &set(blocking));
            assert_eq!(found.len(), 1, "{free:?} {blocking:?}: {found:?}");
        }
    }
}
