//! The recorder: a global allocator that passes every call on and writes down what it saw.
//!
//! ```text
//!   thread 1 ── buffer of 8,192 records ──┐  full, thread exit, or stop
//!   thread 2 ── buffer of 8,192 records ──┼──────────────► sink (a mutex) ──► any `Write`
//!   thread 3 ── buffer of 8,192 records ──┘
//!               one counter numbers the events of all threads
//! ```
//!
//! Wrap the global allocator once; it costs a load and a branch a call until a [`Recording`] is
//! started, and one recording at a time covers the whole process:
//!
//! ```no_run
//! use benches::trace::{Recorder, Recording, Trace, summary::Summary};
//! use std::{alloc::System, fs::File, io::BufReader};
//!
//! #[global_allocator]
//! static ALLOC: Recorder<System> = Recorder::new(System);
//!
//! let recording = Recording::start(File::create("program.trace")?)?;
//! drop(vec![1_u8; 100]);
//! recording.stop()?;
//! let trace = Trace::read(BufReader::new(File::open("program.trace")?))?;
//! println!("{}", Summary::of(&trace));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! **Invariants.**
//! * R1: nothing inside the recorder calls the recorder: buffers come from [`System`], and a
//!   per-thread flag makes events of the sink's own writes invisible.
//! * R2: a buffer's records below `len` are complete and never change until the owner takes it
//!   back to 0, which it does only under the sink's mutex. So whoever holds the mutex may read
//!   `flushed..len` of every buffer while the owner goes on writing at `len`.
//! * R3: `flushed`, `recording` and the list of buffers are touched under the mutex only, except
//!   that an owner may read `recording` of its own buffer (only it writes that while it owns it).
//! * R4: buffers are never freed: an exiting thread leaves its own for the next one.
//!
//! **Ordering edges.** `publish-record`: the owner's release of `len` to the flusher's acquire.
//! Everything else is ordered by the mutex. The sequence counter is relaxed: see `append`.
//!
//! **Cost.** One `fetch_add` on a shared counter and a 32-byte store an event (the executable
//! `trace` prints the nanoseconds on the machine it runs on); 256 KiB a thread that allocates.
//! A thread that dies or a recording that stops loses nothing of what happened before; events
//! that other threads have in flight at the stop may be missing, and are counted.

use super::format::{self, RECORD_BYTES, Record, RecordKind};
use core::{
    alloc::{GlobalAlloc, Layout},
    cell::{Cell, UnsafeCell},
    error::Error,
    fmt,
    panic::AssertUnwindSafe,
    ptr::NonNull,
    slice,
    sync::atomic::{
        AtomicU32, AtomicU64, AtomicUsize,
        Ordering::{Acquire, Relaxed, Release},
    },
};
use std::{
    alloc::System,
    io::{self, Write},
    panic,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Records that a thread collects before it takes the sink's mutex: 256 KiB.
const BUFFER_RECORDS: usize = 8192;

/// Number of the recording that runs, 0 for none. Never reused.
static CURRENT: AtomicU64 = AtomicU64::new(0);
/// The next event's sequence number.
static SEQUENCE: AtomicU64 = AtomicU64::new(0);
/// Threads numbered so far.
static THREADS: AtomicU32 = AtomicU32::new(0);
/// Where full buffers go.
static SINK: Mutex<Sink> = Mutex::new(Sink::new());

/// A global allocator that can record what is asked of it. See the [module](self).
#[derive(Debug, Default)]
pub struct Recorder<A = System> {
    inner: A,
}

impl<A> Recorder<A> {
    /// Wraps `inner`, which serves every request.
    pub const fn new(inner: A) -> Self {
        Self { inner }
    }
}

// SAFETY: every method passes its arguments to `A` unchanged and returns what `A` returned, so
// `A`'s guarantees are ours; recording neither unwinds nor allocates through `self` (R1).
unsafe impl<A: GlobalAlloc> GlobalAlloc for Recorder<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise (a size above zero), passed on.
        let block = unsafe { self.inner.alloc(layout) };
        if recording() {
            record(RecordKind::Alloc, block, layout.size(), layout.align());
        }
        block
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise (a size above zero), passed on.
        let block = unsafe { self.inner.alloc_zeroed(layout) };
        if recording() {
            record(RecordKind::AllocZeroed, block, layout.size(), layout.align());
        }
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if recording() {
            record(RecordKind::Free, block, layout.size(), layout.align());
        }
        // SAFETY: the caller's promise (a live block of this layout from this allocator, and so
        // from `inner`), passed on.
        unsafe { self.inner.dealloc(block, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let recorded = recording();
        if recorded {
            record(RecordKind::ReallocFrom, block, layout.size(), layout.align());
        }
        // SAFETY: the caller's promise (a live block of this layout, a new size above zero that
        // does not overflow when rounded up to the alignment), passed on.
        let new = unsafe { self.inner.realloc(block, layout, new_size) };
        if recorded {
            record(RecordKind::ReallocTo, new, new_size, layout.align());
        }
        new
    }
}

/// A running recording: from [`start`](Self::start) until it is stopped or dropped.
#[derive(Debug)]
pub struct Recording {
    id: u64,
}

/// What a recording wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Records in the file, the end mark not counted.
    pub records: u64,
    /// Events that other threads had in flight at the stop, and that are missing.
    pub in_flight: u64,
}

