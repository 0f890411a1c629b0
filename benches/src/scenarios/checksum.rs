//! Order-sensitive checksums over what an engine left in memory.

/// Adds a word: swapping two words, or losing one, changes the sum.
#[inline]
#[must_use]
pub const fn fold(sum: u64, word: u64) -> u64 {
    (sum.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Adds bytes one by one, and their number.
#[inline]
#[must_use]
pub fn fold_bytes(sum: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(fold(sum, bytes.len() as u64), |sum, &byte| fold(sum, u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_length_matter() {
        assert_ne!(fold(fold(0, 1), 2), fold(fold(0, 2), 1));
        assert_ne!(fold_bytes(0, b"ab"), fold_bytes(0, b"ba"));
        assert_ne!(fold_bytes(0, b""), fold_bytes(0, b"\0"));
    }
}
