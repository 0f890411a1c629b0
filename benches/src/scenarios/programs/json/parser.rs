//! A recursive-descent JSON parser that leaves to its caller what the tree is made of.

use core::fmt;

/// Values inside values that the parser follows; serde_json stops at the same depth.
const MAX_DEPTH: u32 = 128;

/// A value without parts.
#[derive(Clone, Copy)]
pub(super) enum Scalar<T> {
    Null,
    Bool(bool),
    Number(f64),
    Text(T),
}

/// Where the parser puts what it reads. The parts of an open array or object wait at the end of a
/// `Vec` that all of them share, so that each is built at its final length.
pub(super) trait Build {
    type Text;
    type Value;
    /// Keeps a text, escapes replaced.
    fn text(&mut self, text: &str) -> Self::Text;
    fn scalar(&mut self, scalar: Scalar<Self::Text>) -> Self::Value;
    /// Makes an array of `items[from..]` and takes them away.
    fn array(&mut self, items: &mut Vec<Self::Value>, from: usize) -> Self::Value;
    /// Makes an object of `members[from..]` and takes them away.
    fn object(&mut self, members: &mut Vec<(Self::Text, Self::Value)>, from: usize) -> Self::Value;
}

/// Reads a document.
///
/// # Panics
/// Panics where it is not JSON: it comes from cargo.
pub(super) fn parse<B: Build>(build: &mut B, text: &str) -> B::Value {
    match Parser::new(build, text).document() {
        Ok(value) => value,
        Err(error) => panic!("cargo metadata: {error}"),
    }
}

/// What is wrong with a document, and at which byte.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ParseError {
    expected: &'static str,
    at: usize,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {} at byte {}", self.expected, self.at)
    }
}

pub(super) struct Parser<'p, B: Build> {
    build: &'p mut B,
    text: &'p str,
    at: usize,
    depth: u32,
    items: Vec<B::Value>,
    members: Vec<(B::Text, B::Value)>,
    unescaped: String,
}

impl<'p, B: Build> Parser<'p, B> {
    pub(super) fn new(build: &'p mut B, text: &'p str) -> Self {
        let unescaped = String::new();
        Self { build, text, at: 0, depth: 0, items: Vec::new(), members: Vec::new(), unescaped }
    }

    pub(super) fn document(mut self) -> Result<B::Value, ParseError> {
        let value = self.value()?;
        match self.peek() {
            None => Ok(value),
            Some(_) => self.fail("the end"),
        }
    }

    fn fail<T>(&self, expected: &'static str) -> Result<T, ParseError> {
        Err(ParseError { expected, at: self.at })
    }

