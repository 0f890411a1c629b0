//! The file format of a trace: a header, records of 32 bytes, and an end mark that seals them.
//!
//! All integers are little-endian.
//!
//! ```text
//!   header   0..8   magic "ALLOCTRC"      record   0..8   sequence
//!            8..12  version, 1                     8..16  address, 0 where the call failed
//!           12..16  bytes of a record, 32         16..24  size in bytes
//!           16..32  zero                          24..28  thread, counted from 0
//!                                                 28      kind, below
//!                                                 29      binary logarithm of the alignment
//!                                                 30..32  zero
//!   kinds    1 Alloc   2 AllocZeroed   3 Free   4 ReallocFrom   5 ReallocTo   0xFF End
//! ```
//!
//! **Invariants.**
//! * F1: sequence numbers come from one counter, so sorting by them gives one order for all
//!   threads. A free is numbered *before* the allocator gets the block back and an allocation
//!   *after* it was handed out, so that an address is never seen twice alive.
//! * F2: within one thread the file is in order; threads come in runs, a buffer at a time.
//! * F3: a `ReallocFrom` (old address, old size) is followed on its thread by its `ReallocTo`
//!   (new address, new size). They are two records because the old address is free for others
//!   from the first to the second.
//! * F4: the last record is `End`: its address field holds the number of records before it, its
//!   sequence the number of sequence numbers that were drawn, its size field the wrapping sum of
//!   the 64-bit words before it and of that number. More drawn than recorded: events were in
//!   flight at the stop.
//!
//! A file without its end mark was cut or never finished, and one whose sum differs was damaged;
//! [`Trace::read`](super::Trace::read) refuses both and says which.

/// The first eight bytes of every trace.
pub const MAGIC: [u8; 8] = *b"ALLOCTRC";
/// The only version there is.
pub const VERSION: u32 = 1;
/// Bytes of the header, and of each record.
pub const RECORD_BYTES: usize = 32;

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RecordKind {
    /// A block was handed out.
    Alloc = 1,
    /// A zeroed block was handed out.
    AllocZeroed = 2,
    /// A block is about to be given back.
    Free = 3,
    /// A block is about to change its size: the old address and size.
    ReallocFrom = 4,
    /// It has: the new address and size, or address 0 where it kept its old ones.
    ReallocTo = 5,
    /// The end mark (F4).
    End = 0xFF,
}

impl RecordKind {
    /// The kind behind a byte of a file.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Alloc,
            2 => Self::AllocZeroed,
            3 => Self::Free,
            4 => Self::ReallocFrom,
            5 => Self::ReallocTo,
            0xFF => Self::End,
            _ => return None,
        })
    }
}

/// One record, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Position among the events of all threads.
    pub sequence: u64,
    /// Address of the block; 0 where the call failed.
    pub address: u64,
    /// Bytes asked for.
    pub size: u64,
    /// The thread, counted from 0 in the order of first events.
    pub thread: u32,
    /// What happened.
    pub kind: RecordKind,
    /// Binary logarithm of the alignment asked for.
    pub align_log2: u8,
}

impl Record {
    /// The record as it stands in a file.
    #[inline]
    #[must_use]
    pub fn encode(&self) -> [u8; RECORD_BYTES] {
        let last = u64::from(self.thread)
            | u64::from(self.kind as u8) << 32
            | u64::from(self.align_log2) << 40;
        let mut bytes = [0; RECORD_BYTES];
        bytes[0..8].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.address.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.size.to_le_bytes());
        bytes[24..32].copy_from_slice(&last.to_le_bytes());
        bytes
    }

    /// Reads a record back.
    ///
    /// # Errors
    /// The reason, as a clause: an unknown kind, an alignment above 2^63, or used padding.
    pub fn decode(bytes: &[u8; RECORD_BYTES]) -> Result<Self, String> {
        let [sequence, address, size, last] = words(bytes);
        let [t0, t1, t2, t3, kind, align_log2, pad0, pad1] = last.to_le_bytes();
        let kind = RecordKind::from_byte(kind).ok_or_else(|| format!("unknown kind {kind}"))?;
        if align_log2 > 63 {
            return Err(format!("alignment 2^{align_log2} is above 2^63"));
        }
        if (pad0, pad1) != (0, 0) {
            return Err(format!("bytes 30 and 31 are {pad0} and {pad1}, not zero"));
        }
        let thread = u32::from_le_bytes([t0, t1, t2, t3]);
        Ok(Self { sequence, address, size, thread, kind, align_log2 })
    }
}

/// The header of a trace.
#[must_use]
pub fn header() -> [u8; RECORD_BYTES] {
    let mut bytes = [0; RECORD_BYTES];
    bytes[0..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[12..16].copy_from_slice(&32_u32.to_le_bytes());
    bytes
}

/// The wrapping sum of the 64-bit words of whole records (F4).
#[must_use]
pub fn sum(records: &[u8]) -> u64 {
    let (records, rest) = records.as_chunks::<RECORD_BYTES>();
    debug_assert!(rest.is_empty(), "{} bytes are no whole record", rest.len());
    records.iter().flat_map(words).fold(0, u64::wrapping_add)
}

fn words(record: &[u8; RECORD_BYTES]) -> [u64; 4] {
    let (words, _) = record.as_chunks::<8>();
    core::array::from_fn(|i| u64::from_le_bytes(words[i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_encoding() {
        let record = Record {
            sequence: u64::MAX - 1,
            address: 0x7fff_1234_5678_9abc,
            size: i64::MAX as u64,
            thread: u32::MAX,
            kind: RecordKind::ReallocTo,
            align_log2: 63,
        };
        assert_eq!(Record::decode(&record.encode()), Ok(record));
    }

    #[test]
    fn a_bad_record_says_what_is_bad() {
        let good = Record {
            sequence: 1,
            address: 16,
            size: 8,
            thread: 0,
            kind: RecordKind::Alloc,
            align_log2: 3,
        }
        .encode();
        for (byte, value, clause) in
            [(28, 9, "unknown kind 9"), (29, 64, "alignment 2^64"), (31, 1, "not zero")]
        {
            let mut bad = good;
            bad[byte] = value;
            let message = Record::decode(&bad).unwrap_err();
            assert!(message.contains(clause), "{message}");
        }
    }
}
