//! The static scan: every memory ordering that stands in the source, with the place that
//! `Location::caller()` reports for its call.
//!
//! An ordering is a literal at an atomic call (`load`, `store`, `swap`, `fetch_*`,
//! `compare_exchange*`, `fetch_update`, `fence`). What this scan cannot read is a fault, so that
//! no ordering escapes the mutation run: an ordering in a variable, under another name, in the
//! body of a macro. Test code is left out; so are the facade and the model harness themselves.

use crate::cargo::{Package, Workspace};
use anyhow::{Context, Result};
use proc_macro2::{LineColumn, Span, TokenStream, TokenTree};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, Meta, Token};

/// One ordering at one call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Site {
    /// Path from the workspace root, as the compiler reports it.
    pub(crate) file: String,
    pub(crate) line: usize,
    /// Counted from 1, in characters.
    pub(crate) column: usize,
    /// `load`, `store`, `rmw`, `cas-ok`, `cas-err` or `fence`.
    pub(crate) slot: &'static str,
    /// `Relaxed` … `SeqCst`.
    pub(crate) ordering: &'static str,
    /// The function around it: `name` or `Type::name`.
    pub(crate) function: String,
}

/// What the scan of some source found.
#[derive(Default, Debug)]
pub(crate) struct Scan {
    pub(crate) sites: Vec<Site>,
    /// Orderings that it could not read, one line each.
    pub(crate) faults: Vec<String>,
}

const ORDERINGS: [&str; 5] = ["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];

/// Scans the `src` folder of a crate.
pub(crate) fn scan_crate(workspace: &Workspace, package: &Package) -> Result<Scan> {
    let mut scan = Scan::default();
    let mut test_modules = BTreeSet::new();
    let files = sources(&package.dir().join("src"))?;
    let mut parsed = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let file = syn::parse_file(&text).with_context(|| format!("{}", path.display()))?;
        for item in &file.items {
            if let syn::Item::Mod(module) = item
                && module.content.is_none()
                && left_out(&module.attrs)
            {
                test_modules.extend(module_files(&path, &module.ident.to_string()));
            }
        }
        parsed.push((path, file));
    }
    for (path, file) in parsed {
        let name = workspace.relative(&path);
        if is_test_file(&name) || is_facade(&name) || test_modules.contains(&path) {
            continue;
        }
        let one = scan_file(&name, &file);
        scan.sites.extend(one.sites);
        scan.faults.extend(one.faults);
    }
    scan.sites.sort();
    Ok(scan)
}

/// Scans one file's text.
#[cfg(test)]
pub(crate) fn scan_text(file: &str, text: &str) -> Result<Scan> {
    Ok(scan_file(file, &syn::parse_file(text)?))
}

/// Scans one file's text, its tests included.
#[cfg(test)]
fn scan_tests_too(text: &str) -> Vec<Site> {
    struct Calls(Vec<Site>);
    impl<'ast> Visit<'ast> for Calls {
        fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
            let mut visitor = Visitor { file: "", ..Visitor::default() };
            visitor.visit_expr_method_call(call);
            self.0.extend(visitor.scan.sites);
        }
    }
    let mut calls = Calls(Vec::new());
    if let Ok(file) = syn::parse_file(text) {
        calls.visit_file(&file);
    }
    calls.0
}

fn scan_file(name: &str, file: &syn::File) -> Scan {
    let mut visitor = Visitor { file: name, ..Visitor::default() };
    if !left_out(&file.attrs) {
        visitor.visit_file(file);
    }
    visitor.scan
}

/// Every ordering in a file, tests included, in the order of the text.
pub(crate) fn scan_any(path: &Path) -> Result<Vec<Site>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let file = syn::parse_file(&text).with_context(|| path.display().to_string())?;
    let mut visitor = Visitor::default();
    visitor.visit_file(&file);
    visitor.scan.sites.sort();
    Ok(visitor.scan.sites)
}

/// Every `.rs` file under `folder`, sorted.
pub(crate) fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        if !folder.exists() {
            continue;
        }
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Test files: anything in a `tests` folder, and `tests.rs`.
pub(crate) fn is_test_file(name: &str) -> bool {
    name.split('/').any(|part| part == "tests" || part == "tests.rs")
}

