//! A recursive-descent parser for Rust: what every engine of `arena/ast/registry` runs.
//!
//! It knows the language well enough to read what the registry holds; an item that it does not
//! understand (syntax of nightly compilers, files that are wrong on purpose) becomes a list of
//! token trees, as a macro's body does. A test bounds how often.

use super::tokens::*;
use super::tree::*;

/// What is not understood; the item that holds it is read as tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault;

pub(super) type Parse<T> = Result<T, Fault>;

/// Expressions, types, patterns and groups inside one another that the parser follows.
const MAX_DEPTH: u32 = 256;

/// The parser of one file.
pub(super) struct Parser<'p, 't, S: Store<'t>> {
    tokens: &'p [Token<'p>],
    at: usize,
    pub(super) store: S,
    stacks: Stacks<'t, S>,
    depth: u32,
    /// The bracket of the macro call that was read last.
    pub(super) last_call: u8,
    /// Items read as tokens, and all items.
    pub(super) counts: (u64, u64),
}

impl<'p, 't, S: Store<'t>> Parser<'p, 't, S> {
    pub(super) fn new(tokens: &'p [Token<'p>], store: S) -> Self {
        let stacks = Stacks::default();
        Self { tokens, at: 0, store, stacks, depth: 0, last_call: 0, counts: (0, 0) }
    }

    pub(super) fn file(&mut self) -> File<'t, S> {
        match self.items(END) {
            Ok(items) => File { items },
            Err(Fault) => unreachable!("every token is read, as a token if need be"),
        }
    }

    // ---- tokens ---------------------------------------------------------------------------------

    #[inline]
    pub(super) fn token(&self) -> Token<'p> {
        self.tokens[self.at]
    }

    /// The code of the next token.
    #[inline]
    pub(super) fn code(&self) -> u8 {
        self.tokens[self.at].code
    }

    /// The code of the token after `skip` others.
    #[inline]
    pub(super) fn code_at(&self, skip: usize) -> u8 {
        self.tokens.get(self.at + skip).map_or(END, |token| token.code)
    }

    /// The token after `skip` others.
    #[inline]
    pub(super) fn token_at(&self, skip: usize) -> Token<'p> {
        self.tokens[(self.at + skip).min(self.tokens.len() - 1)]
    }

    /// Takes tokens that were looked at.
    #[inline]
    pub(super) fn skip(&mut self, tokens: usize) {
        self.at += tokens;
    }

    #[inline]
    pub(super) fn at(&self) -> usize {
        self.at
    }

    #[inline]
    pub(super) fn go_back(&mut self, at: usize) {
        self.at = at;
    }

    /// Takes whatever comes next; at the end it stays there.
    #[inline]
    pub(super) fn bump(&mut self) -> Token<'p> {
        let token = self.token();
        if token.code != END {
            self.at += 1;
        }
        token
    }

    /// Takes the next token if it has this code.
    #[inline]
    pub(super) fn take(&mut self, code: u8) -> bool {
        // Not `at += usize::from(found)`: Rust 1.95 drops the addition (a pass over its MIR forgets
        // that what a branch compares may be used before it).
        if self.code() != code {
            return false;
        }
        self.at += 1;
        true
    }

    /// Whether two joint marks come next, such as `::`.
    #[inline]
    pub(super) fn sees(&self, marks: [u8; 2]) -> bool {
        let token = self.token();
        token.code == marks[0] && token.joint && self.code_at(1) == marks[1]
    }

    #[inline]
    pub(super) fn take_two(&mut self, marks: [u8; 2]) -> bool {
        if !self.sees(marks) {
            return false;
        }
        self.at += 2;
        true
    }

    #[inline]
    pub(super) fn expect(&mut self, code: u8) -> Parse<()> {
        if self.take(code) { Ok(()) } else { Err(Fault) }
    }

    /// Whether the next token is this name, which is no keyword.
    #[inline]
    pub(super) fn sees_name(&self, name: &str) -> bool {
        let token = self.token();
        token.code == NAME && token.text == name
    }

    #[inline]
    pub(super) fn name(&mut self) -> Parse<S::Text> {
        let token = self.token();
        if token.code != NAME {
            return Err(Fault);
        }
        self.at += 1;
        Ok(self.store.text(token.text))
    }

    /// Takes a token of this code and keeps its text.
    #[inline]
    pub(super) fn text_if(&mut self, code: u8) -> Option<S::Text> {
        let token = self.token();
        if token.code != code {
            return None;
        }
        self.at += 1;
        Some(self.store.text(token.text))
    }

    /// Calls `read` one level deeper.
    pub(super) fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        if self.depth == MAX_DEPTH {
            return Err(Fault);
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    // ---- nodes ----------------------------------------------------------------------------------

    #[inline]
    pub(super) fn boxed<T: Node<'t, S> + 't>(&self, node: T) -> S::Box<T> {
        self.store.boxed(node)
    }

    /// Reads nodes until `read` has none, and keeps them.
    #[inline]
    pub(super) fn list<T: Stacked<'t, S>>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Parse<Option<T>>,
    ) -> Parse<S::List<T>> {
        let from = T::stack(&mut self.stacks).len();
        loop {
            match read(self) {
                Ok(Some(node)) => T::stack(&mut self.stacks).push(node),
                Ok(None) => return Ok(self.store.list(T::stack(&mut self.stacks), from)),
                Err(fault) => {
                    T::stack(&mut self.stacks).truncate(from);
                    return Err(fault);
                }
            }
        }
    }

    /// Reads nodes with commas between them up to `close`, which it takes.
    #[inline]
    pub(super) fn commas<T: Stacked<'t, S>>(
        &mut self,
        close: u8,
        mut read: impl FnMut(&mut Self) -> Parse<T>,
    ) -> Parse<S::List<T>> {
        let mut ended = false;
        self.list(|parser| {
            if parser.take(close) {
                return Ok(None);
            }
            if ended {
                return Err(Fault);
            }
            let node = read(parser)?;
            ended = !parser.take(b',');
            Ok(Some(node))
        })
    }

    /// No nodes.
    pub(super) fn none<T: Stacked<'t, S>>(&mut self) -> S::List<T> {
        let stack = T::stack(&mut self.stacks);
        let from = stack.len();
        self.store.list(stack, from)
    }

    /// A list of `first` and what `read` finds after it.
    pub(super) fn list_from<T: Stacked<'t, S>>(
        &mut self,
        first: T,
        mut read: impl FnMut(&mut Self) -> Parse<Option<T>>,
    ) -> Parse<S::List<T>> {
        let mut first = Some(first);
        self.list(|parser| match first.take() {
            Some(node) => Ok(Some(node)),
            None => read(parser),
        })
    }

    // ---- token trees, attributes, macro calls ---------------------------------------------------

    /// Reads one token or one group.
    pub(super) fn tree(&mut self) -> Parse<Tree<'t, S>> {
        let token = self.bump();
        Ok(match token.code {
            END => return Err(Fault),
            b'(' | b'[' | b'{' => {
                let trees = self.deeper(|parser| parser.trees(closing(token.code)))?;
                Tree::Group(token.code, trees)
            }
            code if code < END => Tree::Mark(code),
            code => Tree::Word(code, self.store.text(token.text)),
        })
    }

    /// Reads trees up to `close`, which it takes.
    pub(super) fn trees(&mut self, close: u8) -> Parse<S::List<Tree<'t, S>>> {
        self.list(|parser| match parser.code() {
            code if code == close => {
                parser.bump();
                Ok(None)
            }
            b')' | b']' | b'}' => Err(Fault),
            _ => parser.tree().map(Some),
        })
    }

    /// Reads what stands before an item, field, statement ….
    pub(super) fn attributes(&mut self) -> Parse<S::List<Attr<'t, S>>> {
        self.list(|parser| match (parser.code(), parser.code_at(1), parser.code_at(2)) {
            (DOC, ..) => Ok(parser.text_if(DOC).map(Attr::Doc)),
            (b'#', b'[', _) | (b'#', b'!', b'[') => {
                parser.bump();
                parser.take(b'!');
                parser.bump();
                Ok(Some(Attr::Tokens(parser.trees(b']')?)))
            }
            _ => Ok(None),
        })
    }

    /// Reads the rest of a macro call, from its `!` on.
    pub(super) fn call(&mut self, path: Path<'t, S>) -> Parse<S::Box<Call<'t, S>>> {
        self.expect(b'!')?;
        let name = self.text_if(NAME);
        let open = self.bump().code;
        if !matches!(open, b'(' | b'[' | b'{') {
            return Err(Fault);
        }
        let trees = self.trees(closing(open))?;
        self.last_call = open;
        Ok(self.boxed(Call { path, name, open, trees }))
    }
}

/// The bracket that closes `open`.
pub(super) fn closing(open: u8) -> u8 {
    match open {
        b'(' => b')',
        b'[' => b']',
        _ => b'}',
    }
}
