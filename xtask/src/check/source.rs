//! Rules about the text of the source: proofs beside `unsafe`, arguments beside orderings, model
//! cfgs only where models are, files that one can read.

use crate::cargo::Workspace;
use crate::orderings::{self, Site};
use crate::steps::{Steps, findings};
use anyhow::{Context, Result};
use proc_macro2::{TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// Most lines of a file that is not a test.
const FILE_LINES: usize = 700;
/// How far above a call its `ORD` comment may stand.
const ORD_LINES: usize = 6;
/// How far above an `unsafe` its `SAFETY` comment may begin.
const SAFETY_LINES: usize = 16;

/// Runs these checks over the workspace.
pub(crate) fn check(steps: &mut Steps, workspace: &Workspace) {
    let files = match read(workspace) {
        Ok(files) => files,
        Err(error) => {
            steps.step("sources can be read", || Err(error));
            return;
        }
    };
    let shipped = |name: &str| name.starts_with("crates/") && !in_tests(name);

    steps.step("every unsafe block and impl has its SAFETY proof", || {
        let (mut count, mut found) = (0, Vec::new());
        for (name, text) in &files {
            let (places, without) = safety(name, text)?;
            count += places;
            found.extend(without);
        }
        findings(format!("{count} places"), found)
    });
    steps.step("every ordering has its ORD argument", || {
        let (mut count, mut found) = (0, Vec::new());
        for package in workspace.crates() {
            let scan = orderings::scan_crate(workspace, package)?;
            found.extend(scan.faults);
            count += scan.sites.len();
            for (name, text) in &files {
                let sites: Vec<_> = scan.sites.iter().filter(|site| site.file == *name).collect();
                found.extend(unargued(name, text, &sites));
            }
        }
        findings(format!("{count} orderings"), found)
    });
    steps.step("every ORD edge is named at both ends", || {
        let (mut count, mut found) = (0, Vec::new());
        for package in workspace.crates() {
            let home = workspace.relative(package.dir()) + "/src/";
            let own = files.iter().filter(|(name, _)| name.starts_with(&home) && shipped(name));
            let edges = edges(own.map(|(name, text)| (name.as_str(), text.as_str())));
            count += edges.len();
            found.extend(one_ended(&edges));
        }
        findings(format!("{count} edges"), found)
    });
    steps.step("cfg(loom) and cfg(shuttle) stand only where models are", || {
        let mut found = Vec::new();
        for (name, text) in &files {
            if name.starts_with("crates/") && !may_name_models(name) {
                found.extend(model_cfgs(name, text)?);
            }
        }
        findings(format!("{} files", files.len()), found)
    });
    steps.step("no file is too long", || {
        let long = files.iter().filter(|(name, _)| !in_tests(name));
        findings(
            format!("at most {FILE_LINES} lines each"),
            long.flat_map(|(name, text)| too_long(name, text)).collect(),
        )
    });
}

/// Every source file of the workspace, by name.
fn read(workspace: &Workspace) -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for package in &workspace.packages {
        for path in orderings::sources(package.dir())? {
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            files.push((workspace.relative(&path), text));
        }
    }
    Ok(files)
}

fn in_tests(name: &str) -> bool {
    orderings::is_test_file(name)
}

/// How many unsafe blocks and impls there are, and those without a proof.
fn safety(name: &str, text: &str) -> Result<(usize, Vec<String>)> {
    struct Places(Vec<(usize, usize)>);
    impl<'ast> Visit<'ast> for Places {
        fn visit_expr_unsafe(&mut self, expr: &'ast syn::ExprUnsafe) {
            let end = expr.span().end().line;
            self.0.push((expr.unsafe_token.span.start().line, end));
            visit::visit_expr_unsafe(self, expr);
        }
        fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
            if let Some(token) = item.unsafety {
                let line = token.span.start().line;
                self.0.push((line, line));
            }
            visit::visit_item_impl(self, item);
        }
    }
    let file = syn::parse_file(text).with_context(|| name.to_owned())?;
    let mut places = Places(Vec::new());
    places.visit_file(&file);
    let lines: Vec<_> = text.lines().collect();
    let mut without = Vec::new();
    let mut earlier = 0;
    for &(line, end) in &places.0 {
        // Not beyond the previous block: each has a proof of its own.
        let from = line.saturating_sub(SAFETY_LINES + 1).max(earlier);
        let window = lines.get(from..line).unwrap_or_default();
        if !window.iter().any(|line| comment(line).is_some_and(|text| text.contains("SAFETY:"))) {
            without.push(format!("{name}:{line}: unsafe without a SAFETY comment"));
        }
        earlier = end;
    }
    Ok((places.0.len(), without))
}

/// The text of a line's comment.
fn comment(line: &str) -> Option<&str> {
    line.split_once("//").map(|(_, text)| text)
}

