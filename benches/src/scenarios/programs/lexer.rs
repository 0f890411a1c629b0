//! A lexer for Rust source text: what all programs that read the registry begin with.
//!
//! It knows names, raw names, lifetimes, numbers, characters, strings of all kinds, doc comments
//! and nested comments; everything else is one mark per byte. It never fails: what does not end
//! runs to the end of the file, since the registry holds broken files on purpose.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::scenarios) enum Kind {
    /// An identifier or keyword.
    Name,
    /// `'a`, without its tick.
    Lifetime,
    /// A number with its suffix.
    Number,
    /// What stands between the quotes of a string that may hold escapes.
    Str,
    /// What stands between the quotes of a raw string.
    RawStr,
    /// A character or byte between its ticks.
    Char,
    /// A doc comment without its slashes.
    Doc,
    /// A bracket, operator or other mark.
    Mark,
}

/// How many kinds there are.
pub(in crate::scenarios) const KINDS: usize = Kind::Mark as usize + 1;

/// A token as the lexer finds it: it borrows the source text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::scenarios) struct Lexeme<'s> {
    pub(in crate::scenarios) kind: Kind,
    /// Where it starts in the file.
    pub(in crate::scenarios) start: u32,
    /// The part of it that is kept.
    pub(in crate::scenarios) text: &'s str,
}

/// The tokens of a file, one after the other.
#[derive(Clone, Debug)]
pub(in crate::scenarios) struct Lexer<'s> {
    source: &'s str,
    at: usize,
}

impl<'s> Lexer<'s> {
    pub(in crate::scenarios) fn new(source: &'s str) -> Self {
        assert!(u32::try_from(source.len()).is_ok(), "a file of {} bytes", source.len());
        Self { source, at: 0 }
    }

    #[inline]
    fn byte(&self, at: usize) -> u8 {
        self.source.as_bytes().get(at).copied().unwrap_or(0)
    }

    /// The first place from `at` on whose byte is not one of `class`.
    #[inline]
    fn past(&self, mut at: usize, class: u8) -> usize {
        while let Some(&byte) = self.source.as_bytes().get(at)
            && CLASS[usize::from(byte)] & class != 0
        {
            at += 1;
        }
        at
    }

    /// The place after the quote that ends a string which starts at `at`, and the quote's.
    fn quoted(&self, mut at: usize, quote: u8) -> (usize, usize) {
        let bytes = self.source.as_bytes();
        while let Some(&byte) = bytes.get(at) {
            if byte == quote {
                return (at, at + 1);
            }
            at += if byte == b'\\' { 2 } else { 1 };
        }
        (bytes.len(), bytes.len())
    }

    /// The same for a raw string, whose hashes start at `at`; `None` if it is none.
    fn raw(&self, at: usize) -> Option<(usize, usize, usize)> {
        let from = self.past(at, HASH);
        let hashes = &self.source.as_bytes()[at..from];
        if self.byte(from) != b'"' {
            return None;
        }
        let bytes = self.source.as_bytes();
        let mut end = from + 1;
        while end < bytes.len() {
            if bytes[end] == b'"' && bytes[end + 1..].starts_with(hashes) {
                return Some((from + 1, end, end + 1 + hashes.len()));
            }
            end += 1;
        }
        Some((from + 1, bytes.len(), bytes.len()))
    }

    /// The place after a comment that starts at `at` with `/*`.
    fn block_comment(&self, mut at: usize) -> usize {
        let bytes = self.source.as_bytes();
        let mut depth = 0_usize;
        while at < bytes.len() {
            match (bytes[at], self.byte(at + 1)) {
                (b'/', b'*') => (depth, at) = (depth + 1, at + 2),
                (b'*', b'/') if depth == 1 => return at + 2,
                (b'*', b'/') => (depth, at) = (depth - 1, at + 2),
                _ => at += 1,
            }
        }
        bytes.len()
    }

    fn line_end(&self, at: usize) -> usize {
        let rest = &self.source.as_bytes()[at..];
        rest.iter().position(|&byte| byte == b'\n').map_or(self.source.len(), |line| at + line)
    }