    /// The next byte that is not white space.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let skip = rest.iter().position(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t'));
        self.at += skip.unwrap_or(rest.len());
        self.text.as_bytes().get(self.at).copied()
    }

    /// Takes `byte` if it comes next.
    #[inline]
    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self) -> Result<B::Value, ParseError> {
        let scalar = match self.peek() {
            Some(b'{') => return self.nested(Self::object),
            Some(b'[') => return self.nested(Self::array),
            Some(b'"') => Scalar::Text(self.string()?),
            Some(b'n') => self.word("null", Scalar::Null)?,
            Some(b't') => self.word("true", Scalar::Bool(true))?,
            Some(b'f') => self.word("false", Scalar::Bool(false))?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => return self.fail("a value"),
        };
        Ok(self.build.scalar(scalar))
    }

    fn nested(
        &mut self,
        read: fn(&mut Self) -> Result<B::Value, ParseError>,
    ) -> Result<B::Value, ParseError> {
        if self.depth == MAX_DEPTH {
            return self.fail("at most 128 values inside one another");
        }
        self.at += 1;
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn array(&mut self) -> Result<B::Value, ParseError> {
        let from = self.items.len();
        if !self.take(b']') {
            loop {
                let item = self.value()?;
                self.items.push(item);
                if self.take(b']') {
                    break;
                }
                if !self.take(b',') {
                    return self.fail("`,` or `]`");
                }
            }
        }
        Ok(self.build.array(&mut self.items, from))
    }

    fn object(&mut self) -> Result<B::Value, ParseError> {
        let from = self.members.len();
        if !self.take(b'}') {
            loop {
                if self.peek() != Some(b'"') {
                    return self.fail("a key");
                }
                let key = self.string()?;
                if !self.take(b':') {
                    return self.fail("`:`");
                }
                let value = self.value()?;
                self.members.push((key, value));
                if self.take(b'}') {
                    break;
                }
                if !self.take(b',') {
                    return self.fail("`,` or `}`");
                }
            }
        }
        Ok(self.build.object(&mut self.members, from))
    }

    fn word(
        &mut self,
        word: &'static str,
        scalar: Scalar<B::Text>,
    ) -> Result<Scalar<B::Text>, ParseError> {
        if !self.text[self.at..].starts_with(word) {
            return self.fail(word);
        }
        self.at += word.len();
        Ok(scalar)
    }

    fn number(&mut self) -> Result<Scalar<B::Text>, ParseError> {
        let rest = &self.text.as_bytes()[self.at..];
        let digit = |byte: &u8| !matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
        let end = rest.iter().position(digit).unwrap_or(rest.len());
        match self.text[self.at..self.at + end].parse() {
            Ok(number) => {
                self.at += end;
                Ok(Scalar::Number(number))
            }
            Err(_) => self.fail("a number"),
        }
    }

    /// Reads the string whose opening quote comes next.
    fn string(&mut self) -> Result<B::Text, ParseError> {
        self.at += 1;
        let from = self.at;
        match self.plain_part()? {
            b'"' => {
                let text = self.build.text(&self.text[from..self.at]);
                self.at += 1;
                Ok(text)
            }
            _ => self.string_with_escapes(from),
        }
    }

    /// Goes to the next quote or backslash and says which it is.
    #[inline]
    fn plain_part(&mut self) -> Result<u8, ParseError> {
        let rest = &self.text.as_bytes()[self.at..];
        match rest.iter().position(|&byte| matches!(byte, b'"' | b'\\' | 0..0x20)) {
            Some(end) => {
                self.at += end;
                match rest[end] {
                    0..0x20 => self.fail("no control character"),
                    byte => Ok(byte),
                }
            }
            None => self.fail("the end of the string"),
        }
    }

    #[cold]
    fn string_with_escapes(&mut self, mut from: usize) -> Result<B::Text, ParseError> {
        self.unescaped.clear();
        loop {
            self.unescaped.push_str(&self.text[from..self.at]);
            let escape = self.text.as_bytes()[self.at];
            self.at += 1;
            if escape == b'"' {
                break;
            }
            let char = self.escape()?;
            self.unescaped.push(char);
            from = self.at;
            self.plain_part()?;
        }
        Ok(self.build.text(&self.unescaped))
    }

    fn escape(&mut self) -> Result<char, ParseError> {
        let char = match self.text.as_bytes().get(self.at) {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(*byte),
            Some(b'u') => {
                self.at += 1;
                return self.code_point();
            }
            _ => return self.fail("an escape"),
        };
        self.at += 1;
        Ok(char)
    }

    /// Reads the digits of `\u`, and those of a second surrogate.
    fn code_point(&mut self) -> Result<char, ParseError> {
        let first = self.digits()?;
        let code = if (0xd800..0xdc00).contains(&first) {
            if !self.text[self.at..].starts_with("\\u") {
                return self.fail("a second surrogate");
            }
            self.at += 2;
            let second = self.digits()?;
            if !(0xdc00..0xe000).contains(&second) {
                return self.fail("a second surrogate");
            }
            0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
        } else {
            first
        };
        char::from_u32(code).map_or_else(|| self.fail("a code point"), Ok)
    }

    fn digits(&mut self) -> Result<u32, ParseError> {
        let digits = self.text.get(self.at..self.at + 4);
        let hex = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match hex.and_then(|digits| u32::from_str_radix(digits, 16).ok()) {
            Some(code) => {
                self.at += 4;
                Ok(code)
            }
            None => self.fail("four hexadecimal digits"),
        }
    }
}