impl Recording {
    /// Starts to record every allocation of the process into `sink`.
    ///
    /// The sink is written to in blocks of up to 256 KiB, under a mutex, by whichever thread has
    /// a full buffer; what it allocates meanwhile is not recorded, and its panics count as errors.
    ///
    /// # Errors
    /// [`StartError::Running`] where another recording runs, [`StartError::Sink`] where the
    /// header could not be written.
    pub fn start(sink: impl Write + Send + 'static) -> Result<Self, StartError> {
        let mut sink: Box<dyn Write + Send> = Box::new(sink);
        sink.write_all(&format::header()).map_err(StartError::Sink)?;
        let _inside = Inside::enter();
        let mut state = lock();
        if state.current != 0 {
            return Err(StartError::Running);
        }
        state.started += 1;
        state.current = state.started;
        // ORD Relaxed: drawn numbers only; events of an earlier recording still in flight may
        // draw from this range and then count as `in_flight`.
        state.first_sequence = SEQUENCE.load(Relaxed);
        (state.records, state.sum, state.error) = (0, 0, None);
        state.writer = Some(sink);
        let id = state.current;
        // ORD Relaxed: a thread that sees the new number takes the mutex before it records.
        CURRENT.store(id, Relaxed);
        Ok(Self { id })
    }

    /// Stops, writes out what every thread has collected, and seals the file.
    ///
    /// # Errors
    /// The first error of the sink since the start; the file then lacks its end mark.
    pub fn stop(self) -> io::Result<Recorded> {
        self.finish()
    }

    fn finish(&self) -> io::Result<Recorded> {
        let writer;
        let result = {
            let _inside = Inside::enter();
            let mut state = lock();
            if state.current != self.id {
                return Err(io::Error::other("the recording was stopped before"));
            }
            // ORD Relaxed: threads that still see the old number append to buffers which nobody
            // will read again; what they had published before is taken below.
            CURRENT.store(0, Relaxed);
            state.drain_all();
            state.current = 0;
            let result = state.seal();
            writer = state.writer.take();
            result
        };
        drop(writer); // outside: closing may allocate and free like everybody else
        result
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        drop(self.finish()); // after `stop` it finds nothing to do
    }
}

/// Why a recording could not be started.
#[derive(Debug)]
pub enum StartError {
    /// Another one runs: they cover the whole process, so there is one at a time.
    Running,
    /// The sink refused the header.
    Sink(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => f.write_str("another recording of this process is running"),
            Self::Sink(error) => write!(f, "the trace's header could not be written: {error}"),
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Running => None,
            Self::Sink(error) => Some(error),
        }
    }
}

// ---- the path of one event ---------------------------------------------------------------------

