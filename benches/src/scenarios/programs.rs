//! What the program scenarios of several crates share: parsers for real input, and one DOM.
//!
//! A program is written once; which crate's engines run it is the business of the scenario file of
//! that crate (`linear_programs`, `arena_programs`, `stack_programs`).

pub(super) mod json;
pub(super) mod lexer;

/// Folds a value into a checksum.
#[inline]
pub(super) fn fold(sum: u64, value: u64) -> u64 {
    super::checksum::fold(sum, value)
}

/// A cheap digest that depends on a text's length and, where it is not empty, on its ends.
#[inline]
pub(super) fn digest(text: &[u8]) -> u64 {
    let [first, .., last] = text else {
        return text.first().map_or(0, |&only| u64::from(only) << 8 | 1);
    };
    (text.len() as u64) << 16 | u64::from(*first) << 8 | u64::from(*last)
}

/// Calls `each` with every word of a text: letters, digits and underscores that stand together.
#[inline]
pub(super) fn words<'t>(text: &'t [u8], mut each: impl FnMut(&'t [u8])) {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut start = None;
    for (at, &byte) in text.iter().enumerate() {
        match (start, is_part(byte)) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                each(&text[from..at]);
                start = None;
            }
            _ => {}
        }
    }
    if let Some(from) = start {
        each(&text[from..]);
    }
}