/// The facade, the model harness and recorded histories: what they spell is what the scan looks for
/// elsewhere, or belongs to tests.
pub(crate) fn is_facade(name: &str) -> bool {
    let home = "crates/primitives/src/";
    name.strip_prefix(home).is_some_and(|rest| {
        rest.starts_with("sync") || rest.starts_with("model") || rest == "history.rs"
    })
}

fn module_files(parent: &Path, module: &str) -> [PathBuf; 2] {
    let folder = parent.parent().unwrap_or(Path::new("."));
    let stem = parent.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let folder = match stem {
        "lib" | "main" | "mod" => folder.to_owned(),
        _ => folder.join(stem),
    };
    [folder.join(format!("{module}.rs")), folder.join(module).join("mod.rs")]
}

/// Whether a `cfg` keeps code out of what is shipped: tests and planted faults.
pub(crate) fn left_out(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| {
        let name = attr.path();
        name.is_ident("test")
            || (name.is_ident("cfg")
                && attr.parse_args::<Meta>().is_ok_and(|meta| shipped(&meta) == Some(false)))
    })
}

/// A `cfg` predicate's value outside tests and planted faults; `None` where other things decide.
fn shipped(meta: &Meta) -> Option<bool> {
    let name = meta.path().get_ident().map(ToString::to_string).unwrap_or_default();
    match meta {
        Meta::Path(_) | Meta::NameValue(_) => match name.as_str() {
            "test" | "bug" => Some(false),
            _ => None,
        },
        Meta::List(list) => {
            let parser = Punctuated::<Meta, Token![,]>::parse_terminated;
            let parts: Vec<_> = list.parse_args_with(parser).ok()?.iter().map(shipped).collect();
            match name.as_str() {
                "not" => parts.first().copied().flatten().map(|value| !value),
                "all" if parts.contains(&Some(false)) => Some(false),
                "all" if parts.iter().all(|part| *part == Some(true)) => Some(true),
                "any" if parts.contains(&Some(true)) => Some(true),
                "any" if parts.iter().all(|part| *part == Some(false)) => Some(false),
                _ => None,
            }
        }
    }
}

/// Slots of an atomic method, from its first ordering argument on, and its argument count.
fn slots(method: &str) -> Option<(&'static [&'static str], usize, usize)> {
    // (slots, index of the first ordering, number of arguments)
    Some(match method {
        "load" => (&["load"], 0, 1),
        "store" => (&["store"], 1, 2),
        "swap" => (&["rmw"], 1, 2),
        "compare_exchange" | "compare_exchange_weak" => (&["cas-ok", "cas-err"], 2, 4),
        "fetch_update" => (&["cas-ok", "cas-err"], 0, 3),
        _ if method.starts_with("fetch_") => (&["rmw"], 1, 2),
        _ => return None,
    })
}

#[derive(Default)]
struct Visitor<'a> {
    file: &'a str,
    scan: Scan,
    types: Vec<String>,
    functions: Vec<String>,
    /// Where orderings stand that belong to a recognised call.
    read: BTreeSet<(usize, usize)>,
}

impl Visitor<'_> {
    fn fault(&mut self, at: LineColumn, what: &str) {
        self.scan.faults.push(format!("{}:{}:{}: {what}", self.file, at.line, at.column + 1));
    }

    fn site(&mut self, at: LineColumn, slot: &'static str, ordering: &'static str) {
        self.scan.sites.push(Site {
            file: self.file.to_owned(),
            line: at.line,
            column: at.column + 1,
            slot,
            ordering,
            function: self.functions.last().cloned().unwrap_or_default(),
        });
    }

    /// Reads the orderings of one call; `sure` says that nothing else has this shape.
    fn orderings(
        &mut self,
        at: LineColumn,
        slots: &[&'static str],
        arguments: &[&Expr],
        sure: bool,
    ) {
        let literals: Vec<_> = arguments.iter().map(|argument| literal(argument)).collect();
        if literals.iter().all(Option::is_none) && !sure {
            return;
        }
        for ((slot, argument), ordering) in slots.iter().zip(arguments).zip(literals) {
            match ordering {
                Some(ordering) => {
                    self.site(at, slot, ordering);
                    let end = last_segment(argument).unwrap_or_else(|| argument.span()).start();
                    self.read.insert((end.line, end.column));
                }
                None => self.fault(argument.span().start(), "the ordering is not a literal"),
            }
        }
    }

    fn function(&mut self, name: &syn::Ident, body: impl FnOnce(&mut Self)) {
        let name = match self.types.last() {
            Some(owner) => format!("{owner}::{name}"),
            None => name.to_string(),
        };
        self.functions.push(name);
        body(self);
        self.functions.pop();
    }

    /// Looks for orderings among tokens that no grammar here can read.
    fn tokens(&mut self, tokens: TokenStream, what: &str) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.tokens(group.stream(), what),
                TokenTree::Ident(ident) if ORDERINGS.iter().any(|name| ident == name) => {
                    self.fault(ident.span().start(), what);
                }
                _ => {}
            }
        }
    }
}