    /// A name, or the literal that its first letters introduce.
    fn name(&self, start: usize) -> (Kind, usize, usize, usize) {
        let end = self.past(start, WORD);
        let next = self.byte(end);
        if end - start <= 2 && matches!(next, b'"' | b'\'' | b'#') {
            let prefix = &self.source.as_bytes()[start..end];
            match (prefix, next) {
                (b"b" | b"c", b'"') => {
                    let (stop, after) = self.quoted(end + 1, b'"');
                    return (Kind::Str, end + 1, stop, after);
                }
                (b"b", b'\'') => {
                    let (stop, after) = self.quoted(end + 1, b'\'');
                    return (Kind::Char, end + 1, stop, after);
                }
                (b"r" | b"br" | b"cr", b'"' | b'#') => {
                    if let Some((from, stop, after)) = self.raw(end) {
                        return (Kind::RawStr, from, stop, after);
                    }
                    if prefix == b"r" && CLASS[usize::from(self.byte(end + 1))] & START != 0 {
                        let stop = self.past(end + 1, WORD);
                        return (Kind::Name, end + 1, stop, stop);
                    }
                }
                _ => {}
            }
        }
        (Kind::Name, start, end, end)
    }

    fn number(&self, start: usize) -> usize {
        let mut end = self.past(start, WORD);
        if self.byte(end) == b'.' && self.byte(end + 1).is_ascii_digit() {
            end = self.past(end + 1, WORD);
        }
        let exponent = matches!(self.byte(end.wrapping_sub(1)), b'e' | b'E');
        if exponent && matches!(self.byte(end), b'+' | b'-') && self.byte(start + 1) != b'x' {
            end = self.past(end + 1, WORD);
        }
        end
    }

    /// A lifetime or a character, which starts with a tick.
    fn tick(&self, start: usize) -> (Kind, usize, usize, usize) {
        let first = self.byte(start + 1);
        let end = self.past(start + 1, WORD);
        // `'a'` is a character and `'a` a lifetime; a name of several letters ends no character
        // unless it is one letter outside ASCII.
        let lifetime = CLASS[usize::from(first)] & START != 0 && self.byte(end) != b'\'';
        if lifetime {
            return (Kind::Lifetime, start + 1, end, end);
        }
        let (stop, after) = self.quoted(start + 1, b'\'');
        (Kind::Char, start + 1, stop, after)
    }
}

impl<'s> Iterator for Lexer<'s> {
    type Item = Lexeme<'s>;

    #[inline]
    fn next(&mut self) -> Option<Lexeme<'s>> {
        loop {
            let start = self.past(self.at, SPACE);
            let byte = *self.source.as_bytes().get(start)?;
            let (kind, from, to, after) = match CLASS[usize::from(byte)] {
                class if class & START != 0 => self.name(start),
                class if class & DIGIT != 0 => {
                    let end = self.number(start);
                    (Kind::Number, start, end, end)
                }
                _ => match (byte, self.byte(start + 1)) {
                    (b'"', _) => {
                        let (stop, after) = self.quoted(start + 1, b'"');
                        (Kind::Str, start + 1, stop, after)
                    }
                    (b'\'', _) => self.tick(start),
                    (b'/', b'/') => {
                        let end = self.line_end(start);
                        let third = self.byte(start + 2);
                        if third != b'!' && (third != b'/' || self.byte(start + 3) == b'/') {
                            self.at = end;
                            continue;
                        }
                        (Kind::Doc, (start + 3).min(end), end, end)
                    }
                    (b'/', b'*') => {
                        self.at = self.block_comment(start);
                        continue;
                    }
                    _ => (Kind::Mark, start, start + 1, start + 1),
                },
            };
            self.at = after;
            // Ends are ASCII marks or the file's end, so these are character boundaries; a
            // backslash before a wide character or the end may step into or past it.
            let text = self.source.get(from..to.min(self.source.len())).unwrap_or("");
            #[expect(
                clippy::cast_possible_truncation,
                reason = "`new` checked the file's length"
            )]
            return Some(Lexeme { kind, start: start as u32, text });
        }
    }
}

