//! `slab/graph/registry`: the modules of each package, and which of them use which, as a graph whose
//! edges are keys.
//!
//! A node is a file or a `mod`; an edge is a `use` whose path names a module of the same package. A
//! package's graph is built, walked from each of its first 8 nodes, and stays until 8 more packages
//! have come; then it goes, node by node.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::super::programs::fold;
use super::super::programs::lexer::{Kind, Lexer};
use super::{Program, rows};
use crate::case::{Case, Input, Model};
use crate::engines::About;
use crate::engines::slots::{Family, Slots};
use crate::input::registry::{Source, sources};

/// Packages that are in the graph.
const PACKAGES: usize = 8;

/// Edges of a node at most.
const EDGES: usize = 6;

/// Nodes of a package from which it is walked.
const WALKS: usize = 8;

pub(super) fn case() -> Case {
    Case {
        id: "slab/graph/registry",
        krate: "alloc-slab",
        what: "Builds the graph of modules and their uses of each package of the registry, edges \
               being keys, walks it, and removes it when 8 more have come.",
        model: Model::Throughput,
        unit: "node",
        input: || Input { kind: "registry", bytes: sources().bytes, count: nodes() },
        working_set_bytes: 1 << 20,
        threads: 1,
        engines: rows::<Graph>(),
    }
}

/// The graph of a package, by numbers.
#[derive(Default)]
struct Package {
    names: Vec<u64>,
    edges: Vec<(u32, u32)>,
}

fn nodes() -> u64 {
    packages().iter().map(|package| package.names.len() as u64).sum()
}

fn packages() -> &'static [Package] {
    static PACKAGES: OnceLock<Vec<Package>> = OnceLock::new();
    PACKAGES.get_or_init(|| {
        let name = |source: &Source| source.name.split('/').next().unwrap_or("").to_owned();
        sources().files.chunk_by(|a, b| name(a) == name(b)).map(package).collect()
    })
}

fn package(files: &[Source]) -> Package {
    let mut package = Package::default();
    let mut numbers = HashMap::new();
    let mut uses = Vec::new();
    let mut add = |package: &mut Package, name: &str| {
        let number = u32::try_from(package.names.len()).unwrap_or(0);
        package.names.push(name.bytes().map(u64::from).fold(1, fold));
        numbers.entry(name.to_owned()).or_insert(number);
        number
    };
    for file in files {
        let path = file.name.trim_end_matches(".rs").trim_end_matches("/mod");
        let module = add(&mut package, path.rsplit('/').next().unwrap_or(path));
        let mut words = Lexer::new(&file.text).peekable();
        while let Some(word) = words.next() {
            match (word.kind, word.text) {
                (Kind::Name, "mod") => {
                    if let Some(name) = words.peek().filter(|next| next.kind == Kind::Name) {
                        let inner = add(&mut package, name.text);
                        package.edges.push((module, inner));
                    }
                }
                (Kind::Name, "use") => {
                    let path = words.by_ref().take_while(|next| next.text != ";");
                    uses.extend(
                        path.filter(|next| next.kind == Kind::Name)
                            .map(|next| (module, next.text.to_owned())),
                    );
                }
                _ => {}
            }
        }
    }
    let used = uses.into_iter().filter_map(|(from, name)| Some((from, *numbers.get(&name)?)));
    package.edges.extend(used.filter(|(from, to)| from != to));
    package
}

struct Node<F: Family> {
    edges: [Option<F::Key<Node<F>>>; EDGES],
    name: u64,
    count: u32,
    /// The last walk that came by.
    walk: u32,
}

impl<F: Family> Clone for Node<F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F: Family> Copy for Node<F> {}

struct Graph;

impl<F: Family> Program<F> for Graph {
    const ABOUT: About = <F::Slots<Node<F>> as Slots<Node<F>>>::ABOUT;

    fn ops() -> u64 {
        nodes()
    }

    fn run() -> u64 {
        let most = usize::try_from(nodes()).unwrap_or(usize::MAX);
        let mut graph: F::Slots<Node<F>> = Slots::new(most, false);
        let mut live: Vec<Vec<F::Key<Node<F>>>> = (0..PACKAGES).map(|_| Vec::new()).collect();
        let (mut walk, mut sum, mut stack) = (0, 1, Vec::new());
        for (number, package) in packages().iter().enumerate() {
            let keys = &mut live[number % PACKAGES];
            sum = fold(sum, remove::<F>(&mut graph, keys));
            build::<F>(&mut graph, keys, package);
            for &root in keys.iter().take(WALKS) {
                walk += 1;
                sum = fold(sum, reached::<F>(&mut graph, root, walk, &mut stack));
            }
        }
        live.iter_mut().fold(sum, |sum, keys| fold(sum, remove::<F>(&mut graph, keys)))
    }
}

#[inline(never)]
fn build<F: Family>(
    graph: &mut F::Slots<Node<F>>,
    keys: &mut Vec<F::Key<Node<F>>>,
    package: &Package,
) {
    keys.extend(
        package
            .names
            .iter()
            .map(|&name| graph.insert(Node { edges: [None; EDGES], name, count: 0, walk: 0 })),
    );
    for &(from, to) in &package.edges {
        // SAFETY: inserted just now.
        let node = unsafe { graph.get_mut(keys[from as usize]) };
        if let Some(edge) = node.edges.get_mut(node.count as usize) {
            *edge = Some(keys[to as usize]);
            node.count += 1;
        }
    }
}

/// Walks along the edges from `root`, and sums what is there.
#[inline(never)]
fn reached<F: Family>(
    graph: &mut F::Slots<Node<F>>,
    root: F::Key<Node<F>>,
    walk: u32,
    stack: &mut Vec<F::Key<Node<F>>>,
) -> u64 {
    let mut sum = 0;
    stack.push(root);
    while let Some(key) = stack.pop() {
        // SAFETY: edges are within a package, whose nodes come and go together.
        let node = unsafe { graph.get_mut(key) };
        if core::mem::replace(&mut node.walk, walk) != walk {
            sum = fold(sum, node.name);
            stack.extend(node.edges.iter().flatten());
        }
    }
    sum
}

#[inline(never)]
fn remove<F: Family>(graph: &mut F::Slots<Node<F>>, keys: &mut Vec<F::Key<Node<F>>>) -> u64 {
    keys.drain(..).fold(0, |sum, key| {
        // SAFETY: of a node that is there, once.
        let node = unsafe { graph.remove(key) };
        fold(sum, node.name ^ u64::from(node.count))
    })
}
