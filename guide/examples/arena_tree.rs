//! Many objects, one lifetime, nobody knows how many: a syntax tree.
//!
//! A `Box` allocates each node by itself, and each is found again to be freed. The arena takes a few
//! chunks, frees all at once, and uses them again for the next tree. So does a `Vec` that is cleared, if
//! nodes are of one type and refer to each other by index.

use alloc_arena::Arena;

/// The plain tree.
enum Tree {
    Number(i64),
    Sum(Box<Tree>, Box<Tree>),
    Negative(Box<Tree>),
}

/// The same, with references into an arena.
enum Node<'a> {
    Number(i64),
    Sum(&'a Node<'a>, &'a Node<'a>),
    Negative(&'a Node<'a>),
}

/// The same, with indices into a Vec.
enum Flat {
    Number(i64),
    Sum(u32, u32),
    Negative(u32),
}

/// `(1 -(3 4))`: numbers, sums of two in brackets, signs.
struct Parser<'t>(&'t [u8]);

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Self {
        Self(text.as_bytes())
    }

    fn skip(&mut self, byte: u8) -> bool {
        while let [b' ', rest @ ..] = self.0 {
            self.0 = rest;
        }
        let there = self.0.first() == Some(&byte);
        self.0 = &self.0[usize::from(there)..];
        there
    }

    fn number(&mut self) -> i64 {
        let mut number = 0;
        while let [digit @ b'0'..=b'9', rest @ ..] = self.0 {
            number = number * 10 + i64::from(digit - b'0');
            self.0 = rest;
        }
        number
    }

    fn plain(&mut self) -> Tree {
        if self.skip(b'-') {
            Tree::Negative(Box::new(self.plain()))
        } else if self.skip(b'(') {
            let left = Box::new(self.plain());
            let right = Box::new(self.plain());
            self.skip(b')');
            Tree::Sum(left, right)
        } else {
            Tree::Number(self.number())
        }
    }

    fn in_arena<'a>(&mut self, arena: &'a Arena) -> Node<'a> {
        if self.skip(b'-') {
            Node::Negative(arena.alloc(self.in_arena(arena)))
        } else if self.skip(b'(') {
            let left = arena.alloc(self.in_arena(arena));
            let right = arena.alloc(self.in_arena(arena));
            self.skip(b')');
            Node::Sum(left, right)
        } else {
            Node::Number(self.number())
        }
    }

    fn in_vec(&mut self, nodes: &mut Vec<Flat>) -> Flat {
        if self.skip(b'-') {
            let part = self.in_vec(nodes);
            Flat::Negative(put(nodes, part))
        } else if self.skip(b'(') {
            let left = self.in_vec(nodes);
            let left = put(nodes, left);
            let right = self.in_vec(nodes);
            let right = put(nodes, right);
            self.skip(b')');
            Flat::Sum(left, right)
        } else {
            Flat::Number(self.number())
        }
    }
}

/// Where a node is in the Vec that it was put into.
fn put(nodes: &mut Vec<Flat>, node: Flat) -> u32 {
    let index = u32::try_from(nodes.len()).expect("a tree has fewer nodes");
    nodes.push(node);
    index
}

fn plain_value(tree: &Tree) -> i64 {
    match tree {
        Tree::Number(number) => *number,
        Tree::Sum(left, right) => plain_value(left) + plain_value(right),
        Tree::Negative(part) => -plain_value(part),
    }
}

fn arena_value(node: &Node<'_>) -> i64 {
    match node {
        Node::Number(number) => *number,
        Node::Sum(left, right) => arena_value(left) + arena_value(right),
        Node::Negative(part) => -arena_value(part),
    }
}

fn vec_value(nodes: &[Flat], node: &Flat) -> i64 {
    let value = |index: u32| vec_value(nodes, &nodes[index as usize]);
    match *node {
        Flat::Number(number) => number,
        Flat::Sum(left, right) => value(left) + value(right),
        Flat::Negative(part) => -value(part),
    }
}

/// A text of some thousand nodes.
fn text() -> String {
    fn write(text: &mut String, random: &mut guide::Random, depth: usize) {
        match random.below(8) {
            _ if depth == 0 => text.push_str(&random.below(1000).to_string()),
            0 => {
                text.push('-');
                write(text, random, depth - 1);
            }
            _ => {
                text.push('(');
                write(text, random, depth - 1);
                text.push(' ');
                write(text, random, depth - 1);
                text.push(')');
            }
        }
    }
    let mut text = String::new();
    write(&mut text, &mut guide::Random::new(2), 10);
    text
}

fn main() {
    let text = text();
    let measured = guide::measure("tree", 1)
        .way("a Box for each node", || || plain_value(&Parser::new(&text).plain()))
        .way("an Arena for each tree", || {
            || arena_value(&Parser::new(&text).in_arena(&Arena::new()))
        })
        .way("one Arena, reset", || {
            let mut arena = Arena::new();
            let text = &text;
            move || {
                let value = arena_value(&Parser::new(text).in_arena(&arena));
                arena.reset();
                value
            }
        })
        .way("a Vec and indices, cleared", || {
            let mut nodes = Vec::new();
            let text = &text;
            move || {
                let root = Parser::new(text).in_vec(&mut nodes);
                let value = vec_value(&nodes, &root);
                nodes.clear();
                value
            }
        })
        .run();
    assert!(measured[0].allocs > 100, "a node each");
    assert_eq!(measured[2].allocs, 0, "the chunks are kept");
    assert_eq!(measured[3].allocs, 0, "the Vec is kept");
}