/// Appends what a string literal means: escapes replaced, continued lines joined. What is no
/// escape of Rust's is kept as it stands.
pub(in crate::scenarios) fn unescape(raw: &str, out: &mut String) {
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (char, used) = match rest.as_bytes().get(1) {
            Some(b'n') => ('\n', 2),
            Some(b'r') => ('\r', 2),
            Some(b't') => ('\t', 2),
            Some(b'0') => ('\0', 2),
            Some(b'\\') => ('\\', 2),
            Some(b'"') => ('"', 2),
            Some(b'\'') => ('\'', 2),
            Some(b'\n') => {
                rest = rest[1..].trim_start();
                continue;
            }
            Some(b'x') => code_point(rest.get(2..4), 4),
            Some(b'u') => {
                let digits = rest.strip_prefix("\\u{").and_then(|rest| rest.split_once('}'));
                code_point(digits.map(|(digits, _)| digits), digits.map_or(0, |d| d.0.len()) + 4)
            }
            _ => ('\\', 1),
        };
        out.push(char);
        rest = &rest[used..];
    }
    out.push_str(rest);
}

fn code_point(digits: Option<&str>, used: usize) -> (char, usize) {
    let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    number.and_then(char::from_u32).map_or(('\\', 1), |char| (char, used))
}

const SPACE: u8 = 1;
/// May start a name.
const START: u8 = 2;
/// May go on in a name or number.
const WORD: u8 = 4;
const DIGIT: u8 = 8;
const HASH: u8 = 16;

/// What each byte may be; bytes above ASCII count as letters.
#[expect(clippy::cast_possible_truncation, reason = "`byte` is below 256")]
const CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        class[byte] = match byte as u8 {
            b' ' | b'\t' | b'\n' | b'\r' => SPACE,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => START | WORD,
            b'0'..=b'9' => DIGIT | WORD,
            b'#' => HASH,
            _ => 0,
        };
        byte += 1;
    }
    class
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lex(source: &str) -> Vec<(Kind, &str)> {
        Lexer::new(source).map(|lexeme| (lexeme.kind, lexeme.text)).collect()
    }

    #[test]
    fn every_kind_of_token_is_found() {
        use Kind::{Char, Doc, Lifetime, Mark, Name, Number, RawStr, Str};
        let source = "/// doc\nfn r#if<'a>(x: &'a str) { /* /* */ */ b\"\\\"\" r##\"a\"#b\"## 1.5e-3 \
                      0xFF_u8 1..2 'x' '\\'' b'\\n' c\"c\" // no\n} é";
        let expected = [
            (Doc, " doc"),
            (Name, "fn"),
            (Name, "if"),
            (Mark, "<"),
            (Lifetime, "a"),
            (Mark, ">"),
            (Mark, "("),
            (Name, "x"),
            (Mark, ":"),
            (Mark, "&"),
            (Lifetime, "a"),
            (Name, "str"),
            (Mark, ")"),
            (Mark, "{"),
            (Str, "\\\""),
            (RawStr, "a\"#b"),
            (Number, "1.5e-3"),
            (Number, "0xFF_u8"),
            (Number, "1"),
            (Mark, "."),
            (Mark, "."),
            (Number, "2"),
            (Char, "x"),
            (Char, "\\'"),
            (Char, "\\n"),
            (Str, "c"),
            (Mark, "}"),
            (Name, "é"),
        ];
        assert_eq!(lex(source), expected);
    }

    #[test]
    fn escapes_are_replaced() {
        let mut out = String::new();
        unescape("a\\n\\x41\\u{1F980}\\q\\\n   b\\u{}\\", &mut out);
        assert_eq!(out, "a\nA🦀\\qb\\u{}\\");
    }

    proptest! {
        #[test]
        fn any_text_is_lexed_to_its_end(source in "[a-z0-9'\"#/*\\\\rb é\n{}!.-]{0,80}") {
            let mut end = 0;
            for lexeme in Lexer::new(&source) {
                prop_assert!(lexeme.start as usize >= end);
                end = lexeme.start as usize + 1;
            }
            let mut out = String::new();
            unescape(&source, &mut out);
            prop_assert!(out.len() <= source.len());
        }
    }
}
