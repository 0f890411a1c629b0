//! What the parser reads: tokens with a code each, so that it compares bytes and not texts.

use crate::scenarios::programs::lexer::{Kind, Lexer};

/// A token. The code of a mark is its byte; others have one of the codes below.
#[derive(Clone, Copy)]
pub(super) struct Token<'s> {
    pub(super) code: u8,
    /// Whether the next token follows without a space: `>` `>` or `>>`.
    pub(super) joint: bool,
    pub(super) start: u32,
    pub(super) text: &'s str,
}

macro_rules! codes {
    ($first:literal: $head:ident, $($name:ident),*; $($word:ident = $text:literal),*) => {
        #[expect(clippy::upper_case_acronyms, reason = "the names of the codes")]
        #[repr(u8)]
        enum Order { $head = $first, $($name,)* $($word,)* }
        pub(super) const $head: u8 = Order::$head as u8;
        $(pub(super) const $name: u8 = Order::$name as u8;)*
        $(pub(super) const $word: u8 = Order::$word as u8;)*

        /// The code of a name: a keyword's, or [`NAME`].
        #[inline]
        fn code_of_name(text: &str) -> u8 {
            // Keywords are short and begin with a small letter.
            if text.len() > 8 || !text.as_bytes()[0].is_ascii_lowercase() {
                return NAME;
            }
            match text {
                $($text => $word,)*
                _ => NAME,
            }
        }
    };
}

codes! { 128:
    END, NAME, LIFETIME, NUMBER, STR, CHAR, DOC;
    AS = "as", FN = "fn", IF = "if", IN = "in",
    FOR = "for", LET = "let", MOD = "mod", MUT = "mut", PUB = "pub", REF = "ref", USE = "use",
    DYN = "dyn", ELSE = "else", ENUM = "enum", IMPL = "impl", LOOP = "loop", MOVE = "move",
    TYPE = "type", ASYNC = "async", AWAIT = "await", BREAK = "break", CONST = "const",
    MATCH = "match", TRAIT = "trait", WHERE = "where", WHILE = "while", EXTERN = "extern",
    RETURN = "return", STATIC = "static", STRUCT = "struct", UNSAFE = "unsafe",
    CONTINUE = "continue"
}

/// Appends the tokens of a file, and three that mark its end: what looks ahead needs no check.
pub(super) fn tokens<'s>(source: &'s str, out: &mut Vec<Token<'s>>) {
    for lexeme in Lexer::new(source) {
        let code = match lexeme.kind {
            Kind::Mark => lexeme.text.bytes().next().unwrap_or(b'?'),
            // A raw name is none of the keywords.
            Kind::Name if source[lexeme.start as usize..].starts_with("r#") => NAME,
            Kind::Name => code_of_name(lexeme.text),
            Kind::Lifetime => LIFETIME,
            Kind::Number => NUMBER,
            Kind::Str | Kind::RawStr => STR,
            Kind::Char => CHAR,
            Kind::Doc => DOC,
        };
        if let Some(last) = out.last_mut() {
            last.joint = last.start + 1 == lexeme.start;
        }
        out.push(Token { code, joint: false, start: lexeme.start, text: lexeme.text });
    }
    #[expect(clippy::cast_possible_truncation, reason = "the lexer refuses longer files")]
    let end = Token { code: END, joint: false, start: source.len() as u32, text: "" };
    out.extend([end; 3]);
}