/// The ordering that an expression spells out.
fn literal(expr: &Expr) -> Option<&'static str> {
    let Expr::Path(path) = expr else { return None };
    let last = path.path.segments.last()?;
    ORDERINGS.into_iter().find(|name| last.ident == name)
}

fn last_segment(expr: &Expr) -> Option<Span> {
    let Expr::Path(path) = expr else { return None };
    path.path.segments.last().map(|segment| segment.ident.span())
}

impl<'ast> Visit<'ast> for Visitor<'_> {
    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let method = call.method.to_string();
        if let Some((slots, first, count)) = slots(&method)
            && call.args.len() == count
        {
            let arguments: Vec<_> = call.args.iter().skip(first).take(slots.len()).collect();
            // `swap(a, b)` is also a method of slices and cells; the others are ours to name.
            let sure = method != "swap";
            self.orderings(call.method.span().start(), slots, &arguments, sure);
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let Expr::Path(path) = &*call.func {
            let segments: Vec<_> =
                path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            let name = segments.last().map(String::as_str).unwrap_or_default();
            let at = call.span().start();
            let arguments: Vec<_> = call.args.iter().collect();
            if name == "fence" && arguments.len() == 1 {
                self.orderings(at, &["fence"], &arguments, true);
            } else if name == "compiler_fence" {
                return self.fault(at, "compiler_fence is invisible to models: use fence");
            } else if let Some((slots, first, count)) = slots(name) {
                // `AtomicUsize::load(&cursor, Acquire)`: the receiver is the first argument.
                let atomic = segments.iter().any(|segment| segment.starts_with("Atomic"));
                if arguments.len() == count + 1 && segments.len() > 1 {
                    let orderings: Vec<_> =
                        arguments.into_iter().skip(first + 1).take(slots.len()).collect();
                    self.orderings(at, slots, &orderings, atomic);
                }
            }
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_path(&mut self, path: &'ast syn::ExprPath) {
        let mut segments = path.path.segments.iter().rev();
        if let Some(last) = segments.next() {
            let owner = segments.next().map(|segment| segment.ident.to_string());
            let ordering = ORDERINGS.iter().any(|name| last.ident == name)
                && owner.is_none_or(|owner| owner == "Ordering");
            let at = last.ident.span().start();
            if ordering && !self.read.contains(&(at.line, at.column)) {
                self.fault(at, "an ordering that is not a literal argument of an atomic call");
            }
        }
        visit::visit_expr_path(self, path);
    }

    fn visit_use_rename(&mut self, rename: &'ast syn::UseRename) {
        if ORDERINGS.iter().any(|name| rename.ident == name) {
            self.fault(rename.ident.span().start(), "an ordering under another name");
        }
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let exprs = Punctuated::<Expr, Token![,]>::parse_terminated;
        if let Ok(exprs) = exprs.parse2(call.tokens.clone()) {
            // The tree lives only as long as this call: walk it with a visitor of its own life.
            for expr in &exprs {
                Visit::visit_expr(self, expr);
            }
        } else if let Ok(stmts) = syn::Block::parse_within.parse2(call.tokens.clone()) {
            for stmt in &stmts {
                Visit::visit_stmt(self, stmt);
            }
        } else if let Some(items) = impl_items(call.tokens.clone()) {
            for item in &items.items {
                Visit::visit_impl_item(self, item);
            }
        } else {
            self.tokens(call.tokens.clone(), "an ordering in a macro call that cannot be read");
        }
    }

    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        if left_out(&item.attrs) {
            return;
        }
        if item.mac.path.is_ident("macro_rules") {
            self.tokens(item.mac.tokens.clone(), "an ordering in the body of a macro");
        } else {
            self.visit_macro(&item.mac);
        }
    }

    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !left_out(item_attrs(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        if module.ident != "tests" {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let name = match &*item.self_ty {
            syn::Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
            _ => None,
        };
        self.types.push(name.unwrap_or_else(|| "_".into()));
        visit::visit_item_impl(self, item);
        self.types.pop();
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.types.push(item.ident.to_string());
        visit::visit_item_trait(self, item);
        self.types.pop();
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        // A function inside a method does not belong to the method's type.
        let types = core::mem::take(&mut self.types);
        self.function(&item.sig.ident, |this| visit::visit_item_fn(this, item));
        self.types = types;
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        self.function(&item.ident, |this| visit::visit_item_static(this, item));
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        let attrs = match item {
            syn::ImplItem::Fn(item) => &item.attrs,
            syn::ImplItem::Const(item) => &item.attrs,
            syn::ImplItem::Macro(item) => &item.attrs,
            _ => return visit::visit_impl_item(self, item),
        };
        if !left_out(attrs) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig.ident, |this| visit::visit_impl_item_fn(this, item));
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if !left_out(&item.attrs) {
            self.function(&item.sig.ident, |this| visit::visit_trait_item_fn(this, item));
        }
    }

    fn visit_local(&mut self, local: &'ast syn::Local) {
        if !left_out(&local.attrs) {
            visit::visit_local(self, local);
        }
    }

    fn visit_stmt_macro(&mut self, stmt: &'ast syn::StmtMacro) {
        if !left_out(&stmt.attrs) {
            visit::visit_stmt_macro(self, stmt);
        }
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if !left_out(&arm.attrs) {
            visit::visit_arm(self, arm);
        }
    }

    fn visit_expr(&mut self, expr: &'ast Expr) {
        if !left_out(expr_attrs(expr)) {
            visit::visit_expr(self, expr);
        }
    }
}

/// Tokens that are methods: what a macro for constructors is given.
fn impl_items(tokens: TokenStream) -> Option<syn::ItemImpl> {
    let open: TokenStream = "impl Macro".parse().ok()?;
    let mut all: Vec<TokenTree> = open.into_iter().collect();
    all.push(proc_macro2::Group::new(proc_macro2::Delimiter::Brace, tokens).into());
    syn::parse2(all.into_iter().collect()).ok()
}

/// The attributes of an item.
pub(crate) fn item_attrs(item: &syn::Item) -> &[Attribute] {
    use syn::Item;
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The attributes of the expressions that can stand as a statement under a `cfg`.
fn expr_attrs(expr: &Expr) -> &[Attribute] {
    match expr {
        Expr::Block(expr) => &expr.attrs,
        Expr::Call(expr) => &expr.attrs,
        Expr::MethodCall(expr) => &expr.attrs,
        Expr::If(expr) => &expr.attrs,
        Expr::Match(expr) => &expr.attrs,
        Expr::Loop(expr) => &expr.attrs,
        Expr::While(expr) => &expr.attrs,
        Expr::ForLoop(expr) => &expr.attrs,
        Expr::Unsafe(expr) => &expr.attrs,
        Expr::Macro(expr) => &expr.attrs,
        Expr::Assign(expr) => &expr.attrs,
        Expr::Return(expr) => &expr.attrs,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::{Scan, scan_text};

    fn scan(text: &str) -> Scan {
        scan_text("crates/x/src/lib.rs", text).expect("planted text parses")
    }

    fn lines(text: &str) -> Vec<String> {
        let show = |s: &super::Site| {
            format!("{}:{} {} {} {}", s.line, s.column, s.slot, s.ordering, s.function)
        };
        scan(text).sites.iter().map(show).collect()
    }

    #[test]
    fn every_kind_of_call_is_found_at_the_place_the_compiler_reports() {
        let text = "impl Ring {
    fn push(&self) {
        self.tail.load(Acquire);
        self.slots[0]
            .stamp
            .store(1, Ordering::Release);
        let _ = self.a.compare_exchange_weak(0, 1, AcqRel, Relaxed);
        fence(SeqCst);
    }
}
fn free(a: &AtomicUsize) {
    a.fetch_add(1, Relaxed);
    AtomicUsize::load(a, Acquire);
    assert!(a.load(Relaxed) == 1, \"é{}\", a.swap(1, SeqCst));
}";
        assert_eq!(
            lines(text),
            [
                "3:19 load Acquire Ring::push",
                "6:14 store Release Ring::push",
                "7:24 cas-ok AcqRel Ring::push",
                "7:24 cas-err Relaxed Ring::push",
                "8:9 fence SeqCst Ring::push",
                "12:7 rmw Relaxed free",
                "13:5 load Acquire free",
                "14:15 load Relaxed free",
                "14:44 rmw SeqCst free",
            ]
        );
    }

    #[test]
    fn places_agree_with_the_compiler() {
        use core::panic::Location;
        struct Here;
        impl Here {
            #[track_caller]
            fn load(&self, _: Acquire) -> &'static Location<'static> {
                Location::caller()
            }
        }
        struct Acquire;
        #[rustfmt::skip]
        let here = { let a = Here; [a.load(Acquire), a
            .load(Acquire)] };
        let text = include_str!("orderings.rs");
        let found: Vec<_> = super::scan_tests_too(text)
            .into_iter()
            .filter(|site| here.iter().any(|h| h.line() as usize == site.line))
            .map(|site| (site.line, site.column))
            .collect();
        let told: Vec<_> = here.iter().map(|h| (h.line() as usize, h.column() as usize)).collect();
        assert_eq!(found, told);
    }

    #[test]
    fn orderings_that_cannot_be_read_are_faults() {
        for text in [
            "fn f(a: &A, o: Ordering) { a.load(o); }",
            "fn f(a: &A) { let o = Acquire; }",
            "fn f(a: &A) { let o = Ordering::Release; }",
            "fn f(a: &A) { a.compare_exchange(0, 1, o, Relaxed); }",
            "fn f(a: &A) { a.fetch_add(1, choose()); }",
            "fn f(a: &A) { a.with(|x| helper(x, Acquire)); }",
            "use core::sync::atomic::Ordering::Acquire as A;",
            "macro_rules! m { ($a:expr) => { $a.load(Acquire) } }",
            "fn f(a: &A) { odd!(a => load Acquire); }",
            "fn f() { compiler_fence(SeqCst); }",
            "fn f(a: &A) { AtomicU8::load(a, o); }",
        ] {
            assert_eq!(scan(text).faults.len(), 1, "{text}: {:?}", scan(text));
        }
    }

    #[test]
    fn what_is_no_atomic_call_is_left_alone() {
        for text in [
            "fn f(v: &mut [u8]) { v.swap(0, 1); }",
            "fn f() { core::mem::swap(a, b); }",
            "fn f() { let e = Event::Release; }",
            "fn f() { Topology::load(path); }",
            "fn f() { cell.load(); }",
        ] {
            let scan = scan(text);
            assert!(scan.faults.is_empty() && scan.sites.is_empty(), "{text}: {scan:?}");
        }
    }

    #[test]
    fn tests_and_planted_faults_are_left_out() {
        let text = "#[cfg(test)] mod checks { fn f(a: &A) { a.load(Acquire); } }
            mod tests { fn f(a: &A) { a.load(Acquire); } }
            #[cfg(all(test, not(loom)))] fn g(a: &A) { a.load(Acquire); }
            fn h(a: &A) {
                #[cfg(bug = \"weak\")]
                a.store(1, Relaxed);
                #[cfg(not(bug = \"weak\"))]
                a.store(1, Release);
            }
            thread_local! { static X: u8 = { A.load(Acquire); 1 }; }
            constructor! { pub fn new(a: &A) -> Self { a.load(SeqCst); Self } }";
        assert_eq!(
            lines(text),
            ["8:19 store Release h", "10:48 load Acquire X", "11:58 load SeqCst new"]
        );
    }
}
