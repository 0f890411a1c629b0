//! What the recorder writes, against what was asked of it. The recorder is called directly: only
//! these calls are recorded. One recording covers the process, so the tests take turns: a test calls
//! the recorder during its own turn only.

use super::*;
use crate::trace::{Event, Kind, Trace, TraceError, summary::Summary};
use core::cell::RefCell;
use proptest::prelude::*;
use std::{
    sync::{Arc, Barrier, mpsc},
    thread,
};

static TURN: Mutex<()> = Mutex::new(());
static TRACED: Recorder<System> = Recorder::new(System);

/// A file in memory.
#[derive(Clone, Default)]
struct File(Arc<Mutex<Vec<u8>>>);

impl File {
    fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A block of the recorder's, freed by hand or leaked.
#[derive(Debug)]
struct Block {
    address: NonNull<u8>,
    layout: Layout,
}

// SAFETY: a block is memory without an owner; it may be freed from any thread.
unsafe impl Send for Block {}

impl Block {
    fn new(size: usize, align: usize, zeroed: bool) -> Self {
        let layout = Layout::from_size_align(size, align).unwrap();
        let block = if zeroed {
            // SAFETY: the tests ask for at least one byte.
            unsafe { TRACED.alloc_zeroed(layout) }
        } else {
            // SAFETY: as above.
            unsafe { TRACED.alloc(layout) }
        };
        Self { address: NonNull::new(block).unwrap(), layout }
    }

    fn resize(&mut self, size: usize) {
        // SAFETY: ours, live, of this layout; the tests ask for at least one byte.
        let block = unsafe { TRACED.realloc(self.address.as_ptr(), self.layout, size) };
        self.address = NonNull::new(block).unwrap();
        self.layout = Layout::from_size_align(size, self.layout.align()).unwrap();
    }