/// Orderings without an `ORD` comment on their line or in the lines above.
fn unargued(name: &str, text: &str, sites: &[&Site]) -> Vec<String> {
    let lines: Vec<_> = text.lines().collect();
    let calls: BTreeSet<_> = sites.iter().map(|site| site.line).collect();
    let mut found = Vec::new();
    for line in calls {
        let window = lines.get(line.saturating_sub(ORD_LINES + 1)..line).unwrap_or_default();
        let argued = window.iter().any(|line| {
            comment(line).is_some_and(|text| text.contains("ORD[") || text.contains("ORD Relaxed"))
        });
        if !argued {
            found.push(format!(
                "{name}:{line}: an ordering without `ORD[edge]` or `ORD Relaxed` in the \
                 {ORD_LINES} lines above"
            ));
        }
    }
    found
}

/// Where each `ORD[edge]` stands, outside documentation.
fn edges<'a>(
    files: impl Iterator<Item = (&'a str, &'a str)>,
) -> BTreeMap<String, BTreeSet<(String, usize)>> {
    let mut edges: BTreeMap<String, BTreeSet<_>> = BTreeMap::new();
    for (name, text) in files {
        for (index, line) in text.lines().enumerate() {
            let Some(text) = comment(line) else { continue };
            if text.starts_with('/') || text.starts_with('!') {
                continue;
            }
            for part in text.split("ORD[").skip(1) {
                let Some((names, _)) = part.split_once(']') else { continue };
                for edge in names.split(',') {
                    let place = (name.to_owned(), index + 1);
                    edges.entry(edge.trim().to_owned()).or_default().insert(place);
                }
            }
        }
    }
    edges
}

fn one_ended(edges: &BTreeMap<String, BTreeSet<(String, usize)>>) -> Vec<String> {
    let lonely = edges.iter().filter(|(_, places)| places.len() < 2);
    lonely
        .flat_map(|(edge, places)| {
            places.iter().map(move |(name, line)| {
                format!("{name}:{line}: ORD[{edge}] stands at one end only")
            })
        })
        .collect()
}

/// The facade, the harness and what stands in for the machine under a model (`model.rs`), the two
/// lists of modules that choose them (restartable sequences are assembly, which no model can run),
/// tests, and examples.
fn may_name_models(name: &str) -> bool {
    let facade = name.strip_prefix("crates/primitives/src/").is_some_and(|rest| {
        matches!(rest, "lib.rs" | "percpu.rs") || rest.rsplit('/').next() == Some("model.rs")
    });
    facade || orderings::is_facade(name) || in_tests(name) || name.contains("/examples/")
}

/// `cfg`s of a model checker outside `const` items and test modules.
fn model_cfgs(name: &str, text: &str) -> Result<Vec<String>> {
    struct Cfgs<'a> {
        name: &'a str,
        found: Vec<String>,
    }
    impl<'ast> Visit<'ast> for Cfgs<'_> {
        fn visit_item(&mut self, item: &'ast syn::Item) {
            // A constant may shrink a model; a test module may be for models alone.
            let exempt = match item {
                syn::Item::Const(_) => true,
                syn::Item::Mod(module) => is_test_module(module),
                _ => false,
            };
            if !exempt {
                visit::visit_item(self, item);
            }
        }
        fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
            if !matches!(item, syn::ImplItem::Const(_)) {
                visit::visit_impl_item(self, item);
            }
        }
        fn visit_attribute(&mut self, attr: &'ast syn::Attribute) {
            let conditional = attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr");
            if let (true, syn::Meta::List(list)) = (conditional, &attr.meta)
                && names_model(list.tokens.clone())
            {
                self.fault(attr.span().start().line);
            }
        }
        fn visit_macro(&mut self, call: &'ast syn::Macro) {
            let tokens = call.tokens.clone();
            let conditional = call.path.is_ident("cfg") || holds_cfg(tokens.clone());
            if conditional && names_model(tokens) {
                self.fault(call.span().start().line);
            }
        }
    }
    impl Cfgs<'_> {
        fn fault(&mut self, line: usize) {
            let name = self.name;
            self.found.push(format!(
                "{name}:{line}: cfg(loom) or cfg(shuttle) outside the facade, tests, examples and \
                 constants"
            ));
        }
    }
    let file = syn::parse_file(text).with_context(|| name.to_owned())?;
    let mut cfgs = Cfgs { name, found: Vec::new() };
    cfgs.visit_file(&file);
    Ok(cfgs.found)
}

/// `mod tests`, `mod loom_…`, or a module for tests alone.
fn is_test_module(module: &syn::ItemMod) -> bool {
    let name = module.ident.to_string();
    name == "tests" || name.starts_with("loom_") || orderings::left_out(&module.attrs)
}

fn names_model(tokens: TokenStream) -> bool {
    any_ident(tokens, &["loom", "shuttle"])
}

fn holds_cfg(tokens: TokenStream) -> bool {
    any_ident(tokens, &["cfg", "cfg_attr"])
}

