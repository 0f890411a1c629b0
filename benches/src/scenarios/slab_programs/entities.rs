//! `slab/entities/registry`: a store of everything that is declared in the registry's sources, as a
//! tool has it that follows an edited project.
//!
//! ```text
//!   a file comes    each item becomes an entity, counts with its parent, and asks all above it
//!   a file goes     the entities of the file that came 64 files ago
//!   every 8 files   all entities are looked at
//! ```

use std::sync::OnceLock;

use super::super::programs::lexer::{Kind, Lexer};
use super::super::programs::{digest, fold};
use super::{Program, rows};
use crate::case::{Case, Input, Model};
use crate::engines::About;
use crate::engines::slots::{Family, Slots};
use crate::input::registry::{Source, sources};

/// Files that are in the store.
const FILES: usize = 64;

/// Files between two looks at all entities.
const LOOK_EVERY: usize = 8;

pub(super) fn case() -> Case {
    Case {
        id: "slab/entities/registry",
        krate: "alloc-slab",
        what: "Keeps the items of the registry's sources in an entity store, file by file: each is \
               inserted, asks its parents, is looked at with all others, and goes with its file.",
        model: Model::Throughput,
        unit: "item",
        input: || Input { kind: "registry", bytes: sources().bytes, count: items() },
        working_set_bytes: 1 << 20,
        threads: 1,
        engines: rows::<Entities>(),
    }
}

/// Something declared.
#[derive(Clone, Copy, Debug)]
struct Item {
    name: u64,
    kind: u32,
    start: u32,
    /// Its number in the file, counted from 1; 0 for none.
    parent: u32,
}

/// What begins an item.
const WORDS: [&str; 10] =
    ["fn", "struct", "enum", "trait", "impl", "mod", "use", "const", "static", "type"];

/// The items of each file.
fn files() -> &'static [Vec<Item>] {
    static FILES: OnceLock<Vec<Vec<Item>>> = OnceLock::new();
    FILES.get_or_init(|| sources().files.iter().map(items_of).filter(|f| !f.is_empty()).collect())
}

fn items() -> u64 {
    files().iter().map(|file| file.len() as u64).sum()
}

fn items_of(Source { text, .. }: &Source) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    // Open braces, each with the item that it belongs to.
    let mut open: Vec<u32> = Vec::new();
    let mut declared = 0;
    let mut lexer = Lexer::new(text).peekable();
    while let Some(token) = lexer.next() {
        match (token.kind, token.text) {
            (Kind::Mark, "{") => {
                let inside = open.last().copied().unwrap_or(0);
                open.push(if declared > 0 { declared } else { inside });
                declared = 0;
            }
            (Kind::Mark, "}") => {
                open.pop();
            }
            (Kind::Mark, ";") => declared = 0,
            (Kind::Name, word) => {
                let Some(kind) = WORDS.iter().position(|&w| w == word) else { continue };
                let name = lexer.peek().map_or(0, |next| digest(next.text.as_bytes()));
                let parent = open.last().copied().unwrap_or(0);
                let kind = u32::try_from(kind).unwrap_or(0);
                items.push(Item { name, kind, start: token.start, parent });
                declared = u32::try_from(items.len()).unwrap_or(0);
            }
            _ => {}
        }
    }
    items
}

/// 32 or 40 bytes, as an optional key has 8 or 16.
struct Entity<F: Family> {
    parent: Option<F::Key<Entity<F>>>,
    name: u64,
    kind: u32,
    start: u32,
    children: u32,
    asked: u32,
}

impl<F: Family> Clone for Entity<F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F: Family> Copy for Entity<F> {}

struct Entities;

impl<F: Family> Program<F> for Entities {
    const ABOUT: About = <F::Slots<Entity<F>> as Slots<Entity<F>>>::ABOUT;

    fn ops() -> u64 {
        items()
    }

    fn run() -> u64 {
        let most = files().windows(FILES + 1).map(|f| f.iter().map(Vec::len).sum()).max();
        let most = most.unwrap_or_else(|| files().iter().map(Vec::len).sum());
        let mut store = Store::<F> {
            entities: Slots::new(most, false),
            files: (0..FILES).map(|_| Vec::new()).collect(),
        };
        let mut sum = 1;
        for (number, file) in files().iter().enumerate() {
            sum = fold(sum, store.replace(number % FILES, file));
            if number % LOOK_EVERY == 0 {
                sum = fold(sum, store.look());
            }
        }
        for place in 0..FILES {
            sum = fold(sum, store.replace(place, &[]));
        }
        sum
    }
}

struct Store<F: Family> {
    entities: F::Slots<Entity<F>>,
    /// The entities of each file that is in.
    files: Vec<Vec<F::Key<Entity<F>>>>,
}

impl<F: Family> Store<F> {
    /// Lets a file's entities go, and another's come.
    #[inline(never)]
    fn replace(&mut self, place: usize, file: &[Item]) -> u64 {
        let Self { entities, files } = self;
        let mut sum = 0;
        for key in files[place].drain(..) {
            // SAFETY: inserted below, and forgotten here.
            let gone = unsafe { entities.remove(key) };
            let counts = u64::from(gone.children) << 32 | u64::from(gone.asked);
            sum = fold(sum, gone.name ^ counts).wrapping_add(u64::from(gone.start));
        }
        for item in file {
            let own = &mut files[place];
            let parent = item.parent.checked_sub(1).map(|number| own[number as usize]);
            let &Item { name, kind, start, .. } = item;
            let entity = Entity { parent, name, kind, start, children: 0, asked: 0 };
            own.push(entities.insert(entity));
            if let Some(parent) = parent {
                // SAFETY: of the same file, which is in.
                unsafe { entities.get_mut(parent) }.children += 1;
            }
            let mut above = parent;
            // The null engine's one value is its own parent.
            for _ in 0..item.parent.min(16) {
                let Some(key) = above else { break };
                // SAFETY: as above: parents are of the same file.
                let ancestor = unsafe { entities.get_mut(key) };
                ancestor.asked += 1;
                sum = sum.wrapping_add(u64::from(ancestor.kind));
                above = ancestor.parent;
            }
        }
        sum
    }

    /// Looks at all, in whatever order.
    #[inline(never)]
    fn look(&self) -> u64 {
        let (mut sum, mut kinds) = (0_u64, [0_u64; WORDS.len()]);
        let mut see = |entity: &Entity<F>| {
            sum = sum.wrapping_add(entity.name);
            kinds[entity.kind as usize] += u64::from(entity.children) + 1;
        };
        if <F::Slots<Entity<F>> as Slots<_>>::NEEDS_KEYS {
            for file in &self.files {
                // SAFETY: the entities of a file that is in.
                unsafe { self.entities.each(file, &mut see) };
            }
        } else {
            // SAFETY: needs no keys.
            unsafe { self.entities.each(&[], &mut see) };
        }
        kinds.into_iter().fold(sum, fold)
    }
}