    fn free(self) {
        // SAFETY: ours, live, of this layout, and gone after this.
        unsafe { TRACED.dealloc(self.address.as_ptr(), self.layout) };
    }
}

/// Waits until no other test calls the recorder.
fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records what `program` does, which is all that the test has the recorder do.
fn record(program: impl FnOnce()) -> (Vec<u8>, Recorded) {
    record_in(&turn(), program)
}

/// Records what `program` does in the turn of a test that calls the recorder before or after, too.
fn record_in(_turn: &MutexGuard<'_, ()>, program: impl FnOnce()) -> (Vec<u8>, Recorded) {
    let file = File::default();
    let recording = Recording::start(file.clone()).unwrap();
    program();
    let recorded = recording.stop().unwrap();
    (file.bytes(), recorded)
}

fn read(bytes: &[u8]) -> Trace {
    Trace::read(bytes).unwrap()
}

/// What a program may ask for.
#[derive(Clone, Debug)]
enum Op {
    New { size: usize, align_log2: u32, zeroed: bool },
    Resize { which: usize, size: usize },
    Free { which: usize },
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let new = (1..5000_usize, 0..13_u32, any::<bool>())
        .prop_map(|(size, align_log2, zeroed)| Op::New { size, align_log2, zeroed });
    let resize =
        (any::<usize>(), 1..5000_usize).prop_map(|(which, size)| Op::Resize { which, size });
    let free = any::<usize>().prop_map(|which| Op::Free { which });
    proptest::collection::vec(prop_oneof![3 => new, 2 => resize, 2 => free], 0..200)
}

/// An event without what the shadow cannot know.
fn known(event: &Event) -> (u32, Kind, u64, u64) {
    let kind = match event.kind {
        Kind::Realloc { old_size, .. } => Kind::Realloc { old_size, moved: false },
        kind => kind,
    };
    (event.block, kind, event.size, event.align)
}

proptest! {
    #[test]
    fn every_event_is_recorded_as_it_happened(ops in ops()) {
        let mut expected = Vec::new();
        let (bytes, recorded) = record(|| {
            let mut live: Vec<(u32, Block)> = Vec::new();
            let mut next = 0;
            for op in ops {
                let some = |which: usize| (!live.is_empty()).then(|| which % live.len());
                match op {
                    Op::New { size, align_log2, zeroed } => {
                        expected.push((next, Kind::Alloc { zeroed }, size as u64, 1 << align_log2));
                        live.push((next, Block::new(size, 1 << align_log2, zeroed)));
                        next += 1;
                    }
                    Op::Resize { which, size } => if let Some(at) = some(which) {
                        let (number, block) = &mut live[at];
                        let kind = Kind::Realloc { old_size: block.layout.size() as u64, moved: false };
                        expected.push((*number, kind, size as u64, block.layout.align() as u64));
                        block.resize(size);
                    },
                    Op::Free { which } => if let Some(at) = some(which) {
                        let (number, block) = live.swap_remove(at);
                        let (size, align) = (block.layout.size() as u64, block.layout.align() as u64);
                        expected.push((number, Kind::Free, size, align));
                        block.free();
                    },
                }
            }
            for (number, block) in live {
                let (size, align) = (block.layout.size() as u64, block.layout.align() as u64);
                expected.push((number, Kind::Free, size, align));
                block.free();
            }
        });
        let trace = read(&bytes);
        prop_assert_eq!(trace.events.iter().map(known).collect::<Vec<_>>(), expected);
        prop_assert_eq!((trace.older, trace.failed, recorded.in_flight), (0, 0, 0));
        prop_assert!(trace.events.is_sorted_by(|a, b| a.sequence < b.sequence));
    }

    #[test]
    fn a_damaged_file_is_refused(cut in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let (bytes, _) = record(|| {
            let mut block = Block::new(10, 1, false);
            block.resize(100);
            block.free();
        });
        let at = cut.index(bytes.len());
        prop_assert!(Trace::read(&bytes[..at]).is_err(), "cut at {}", at);
        let mut flipped = bytes;
        flipped[at] ^= 1 << bit;
        prop_assert!(Trace::read(&flipped[..]).is_err(), "bit {} of byte {}", bit, at);
    }
}

#[test]
fn errors_say_what_is_wrong_with_the_file() {
    let (bytes, _) = record(|| Block::new(10, 1, false).free());
    let message = |bytes: &[u8]| Trace::read(bytes).unwrap_err().to_string();
    let cut = message(&bytes[..bytes.len() - 40]);
    assert!(cut.contains("ends after 1 records and 24 bytes without its end mark"), "{cut}");
    assert!(message(b"GIF89a").contains("no allocation trace (6 bytes"));
    let mut newer = bytes.clone();
    newer[8] = 2;
    assert!(message(&newer).contains("version 2"), "{}", message(&newer));
    let longer = [&bytes[..], b"tail"].concat();
    assert!(message(&longer).contains("4 bytes follow the end mark"), "{}", message(&longer));
    let twice = [&bytes[..64], &bytes[32..]].concat();
    assert!(matches!(Trace::read(&twice[..]), Err(TraceError::Count { marked: 2, found: 3 })));
}

#[test]
fn threads_that_ended_have_recorded_everything() {
    const THREADS: usize = 4;
    const BLOCKS: usize = 20_000; // more than two buffers
    let (bytes, recorded) = record(|| {
        let (send, receive) = mpsc::channel::<Block>();
        let producers: Vec<_> = (0..THREADS)
            .map(|_| {
                let send = send.clone();
                thread::spawn(move || {
                    for size in 1..=BLOCKS {
                        let block = Block::new(size % 100 + 1, 8, false);
                        if size % 2 == 0 { block.free() } else { send.send(block).unwrap() }
                    }
                })
            })
            .collect();
        drop(send);
        receive.into_iter().for_each(Block::free);
        producers.into_iter().for_each(|producer| producer.join().unwrap());
    });
    let events = (THREADS * BLOCKS * 2) as u64;
    assert_eq!(recorded, Recorded { records: events, in_flight: 0 });
    let summary = Summary::of(&read(&bytes));
    assert_eq!((summary.allocs, summary.frees), (events / 2, events / 2));
    assert_eq!(summary.remote_frees, events / 4);
    assert_eq!(summary.threads, THREADS as u64 + 1);
}

#[test]
fn a_live_thread_s_events_are_collected_at_the_stop() {
    let (done, go_on) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let mut worker = None;
    let turn = turn();
    let (bytes, _) = record_in(&turn, || {
        let (worker_done, go_on) = (Arc::clone(&done), Arc::clone(&go_on));
        worker = Some(thread::spawn(move || {
            let block = Block::new(77, 1, false);
            worker_done.wait();
            go_on.wait(); // the recording stops meanwhile
            block.free();
        }));
        done.wait();
    });
    go_on.wait();
    worker.unwrap().join().unwrap();
    let summary = Summary::of(&read(&bytes));
    assert_eq!((summary.allocs, summary.never_freed()), (1, 1));
}

#[test]
fn frees_in_the_last_destructors_of_a_thread_are_recorded() {
    struct Late(RefCell<Option<Block>>);
    impl Drop for Late {
        fn drop(&mut self) {
            self.0.take().unwrap().free();
        }
    }
    thread_local!(static LATE: Late = const { Late(RefCell::new(None)) });
    let (bytes, _) = record(|| {
        let thread = thread::spawn(|| {
            // Registered before the recorder's own destructor, and so run after it on Linux.
            LATE.with(|late| late.0.replace(Some(Block::new(5, 1, false))));
        });
        thread.join().unwrap();
    });
    let summary = Summary::of(&read(&bytes));
    assert_eq!((summary.allocs, summary.frees, summary.remote_frees), (1, 1, 0));
}

#[test]
fn a_recording_starts_clean_after_another() {
    let (first, _) = record(|| _ = Block::new(1, 1, false));
    let (second, _) = record(|| Block::new(2, 1, false).free());
    assert_eq!(read(&first).events.len(), 1);
    assert_eq!(read(&second).events.iter().map(|e| e.size).collect::<Vec<_>>(), [2, 2]);
}

#[test]
fn a_block_older_than_the_recording_is_left_out_and_counted() {
    let turn = turn();
    let (mut grown, freed) = (Block::new(8, 1, false), Block::new(9, 1, false));
    let (bytes, _) = record_in(&turn, || {
        grown.resize(4000);
        freed.free();
    });
    let trace = read(&bytes);
    assert_eq!((trace.events.len(), trace.older), (0, 2));
    grown.free();
}

#[test]
fn only_thread_leaves_out_the_others() {
    let (bytes, _) = record(|| {
        let block = Block::new(3, 1, false);
        thread::spawn(|| Block::new(4, 1, false).free()).join().unwrap();
        block.free();
    });
    let trace = read(&bytes);
    assert_eq!((trace.blocks, trace.events.len()), (2, 4));
    let own = trace.only_thread(trace.events[0].thread);
    assert_eq!((own.blocks, own.events.len()), (1, 2));
}

#[test]
fn a_sink_that_allocates_neither_recurses_nor_shows() {
    struct Greedy(File);
    impl Write for Greedy {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Block::new(1000, 1, false).free();
            self.0.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let _turn = turn();
    let file = File::default();
    let recording = Recording::start(Greedy(file.clone())).unwrap();
    for _ in 0..BUFFER_RECORDS {
        Block::new(1, 1, false).free(); // fills the buffer twice
    }
    recording.stop().unwrap();
    let trace = read(&file.bytes());
    assert_eq!(trace.events.len(), 2 * BUFFER_RECORDS);
    assert!(trace.events.iter().all(|event| event.size == 1));
}

#[test]
fn a_failing_sink_is_an_error_at_the_stop() {
    struct Full(usize, fn() -> io::Result<usize>);
    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 -= 1;
            if self.0 == 0 { (self.1)() } else { Ok(bytes.len()) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let _turn = turn();
    let full: fn() -> io::Result<usize> = || Err(io::ErrorKind::StorageFull.into());
    assert!(matches!(Recording::start(Full(1, full)), Err(StartError::Sink(_))));
    let recording = Recording::start(Full(2, full)).unwrap();
    Block::new(1, 1, false).free();
    assert_eq!(recording.stop().unwrap_err().kind(), io::ErrorKind::StorageFull);
    let recording = Recording::start(Full(2, || panic!("planted"))).unwrap();
    Block::new(1, 1, false).free();
    assert!(recording.stop().unwrap_err().to_string().contains("panicked"));
}

#[test]
fn one_recording_at_a_time() {
    let _turn = turn();
    let recording = Recording::start(io::sink()).unwrap();
    assert!(matches!(Recording::start(io::sink()), Err(StartError::Running)));
    drop(recording); // stops it
    Recording::start(io::sink()).unwrap().stop().unwrap();
}
