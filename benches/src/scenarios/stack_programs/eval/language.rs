//! The language of `program.txt`: numbers and vectors of numbers, operators on whole vectors,
//! functions that call themselves. Parsed once, before anything is measured.

use std::collections::HashMap;

/// An expression.
#[derive(Debug)]
pub(super) enum Expr {
    Number(f64),
    /// A variable, by how many were bound after it.
    Variable(usize),
    /// `[a, b, …]`: numbers.
    Vector(Vec<Self>),
    Operator(Operator, Box<[Self; 2]>),
    /// `v[i]`.
    At(Box<[Self; 2]>),
    /// `if a then b else c`.
    If(Box<[Self; 3]>),
    /// `let x = a in b`.
    Let(Box<[Self; 2]>),
    /// A function of the program, by its place.
    Call(usize, Vec<Self>),
    Builtin(Builtin, Vec<Self>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Plus,
    Minus,
    Times,
    Over,
    Rest,
    Less,
    Greater,
    AtLeast,
    Equal,
    Join,
}

macro_rules! builtins {
    ($($name:ident = $text:literal / $arity:literal),*) => {
        /// What a program may call without defining it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Builtin { $($name),* }

        const BUILTINS: &[(&str, Builtin, usize)] = &[$(($text, Builtin::$name, $arity)),*];
    };
}

builtins! {
    Len = "len" / 1, Sum = "sum" / 1, Iota = "iota" / 1, Abs = "abs" / 1, Floor = "floor" / 1,
    Sin = "sin" / 1, Cos = "cos" / 1, Evens = "evens" / 1, Odds = "odds" / 1,
    Take = "take" / 2, Drop = "drop" / 2, Keep = "keep" / 2, Rotate = "rot" / 2,
    Convolve = "convolve" / 2
}

/// A parsed program.
#[derive(Debug)]
pub(super) struct Program {
    /// The bodies; their parameters are the outermost variables.
    pub(super) functions: Vec<Expr>,
    /// Which of them begins.
    pub(super) main: usize,
}

/// Parses a program.
///
/// # Panics
/// Panics where the text is none, and says at which word: it is part of this package.
pub(super) fn parse(text: &str) -> Program {
    let words = words(text);
    let mut functions = HashMap::new();
    for pair in words.windows(2).filter(|pair| pair[0] == "fn") {
        let place = functions.len();
        assert!(functions.insert(pair[1], place).is_none(), "two functions {}", pair[1]);
    }
    let main = functions["main"];
    let mut parser = Parser { words: &words, at: 0, functions: &functions, variables: Vec::new() };
    let mut bodies = Vec::new();
    while parser.take("fn") {
        parser.word();
        parser.expect("(");
        while !parser.take(")") {
            let parameter = parser.word();
            parser.variables.push(parameter);
            parser.take(",");
        }
        parser.expect("=");
        bodies.push(parser.expression());
        parser.variables.clear();
    }
    assert_eq!(parser.at, words.len(), "a definition or the end");
    Program { functions: bodies, main }
}

/// Names, numbers and marks, comments left out.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    for line in text.lines() {
        let mut rest = line.split('#').next().unwrap_or("").trim_start();
        while let Some(first) = rest.bytes().next() {
            let wordy = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
            let len = if wordy(first) {
                rest.bytes().position(|byte| !wordy(byte)).unwrap_or(rest.len())
            } else if ["++", ">=", "=="].iter().any(|mark| rest.starts_with(mark)) {
                2
            } else {
                1
            };
            words.push(&rest[..len]);
            rest = rest[len..].trim_start();
        }
    }
    words
}

struct Parser<'p> {
    words: &'p [&'p str],
    at: usize,
    functions: &'p HashMap<&'p str, usize>,
    variables: Vec<&'p str>,
}

impl<'p> Parser<'p> {
    fn peek(&self) -> &'p str {
        self.words.get(self.at).copied().unwrap_or("")
    }

    fn word(&mut self) -> &'p str {
        let word = self.peek();
        self.at += 1;
        word
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.peek() == word;
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, word: &str) {
        let (found, at) = (self.peek(), self.at);
        assert!(self.take(word), "{word:?} expected instead of {found:?}, word {at}");
    }

    fn expression(&mut self) -> Expr {
        if self.take("if") {
            let condition = self.expression();
            self.expect("then");
            let then = self.expression();
            self.expect("else");
            return Expr::If(Box::new([condition, then, self.expression()]));
        }
        if self.take("let") {
            let name = self.word();
            self.expect("=");
            let value = self.expression();
            self.expect("in");
            self.variables.push(name);
            let body = self.expression();
            self.variables.pop();
            return Expr::Let(Box::new([value, body]));
        }
        self.operators(0)
    }

    fn operators(&mut self, loosest: u8) -> Expr {
        let mut left = self.indexed();
        loop {
            let (operator, binding) = match self.peek() {
                "++" => (Operator::Join, 1),
                "==" => (Operator::Equal, 2),
                "<" => (Operator::Less, 2),
                ">" => (Operator::Greater, 2),
                ">=" => (Operator::AtLeast, 2),
                "+" => (Operator::Plus, 3),
                "-" => (Operator::Minus, 3),
                "*" => (Operator::Times, 4),
                "/" => (Operator::Over, 4),
                "%" => (Operator::Rest, 4),
                _ => return left,
            };
            if binding < loosest {
                return left;
            }
            self.at += 1;
            let right = self.operators(binding + 1);
            left = Expr::Operator(operator, Box::new([left, right]));
        }
    }

    fn indexed(&mut self) -> Expr {
        let mut of = self.atom();
        while self.take("[") {
            let index = self.expression();
            self.expect("]");
            of = Expr::At(Box::new([of, index]));
        }
        of
    }

    fn list(&mut self, close: &str) -> Vec<Expr> {
        let mut parts = Vec::new();
        while !self.take(close) {
            parts.push(self.expression());
            if self.peek() != close {
                self.expect(",");
            }
        }
        parts
    }

    fn atom(&mut self) -> Expr {
        let at = self.at;
        let word = self.word();
        if word == "(" {
            let inner = self.expression();
            self.expect(")");
            return inner;
        }
        if word == "[" {
            return Expr::Vector(self.list("]"));
        }
        if let Ok(number) = word.parse() {
            return Expr::Number(number);
        }
        if self.take("(") {
            let args = self.list(")");
            if let Some(&place) = self.functions.get(word) {
                return Expr::Call(place, args);
            }
            let found =
                BUILTINS.iter().find(|(name, _, arity)| *name == word && *arity == args.len());
            let Some((_, builtin, _)) = found else {
                panic!("no function {word:?} of {} arguments, word {at}", args.len())
            };
            return Expr::Builtin(*builtin, args);
        }
        let place = self.variables.iter().rev().position(|name| *name == word);
        Expr::Variable(place.unwrap_or_else(|| panic!("no variable {word:?}, word {at}")))
    }
}