fn any_ident(tokens: TokenStream, names: &[&str]) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Group(group) => any_ident(group.stream(), names),
        TokenTree::Ident(ident) => names.iter().any(|name| ident == name),
        _ => false,
    })
}

fn too_long(name: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > FILE_LINES).then(|| format!("{name}: {lines} lines; at most {FILE_LINES}"))
}

#[cfg(test)]
mod tests {
    use super::{edges, may_name_models, model_cfgs, one_ended, safety, too_long, unargued};
    use crate::orderings::scan_text;

    #[test]
    fn unsafe_without_a_proof_is_found() {
        let bare = "fn f() {\n    unsafe { g() }\n}\nunsafe impl Send for A {}";
        let (count, found) = safety("a.rs", bare).expect("parses");
        assert_eq!((count, found.len()), (2, 2), "{found:?}");
        let shared =
            "fn f() {\n    // SAF\u{45}TY: I1.\n    unsafe { g() };\n    unsafe { h() };\n}";
        let (_, found) = safety("a.rs", shared).expect("parses");
        assert_eq!(found, ["a.rs:4: unsafe without a SAFETY comment"], "one proof, one block");
        let proven = "// SAF\u{45}TY: no T is reached.\nunsafe impl Send for A {}";
        assert!(safety("a.rs", proven).expect("parses").1.is_empty());
    }

    fn unargued_in(text: &str) -> usize {
        let scan = scan_text("a.rs", text).expect("parses");
        unargued("a.rs", text, &scan.sites.iter().collect::<Vec<_>>()).len()
    }

    #[test]
    fn an_ordering_without_its_argument_is_found() {
        assert_eq!(unargued_in("fn f() {\n    a.load(Acquire);\n}"), 1);
        assert_eq!(unargued_in("fn f() {\n    // ORD[x] Acquire.\n    a.load(Acquire);\n}"), 0);
        assert_eq!(unargued_in("fn f() {\n    a.load(Relaxed); // ORD Relaxed: a hint.\n}"), 0);
        let far = format!("fn f() {{\n // ORD[x]\n{}a.load(Acquire);\n}}", "g();\n".repeat(6));
        assert_eq!(unargued_in(&far), 1, "six lines, not seven");
        assert_eq!(unargued_in("fn f() {\n // in ORDER\n a.load(Acquire);\n}"), 1);
    }

    #[test]
    fn an_edge_with_one_end_is_found() {
        let files =
            [("a.rs", "//! - ORD[y]\n// ORD[x] Release\n// ORD[y]\n"), ("b.rs", "//ORD[x]")];
        let edges = edges(files.into_iter());
        assert_eq!(one_ended(&edges), ["a.rs:3: ORD[y] stands at one end only"]);
    }

    #[test]
    fn a_model_cfg_in_ordinary_code_is_found() {
        for text in [
            "#[cfg(loom)]\nfn f() {}",
            "#[cfg(not(any(loom, shuttle)))]\nuse a::b;",
            "fn f() { if cfg!(loom) { g() } }",
            "#[cfg_attr(shuttle, derive(Debug))]\nstruct A;",
            "fn f() {\n #[cfg(loom)]\n let x = 1;\n}",
            "thread_local! { #[cfg(loom)] static X: u8 = 1; }",
        ] {
            assert_eq!(model_cfgs("a.rs", text).expect("parses").len(), 1, "{text}");
        }
        for text in [
            "#[cfg(loom)]\nconst SLOTS: usize = 2;",
            "const SLOTS: usize = if cfg!(loom) { 2 } else { 64 };",
            "#[cfg(all(test, loom))]\nmod tests;",
            "#[cfg(test)]\nmod models { #[cfg(loom)] fn f() {} }",
            "impl A { #[cfg(loom)] const N: usize = 2; }",
            "fn loom() {}",
        ] {
            assert!(model_cfgs("a.rs", text).expect("parses").is_empty(), "{text}");
        }
    }

    #[test]
    fn only_the_facade_tests_and_examples_may_name_models() {
        for name in [
            "crates/primitives/src/sync/loomed.rs",
            "crates/primitives/src/model.rs",
            "crates/primitives/src/lib.rs",
            "crates/x/tests/a.rs",
            "crates/x/src/tests/a.rs",
            "crates/primitives/src/percpu/model.rs",
            "crates/x/examples/a.rs",
        ] {
            assert!(may_name_models(name), "{name}");
        }
        for name in [
            "crates/x/src/lib.rs",
            "crates/x/src/sync.rs",
            "crates/x/src/model.rs",
            "crates/primitives/src/backoff.rs",
        ] {
            assert!(!may_name_models(name), "{name}");
        }
    }

    #[test]
    fn a_long_file_is_found() {
        assert!(too_long("a.rs", &"x\n".repeat(700)).is_none());
        assert!(too_long("a.rs", &"x\n".repeat(701)).is_some());
    }
}
