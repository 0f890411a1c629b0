//! Patterns: parsed once, and turned into what the matcher runs.
//!
//! ```text
//!   a  \.       a byte                      (…)        a group, numbered from 1
//!   .  \w \s    any, of a name, of space    \1         what the first group holds
//!   x|y         one or the other            x* x+ x?   as many as there are; x*? as few as do
//! ```

use core::iter::Peekable;
use core::str::Chars;

/// One instruction of the matcher.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// Takes a byte of this set.
    Class(Box<[bool; 256]>),
    /// Notes the position in a slot.
    Save(usize),
    /// Takes what the slots of a group say it holds.
    Back(usize),
    /// Tries one way, and the other if that leads nowhere.
    Choice(usize, usize),
    Jump(usize),
    Match,
}

/// A pattern that can be run.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) code: Vec<Op>,
    /// Two for each group, and for the whole.
    pub(super) slots: usize,
}

enum Node {
    Class(Box<[bool; 256]>),
    Back(usize),
    Group(usize, Box<Self>),
    Sequence(Vec<Self>),
    Either(Box<Self>, Box<Self>),
    Repeat { of: Box<Self>, sign: char, greedy: bool },
}

/// Compiles a pattern.
///
/// # Panics
///
/// Panics where it is none, or repeats what may be empty: patterns are part of this program.
pub(super) fn compile(text: &str) -> Pattern {
    let mut parser = Parser { rest: text.chars().peekable(), groups: 0 };
    let node = parser.either();
    assert!(parser.rest.next().is_none(), "{text}: more than a pattern");
    let mut code = vec![Op::Save(0)];
    emit(&node, &mut code);
    code.extend([Op::Save(1), Op::Match]);
    Pattern { code, slots: 2 * (parser.groups + 1) }
}

struct Parser<'t> {
    rest: Peekable<Chars<'t>>,
    groups: usize,
}

impl Parser<'_> {
    fn either(&mut self) -> Node {
        let first = self.sequence();
        match self.rest.next_if_eq(&'|') {
            Some(_) => Node::Either(Box::new(first), Box::new(self.either())),
            None => first,
        }
    }

    fn sequence(&mut self) -> Node {
        let mut parts = Vec::new();
        while self.rest.peek().is_some_and(|&next| next != '|' && next != ')') {
            let part = self.part();
            let Some(sign) = self.rest.next_if(|next| matches!(next, '*' | '+' | '?')) else {
                parts.push(part);
                continue;
            };
            assert!(!may_be_empty(&part), "a repeated part may be empty");
            let greedy = self.rest.next_if_eq(&'?').is_none();
            parts.push(Node::Repeat { of: Box::new(part), sign, greedy });
        }
        Node::Sequence(parts)
    }

    fn part(&mut self) -> Node {
        match self.rest.next() {
            Some('(') => {
                self.groups += 1;
                let group = self.groups;
                let node = self.either();
                assert_eq!(self.rest.next(), Some(')'), "a group without an end");
                Node::Group(group, Box::new(node))
            }
            Some('.') => class(|_| true),
            Some('\\') => match self.rest.next() {
                Some('w') => class(|byte| byte == b'_' || byte.is_ascii_alphanumeric()),
                Some('s') => class(|byte| byte == b' ' || byte == b'\t'),
                Some(digit @ '1'..='9') => Node::Back(digit as usize - '0' as usize),
                Some(mark) if mark.is_ascii_punctuation() => class(|byte| char::from(byte) == mark),
                other => panic!("\\{other:?} is no escape"),
            },
            Some(letter) if letter.is_ascii() => class(|byte| char::from(byte) == letter),
            other => panic!("{other:?} is no part of a pattern"),
        }
    }
}

fn class(holds: impl Fn(u8) -> bool) -> Node {
    let mut set = Box::new([false; 256]);
    for (byte, place) in (0..=u8::MAX).zip(set.iter_mut()) {
        *place = holds(byte);
    }
    Node::Class(set)
}

fn may_be_empty(node: &Node) -> bool {
    match node {
        Node::Class(_) => false,
        Node::Back(_) => true,
        Node::Group(_, of) => may_be_empty(of),
        Node::Sequence(parts) => parts.iter().all(may_be_empty),
        Node::Either(one, other) => may_be_empty(one) || may_be_empty(other),
        Node::Repeat { of, sign, .. } => *sign != '+' || may_be_empty(of),
    }
}

fn emit(node: &Node, code: &mut Vec<Op>) {
    match node {
        Node::Class(set) => code.push(Op::Class(set.clone())),
        Node::Back(group) => code.push(Op::Back(*group)),
        Node::Group(group, of) => {
            code.push(Op::Save(2 * group));
            emit(of, code);
            code.push(Op::Save(2 * group + 1));
        }
        Node::Sequence(parts) => parts.iter().for_each(|part| emit(part, code)),
        Node::Either(one, other) => {
            let choice = code.len();
            code.push(Op::Match);
            emit(one, code);
            let jump = code.len();
            code.push(Op::Match);
            code[choice] = Op::Choice(choice + 1, code.len());
            emit(other, code);
            code[jump] = Op::Jump(code.len());
        }
        Node::Repeat { of, sign, greedy } => {
            let order = |on: usize, out: usize| match greedy {
                true => Op::Choice(on, out),
                false => Op::Choice(out, on),
            };
            let start = code.len();
            if *sign == '+' {
                emit(of, code);
                code.push(order(start, code.len() + 1));
                return;
            }
            code.push(Op::Match);
            emit(of, code);
            if *sign == '*' {
                code.push(Op::Jump(start));
            }
            code[start] = order(start + 1, code.len());
        }
    }
}
