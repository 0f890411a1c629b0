//! Reading a trace: checks the file, then tells every block from the others that lived at its
//! address.
//!
//! ```text
//!   bytes ──► records, checked against the end mark ──► sorted by sequence ──► events of blocks
//! ```
//!
//! **Invariants of a [`Trace`].**
//! * T1: events are in the order of their sequence numbers, which rise strictly.
//! * T2: a block's first event is its `Alloc`; `Realloc`s may follow; its `Free`, if there is
//!   one, is the last.
//! * T3: blocks are numbered from 0 in the order of their first events.
//!
//! Events of blocks that were alive before the recording started are left out and counted.

use super::format::{self, MAGIC, RECORD_BYTES, Record, RecordKind, VERSION};
use core::{error::Error, fmt};
use std::{
    collections::HashMap,
    io::{self, Read},
};

/// What happened to a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It was handed out.
    Alloc {
        /// Whether zeroed memory was asked for.
        zeroed: bool,
    },
    /// It changed its size, and perhaps its place.
    Realloc {
        /// Bytes before.
        old_size: u64,
        /// Whether the address changed.
        moved: bool,
    },
    /// It was given back.
    Free,
}

/// One event in the life of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Position among the events of all threads.
    pub sequence: u64,
    /// The thread, counted from 0.
    pub thread: u32,
    /// The block, counted from 0: unlike an address it means one block for ever.
    pub block: u32,
    /// What happened.
    pub kind: Kind,
    /// The block's bytes: after the event, or before it for a free.
    pub size: u64,
    /// The block's alignment.
    pub align: u64,
}

/// A trace, checked and in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Every event of every block born in the recording.
    pub events: Vec<Event>,
    /// Blocks born in the recording.
    pub blocks: u32,
    /// Calls that returned null.
    pub failed: u64,
    /// Events of blocks that are older than the recording.
    pub older: u64,
    /// Events that were in flight when the recording stopped, and are missing.
    pub in_flight: u64,
}

impl Trace {
    /// Reads a whole trace.
    ///
    /// # Errors
    /// [`TraceError`] says what is wrong with the file and at which record.
    pub fn read(mut source: impl Read) -> Result<Self, TraceError> {
        let mut bytes = Vec::new();
        source.read_to_end(&mut bytes).map_err(TraceError::Io)?;
        let (mut records, drawn) = check(&bytes)?;
        let in_flight = drawn.saturating_sub(records.len() as u64);
        records.sort_unstable_by_key(|record| record.sequence);
        if let Some([a, b]) = records.array_windows().find(|[a, b]| a.sequence == b.sequence) {
            return Err(TraceError::Twice { sequence: a.sequence, threads: [a.thread, b.thread] });
        }
        let mut builder = Builder::default();
        for record in &records {
            builder.push(record)?;
        }
        Ok(Self { in_flight, ..builder.trace })
    }

    /// The same trace as `thread` alone would have recorded it: its own blocks only, and of
    /// these only the events that it caused itself.
    ///
    /// # Panics
    /// Never: it has no more blocks than `self`.
    #[must_use]
    pub fn only_thread(&self, thread: u32) -> Self {
        let mut numbers = HashMap::new();
        let mut events = Vec::new();
        for event in self.events.iter().filter(|event| event.thread == thread) {
            let next = u32::try_from(numbers.len()).expect("fewer blocks than in `self`");
            let block = match event.kind {
                Kind::Alloc { .. } => *numbers.entry(event.block).or_insert(next),
                Kind::Realloc { .. } | Kind::Free => match numbers.get(&event.block) {
                    Some(&block) => block,
                    None => continue,
                },
            };
            events.push(Event { block, ..*event });
        }
        let blocks = u32::try_from(numbers.len()).expect("fewer blocks than in `self`");
        Self { events, blocks, failed: 0, older: 0, in_flight: 0 }
    }
}

/// Decodes the records before the end mark and returns them with the end mark's sequence.
fn check(bytes: &[u8]) -> Result<(Vec<Record>, u64), TraceError> {
    let Some((header, body)) = bytes.split_first_chunk::<RECORD_BYTES>() else {
        return Err(TraceError::NotATrace { bytes: bytes.len() });
    };
    if header[..8] != MAGIC {
        return Err(TraceError::NotATrace { bytes: bytes.len() });
    }
    let version = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
    if version != VERSION {
        return Err(TraceError::Version { version });
    }
    if *header != format::header() {
        return Err(TraceError::Header);
    }
    let (chunks, rest) = body.as_chunks::<RECORD_BYTES>();
    let mut records = Vec::with_capacity(chunks.len());
    for (index, chunk) in chunks.iter().enumerate() {
        let record =
            Record::decode(chunk).map_err(|reason| TraceError::Record { index, reason })?;
        if record.kind != RecordKind::End {
            records.push(record);
            continue;
        }
        let after = body.len() - (index + 1) * RECORD_BYTES;
        if after != 0 {
            return Err(TraceError::AfterTheEnd { index, bytes: after });
        }
        if record.address != index as u64 {
            return Err(TraceError::Count { marked: record.address, found: index });
        }
        let sum = format::sum(chunks[..index].as_flattened());
        let unused = (record.thread, record.align_log2);
        if record.size != sum.wrapping_add(record.sequence) || unused != (0, 0) {
            return Err(TraceError::Sum { records: index });
        }
        return Ok((records, record.sequence));
    }
    Err(TraceError::NoEnd { records: chunks.len(), rest: rest.len() })
}