#[inline]
fn recording() -> bool {
    // ORD Relaxed: a thread that learns of the start or the stop a little later records a little
    // later; what it records is ordered by its buffer and the mutex.
    CURRENT.load(Relaxed) != 0
}

#[inline(never)]
fn record(kind: RecordKind, block: *mut u8, size: usize, align: usize) {
    LOCAL.with(|local| {
        if local.inside.replace(true) {
            return; // R1: the sink's own traffic
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most 63")]
        let align_log2 = align.trailing_zeros() as u8;
        local.append(kind, block.addr() as u64, size as u64, align_log2);
        local.inside.set(false);
    });
}

/// What a thread knows of itself. It has no destructor, so it can be used to the thread's end.
struct Local {
    inside: Cell<bool>,
    buffer: Cell<Option<NonNull<Buffer>>>,
    /// This thread's number plus one; 0 before its first event.
    thread: Cell<u32>,
    /// The thread is running its last destructors: no buffer any more, straight to the sink.
    exiting: Cell<bool>,
}

thread_local! {
    static LOCAL: Local = const {
        Local {
            inside: Cell::new(false),
            buffer: Cell::new(None),
            thread: Cell::new(0),
            exiting: Cell::new(false),
        }
    };
    static EXIT: Exit = const { Exit };
}

/// Gives the thread's buffer back when the thread ends.
struct Exit;

impl Drop for Exit {
    fn drop(&mut self) {
        let _inside = Inside::enter();
        LOCAL.with(|local| {
            local.exiting.set(true);
            if let Some(buffer) = local.buffer.take() {
                lock().abandon(buffer);
            }
        });
    }
}

impl Local {
    #[inline]
    fn append(&self, kind: RecordKind, address: u64, size: u64, align_log2: u8) {
        if let Some(buffer) = self.buffer.get() {
            // SAFETY: buffers are never freed (R4), and only shared references are made to them.
            let buffer = unsafe { buffer.as_ref() };
            // ORD Relaxed: only this thread writes its buffer's `len` and `recording`.
            let (len, of) = (buffer.len.load(Relaxed), buffer.recording.load(Relaxed));
            // ORD Relaxed: as in `recording`.
            if len < BUFFER_RECORDS && of == CURRENT.load(Relaxed) {
                // ORD Relaxed: if a free happens before an allocation of the same address (the
                // inner allocator orders them), then so do their two read-modify-writes of this
                // counter, and coherence alone gives the later one the larger number (F1).
                let sequence = SEQUENCE.fetch_add(1, Relaxed);
                let thread = self.thread.get() - 1;
                let record = Record { sequence, address, size, thread, kind, align_log2 };
                // SAFETY: `len` < BUFFER_RECORDS, so the place is inside the buffer; only the
                // owner, this thread, writes, and nobody reads at or above `len` (R2).
                unsafe { buffer.place(len).write(record.encode()) };
                // ORD[publish-record] Release → Acquire in `drain`: the record must be whole
                // before the flusher reads it.
                buffer.len.store(len + 1, Release);
                return;
            }
        }
        self.append_slowly(kind, address, size, align_log2);
    }

    /// First event of a thread or of a recording, a full buffer, or a thread at its end.
    #[cold]
    fn append_slowly(&self, kind: RecordKind, address: u64, size: u64, align_log2: u8) {
        if self.thread.get() == 0 {
            // ORD Relaxed: a number nobody else draws; nothing is published by it.
            self.thread.set(THREADS.fetch_add(1, Relaxed) + 1);
        }
        if !self.exiting.get() && EXIT.try_with(|_| ()).is_err() {
            self.exiting.set(true);
        }
        let mut sink = lock();
        if sink.current == 0 {
            return; // stopped since the caller looked
        }
        if self.exiting.get() {
            // ORD Relaxed: as in `append`.
            let sequence = SEQUENCE.fetch_add(1, Relaxed);
            let thread = self.thread.get() - 1;
            let record = Record { sequence, address, size, thread, kind, align_log2 };
            sink.write(&record.encode());
            return;
        }
        let buffer = match self.buffer.get() {
            Some(buffer) => {
                sink.drain(buffer);
                buffer
            }
            None => match sink.adopt() {
                Some(buffer) => buffer,
                None => return sink.fail(io::ErrorKind::OutOfMemory.into()),
            },
        };
        sink.rewind(buffer);
        drop(sink);
        self.buffer.set(Some(buffer));
        // The buffer is ours, empty, and of the recording that was current under the mutex. If
        // that one was stopped meanwhile, the event is one of those in flight.
        // SAFETY: buffers are never freed (R4), and only shared references are made to them.
        let of = unsafe { buffer.as_ref() }.recording.load(Relaxed); // ORD Relaxed: our own
        // ORD Relaxed: as in `recording`.
        if of == CURRENT.load(Relaxed) {
            self.append(kind, address, size, align_log2);
        }
    }
}

/// Keeps events of this thread out of the recording while it lives.
struct Inside {
    before: bool,
}

impl Inside {
    fn enter() -> Self {
        Self { before: LOCAL.with(|local| local.inside.replace(true)) }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        LOCAL.with(|local| local.inside.set(self.before));
    }
}

// ---- buffers and the sink ----------------------------------------------------------------------

/// The records of one thread that are not in the sink yet. Made by `System`, never freed (R4).
struct Buffer {
    /// Complete records (R2).
    len: AtomicUsize,
    /// Records already written to the sink (R3).
    flushed: Cell<usize>,
    /// The recording they belong to (R3).
    recording: AtomicU64,
    /// Whether a thread owns it (R3).
    owned: Cell<bool>,
    /// The next buffer of the sink's list; set before it is listed (R3).
    next: Option<NonNull<Self>>,
    records: UnsafeCell<[[u8; RECORD_BYTES]; BUFFER_RECORDS]>,
}

impl Buffer {
    /// The place of record `index`.
    #[inline]
    fn place(&self, index: usize) -> *mut [u8; RECORD_BYTES] {
        debug_assert!(index < BUFFER_RECORDS, "record {index} of {BUFFER_RECORDS}");
        self.records.get().cast::<[u8; RECORD_BYTES]>().wrapping_add(index)
    }
}

/// What the mutex guards: the writer, the sums for the end mark, and everybody's buffers.
struct Sink {
    /// The recording that runs, 0 for none.
    current: u64,
    /// Recordings started so far.
    started: u64,
    first_sequence: u64,
    writer: Option<Box<dyn Write + Send>>,
    /// Records and the sum of their words so far (F4).
    records: u64,
    sum: u64,
    /// The writer's first error; nothing is written after it.
    error: Option<io::Error>,
    buffers: Option<NonNull<Buffer>>,
}

// SAFETY: the pointers lead to buffers that are never freed (R4) and whose unsynchronised fields
// are touched only by the holder of the mutex around this struct (R3); the writer is `Send`.
unsafe impl Send for Sink {}

fn lock() -> MutexGuard<'static, Sink> {
    // Panics of the writer are caught in `write`, so nothing is half done under a poisoned mutex.
    SINK.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sink {
    const fn new() -> Self {
        Self {
            current: 0,
            started: 0,
            first_sequence: 0,
            writer: None,
            records: 0,
            sum: 0,
            error: None,
            buffers: None,
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.error.is_some() || bytes.is_empty() {
            return;
        }
        self.records += (bytes.len() / RECORD_BYTES) as u64;
        self.sum = self.sum.wrapping_add(format::sum(bytes));
        let Some(writer) = self.writer.as_mut() else { return };
        // A panic must not leave the allocator, and a panicking sink is not used again.
        let write = AssertUnwindSafe(|| writer.write_all(bytes));
        let result = panic::catch_unwind(write)
            .unwrap_or_else(|_| Err(io::Error::other("the trace's sink panicked")));
        self.error = result.err();
    }

    fn fail(&mut self, error: io::Error) {
        self.error.get_or_insert(error);
    }

    /// Writes out what `buffer` holds of the current recording.
    fn drain(&mut self, buffer: NonNull<Buffer>) {
        // SAFETY: buffers are never freed (R4), and only shared references are made to them.
        let buffer = unsafe { buffer.as_ref() };
        // ORD Relaxed: written under the mutex, which we hold.
        if buffer.recording.load(Relaxed) != self.current {
            return; // rest of an earlier recording, in flight when that one stopped
        }
        // ORD[publish-record] Acquire ← Release in `append`: the records below `len` are whole.
        let len = buffer.len.load(Acquire);
        let from = buffer.flushed.replace(len);
        debug_assert!(from <= len, "flushed {from} of {len} records");
        let first = buffer.place(0).wrapping_add(from);
        // SAFETY: `from` ≤ `len` ≤ BUFFER_RECORDS, inside the buffer; these records are complete
        // and stay as they are while we hold the mutex (R2).
        let records = unsafe { slice::from_raw_parts(first, len - from) };
        self.write(records.as_flattened());
    }

    fn drain_all(&mut self) {
        let mut next = self.buffers;
        while let Some(buffer) = next {
            self.drain(buffer);
            // SAFETY: buffers are never freed (R4), and only shared references are made to them.
            next = unsafe { buffer.as_ref() }.next;
        }
    }

    /// Makes a buffer of the calling thread ready for the current recording.
    fn rewind(&self, buffer: NonNull<Buffer>) {
        // SAFETY: buffers are never freed (R4), and only shared references are made to them.
        let buffer = unsafe { buffer.as_ref() };
        buffer.flushed.set(0);
        // ORD Relaxed: read by the owner, who is the caller, and under the mutex, which is held.
        buffer.len.store(0, Relaxed);
        // ORD Relaxed: as above.
        buffer.recording.store(self.current, Relaxed);
    }

    /// A buffer without an owner, or a new one; `None` where memory has run out.
    fn adopt(&mut self) -> Option<NonNull<Buffer>> {
        let mut next = self.buffers;
        while let Some(buffer) = next {
            // SAFETY: buffers are never freed (R4), and only shared references are made to them.
            let shared = unsafe { buffer.as_ref() };
            if !shared.owned.replace(true) {
                return Some(buffer);
            }
            next = shared.next;
        }
        // SAFETY: the layout's size is not zero.
        let block = unsafe { System.alloc_zeroed(Layout::new::<Buffer>()) };
        let buffer = NonNull::new(block)?.cast::<Buffer>();
        // SAFETY: freshly allocated for this layout, so valid for writes; zeroed bytes are a valid
        // value of every field (`next` then is `None`), and nobody else knows the address yet.
        let fields = unsafe { &mut *buffer.as_ptr() };
        fields.owned.set(true);
        fields.next = self.buffers;
        self.buffers = Some(buffer);
        Some(buffer)
    }

    /// Takes what an exiting thread has collected, and its buffer.
    fn abandon(&mut self, buffer: NonNull<Buffer>) {
        self.drain(buffer);
        // SAFETY: buffers are never freed (R4), and only shared references are made to them.
        unsafe { buffer.as_ref() }.owned.set(false);
    }

    /// Writes the end mark.
    fn seal(&mut self) -> io::Result<Recorded> {
        // ORD Relaxed: numbers drawn by threads that did not get to publish count as in flight.
        let drawn = SEQUENCE.load(Relaxed).wrapping_sub(self.first_sequence);
        let end = Record {
            sequence: drawn,
            address: self.records,
            size: self.sum.wrapping_add(drawn),
            thread: 0,
            kind: RecordKind::End,
            align_log2: 0,
        };
        let recorded =
            Recorded { records: self.records, in_flight: drawn.saturating_sub(self.records) };
        self.write(&end.encode());
        if let Some(Err(error)) = self.writer.as_mut().map(Write::flush) {
            self.fail(error);
        }
        self.error.take().map_or(Ok(recorded), Err)
    }
}

#[cfg(test)]
#[path = "recorder_tests.rs"]
mod tests;