/// Follows the blocks through the records.
#[derive(Default)]
struct Builder {
    trace: Trace,
    /// Live blocks by address.
    live: HashMap<u64, Live>,
    /// Per thread: the address and the block between a `ReallocFrom` and its `ReallocTo`.
    between: HashMap<u32, (u64, Option<Live>)>,
}

#[derive(Clone, Copy)]
struct Live {
    block: u32,
    size: u64,
}

impl Builder {
    fn push(&mut self, record: &Record) -> Result<(), TraceError> {
        let Record { sequence, address, size, thread, kind, align_log2 } = *record;
        let align = 1 << align_log2;
        let event = |block, kind, size| Event { sequence, thread, block, kind, size, align };
        if self.between.contains_key(&thread) && kind != RecordKind::ReallocTo {
            return Err(TraceError::Unpaired { sequence, thread }); // F3
        }
        match kind {
            RecordKind::Alloc | RecordKind::AllocZeroed if address == 0 => self.trace.failed += 1,
            RecordKind::Alloc | RecordKind::AllocZeroed => {
                let block = self.trace.blocks;
                self.trace.blocks = block.checked_add(1).ok_or(TraceError::TooLong)?;
                // A block still alive at this address was freed by an event in flight.
                self.live.insert(address, Live { block, size });
                let zeroed = kind == RecordKind::AllocZeroed;
                self.trace.events.push(event(block, Kind::Alloc { zeroed }, size));
            }
            RecordKind::Free => match self.live.remove(&address) {
                Some(live) => self.trace.events.push(event(live.block, Kind::Free, live.size)),
                None => self.trace.older += 1,
            },
            RecordKind::ReallocFrom => {
                let live = self.live.remove(&address);
                self.between.insert(thread, (address, live));
            }
            RecordKind::ReallocTo => {
                // Without its other half it began before the recording did.
                let (from, live) = self.between.remove(&thread).unwrap_or_default();
                let Some(Live { block, size: old_size }) = live else {
                    self.trace.older += 1;
                    return Ok(());
                };
                if address == 0 {
                    self.trace.failed += 1;
                    self.live.insert(from, Live { block, size: old_size });
                    return Ok(());
                }
                self.live.insert(address, Live { block, size });
                let kind = Kind::Realloc { old_size, moved: from != address };
                self.trace.events.push(event(block, kind, size));
            }
            RecordKind::End => {} // `check` stops there
        }
        Ok(())
    }
}

/// What is wrong with a trace.
#[derive(Debug)]
pub enum TraceError {
    /// It could not be read.
    Io(io::Error),
    /// It does not begin like a trace.
    NotATrace {
        /// Bytes of the file.
        bytes: usize,
    },
    /// It was written by another version of the recorder.
    Version {
        /// The version it names.
        version: u32,
    },
    /// The rest of its header is not what this version writes.
    Header,
    /// A record that no recorder writes.
    Record {
        /// Which one, from 0.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// It stops without its end mark.
    NoEnd {
        /// Whole records in it.
        records: usize,
        /// Bytes after them.
        rest: usize,
    },
    /// It goes on after its end mark.
    AfterTheEnd {
        /// Which record is the end mark.
        index: usize,
        /// Bytes after it.
        bytes: usize,
    },
    /// The end mark counts differently.
    Count {
        /// Records by the end mark.
        marked: u64,
        /// Records before it.
        found: usize,
    },
    /// The records do not add up to the end mark's sum.
    Sum {
        /// Records before the end mark.
        records: usize,
    },
    /// Two events have one sequence number.
    Twice {
        /// The number.
        sequence: u64,
        /// Their threads.
        threads: [u32; 2],
    },
    /// The second half of a reallocation is missing.
    Unpaired {
        /// The event that stands in its place.
        sequence: u64,
        /// Its thread.
        thread: u32,
    },
    /// More than 2^32 blocks.
    TooLong,
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the trace could not be read: {error}"),
            Self::NotATrace { bytes } => {
                write!(f, "this is no allocation trace ({bytes} bytes that begin otherwise)")
            }
            Self::Version { version } => {
                write!(f, "the trace has version {version}, this reader knows {VERSION} only")
            }
            Self::Header => f.write_str("the trace's header is damaged"),
            Self::Record { index, reason } => write!(f, "record {index} is damaged: {reason}"),
            Self::NoEnd { records, rest } => write!(
                f,
                "the trace ends after {records} records and {rest} bytes without its end mark: \
                 it was cut, or the recording was never stopped"
            ),
            Self::AfterTheEnd { index, bytes } => {
                write!(f, "{bytes} bytes follow the end mark, which is record {index}")
            }
            Self::Count { marked, found } => {
                write!(f, "the end mark counts {marked} records, the file holds {found}")
            }
            Self::Sum { records } => {
                write!(f, "the {records} records do not add up to the end mark's sum: damaged")
            }
            Self::Twice { sequence, threads: [a, b] } => {
                write!(f, "threads {a} and {b} both have an event number {sequence}")
            }
            Self::Unpaired { sequence, thread } => {
                write!(f, "event {sequence} of thread {thread} interrupts a reallocation")
            }
            Self::TooLong => f.write_str("the trace has more than 2^32 blocks"),
        }
    }
}

impl Error for TraceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}
