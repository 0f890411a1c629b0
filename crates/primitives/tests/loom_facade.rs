//! What the facade makes loom see, and what loom alone does not.
//!
//! Models whose name has no `loom_` are wrong on purpose: a `loom_` test runs them in a child
//! process and expects their failure.
#![cfg(loom)]

use std::process::{Command, Output};

use primitives::model::{Model, Site};
use primitives::sync::alloc::{Layout, Track, access, alloc, dealloc};
use primitives::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use primitives::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Exclusive, fence};
use primitives::sync::cell::UnsafeCell;
use primitives::sync::{Arc, Mutex, hint, thread};

/// Runs one test of this file in a child process.
fn child(test: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(std::env::current_exe().expect("a test has a path"));
    command.args(["--exact", test, "--nocapture", "--include-ignored"]);
    for name in ["WEAKEN", "RECORD", "FREEZE", "PROGRESS"] {
        command.env_remove(format!("QUARRY_LOOM_{name}"));
    }
    command.envs(variables.iter().copied()).output().expect("a test can start itself")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The child must fail, and say why.
#[track_caller]
fn fails(output: &Output, why: &str) {
    let text = text(output);
    assert!(!output.status.success(), "the child passed; it said:\n{text}");
    assert!(text.contains(why), "expected {why:?} from the child, which said:\n{text}");
}

#[track_caller]
fn passes(output: &Output) {
    assert!(output.status.success(), "the child failed; it said:\n{}", text(output));
}

/// Two threads each load, then store: both loads may see 0.
#[test]
fn loom_load_then_store() {
    let report = Model::new("load_then_store").reaches(["0", "1"]).floor(2).check(|seen| {
        let value = Arc::new(AtomicUsize::new(0));
        let other = Arc::clone(&value);
        let t = thread::spawn(move || {
            let loaded = other.load(Relaxed);
            other.store(loaded + 1, Relaxed);
        });
        let loaded = value.load(Relaxed);
        value.store(loaded + 1, Relaxed);
        t.join().unwrap();
        seen.record(loaded);
    });
    assert_eq!(report.sites.len(), 4);
}

/// The control: loom itself skips an outcome of the model above. When this fails, loom is mended
/// (tokio-rs/loom#392) and the shadow accesses can go.
#[test]
fn loom_alone_misses_load_then_store() {
    use std::collections::BTreeSet;

    type Pair = (loom::sync::atomic::AtomicUsize, loom::sync::atomic::AtomicBool);
    fn bump((value, touched): &Pair, shadow: bool) -> usize {
        let touch = || shadow.then(|| touched.fetch_or(false, Relaxed));
        touch();
        let loaded = value.load(Relaxed);
        touch();
        value.store(loaded + 1, Relaxed);
        loaded
    }
    fn outcomes(shadow: bool) -> BTreeSet<usize> {
        let seen = std::sync::Arc::new(std::sync::Mutex::new(BTreeSet::new()));
        let noted = std::sync::Arc::clone(&seen);
        loom::model(move || {
            let pair: Arc<Pair> = Arc::default();
            let theirs = Arc::clone(&pair);
            let t = loom::thread::spawn(move || bump(&theirs, shadow));
            noted.lock().unwrap().insert(bump(&pair, shadow));
            t.join().unwrap();
        });
        std::mem::take(&mut *seen.lock().unwrap())
    }
    Model::new("alone_misses_load_then_store").check(|_| {});
    assert_eq!(outcomes(true), BTreeSet::from([0, 1]));
    assert_eq!(
        outcomes(false),
        BTreeSet::from([0]),
        "loom reaches every outcome by itself: the shadow can go"
    );
}

struct Message {
    ready: AtomicUsize,
    value: UnsafeCell<usize>,
}
// SAFETY: `value` is read only after `ready` says that the write is over.
unsafe impl Sync for Message {}

impl Message {
    fn new() -> Arc<Self> {
        Arc::new(Self { ready: AtomicUsize::new(0), value: UnsafeCell::new(0) })
    }

    fn send(&self) {
        // SAFETY: the only writer, before any reader is let in.
        self.value.with_mut(|value| unsafe { *value = 7 });
        // ORD[message] Release → Acquire in `receive`: the write above happens before the read.
        self.ready.store(1, Release);
    }

    fn receive(&self) -> Option<usize> {
        // ORD[message] Acquire ← Release in `send`.
        (self.ready.load(Acquire) == 1)
            // SAFETY: the writer is done, as the flag says.
            .then(|| self.value.with(|value| unsafe { *value }))
    }
}

/// The reader must see the message once it sees the flag.
#[test]
fn loom_message_passing() {
    Model::new("message_passing").reaches(["read", "not yet"]).floor(2).check(|seen| {
        let message = Message::new();
        let writer = Arc::clone(&message);
        let t = thread::spawn(move || writer.send());
        match message.receive() {
            Some(value) => {
                assert_eq!(value, 7);
                seen.record("read");
            }
            None => seen.record("not yet"),
        }
        t.join().unwrap();
    });
}

/// Both orderings of the message are needed, by their call sites; each with its own is the control.
#[test]
fn loom_weakened_ordering_is_found() {
    let file = std::env::temp_dir().join(format!("primitives-sites-{}", std::process::id()));
    let path = file.to_str().expect("a temporary path is UTF-8");
    passes(&child("loom_message_passing", &[("QUARRY_LOOM_RECORD", path)]));
    let sites = std::fs::read_to_string(&file).expect("the child recorded its sites");
    std::fs::remove_file(&file).expect("the file is ours");
    let sites: Vec<_> = sites.lines().filter_map(|line| line.split_once(' ')).collect();
    assert_eq!(sites.len(), 2, "{sites:?}");
    for (site, order) in sites {
        let run = |order| {
            let weaken = format!("{site}={order}");
            child("loom_message_passing", &[("QUARRY_LOOM_WEAKEN", &weaken)])
        };
        let control = run(order);
        passes(&control);
        assert!(!text(&control).contains("weakened=0"), "the site is met: {}", text(&control));
        fails(&run("Relaxed"), "Causality violation");
    }
    fails(
        &child("loom_message_passing", &[("QUARRY_LOOM_WEAKEN", "here=Relaxed")]),
        "expected file:line:column:slot=Ordering",
    );
    // One model beside the children, so that this test too is a model with executions.
    Model::new("weakened_ordering_is_found").check(|_| {});
}

/// A message published by fences, for the fence slot.
#[test]
fn loom_message_by_fences() {
    let report = Model::new("message_by_fences").reaches(["read", "not yet"]).check(|seen| {
        let message = Message::new();
        let writer = Arc::clone(&message);
        let t = thread::spawn(move || {
            // SAFETY: the only writer, before any reader is let in.
            writer.value.with_mut(|value| unsafe { *value = 7 });
            // ORD[fenced] Release → Acquire below: the write above happens before the read.
            fence(Release);
            // ORD Relaxed: the fence orders.
            writer.ready.store(1, Relaxed);
        });
        // ORD Relaxed: the fence orders.
        if message.ready.load(Relaxed) == 1 {
            // ORD[fenced] Acquire ← Release above.
            fence(Acquire);
            // SAFETY: the writer is done, as the flag says.
            assert_eq!(message.value.with(|value| unsafe { *value }), 7);
            seen.record("read");
        } else {
            seen.record("not yet");
        }
        t.join().unwrap();
    });
    let fences: Vec<_> =
        report.sites.iter().filter(|(site, _)| site.to_string().ends_with(":fence")).collect();
    assert_eq!(fences.len(), 2);
    for (site, _) in fences {
        let weaken = format!("{site}=Relaxed");
        if std::env::var_os("QUARRY_LOOM_WEAKEN").is_none() {
            fails(
                &child("loom_message_by_fences", &[("QUARRY_LOOM_WEAKEN", &weaken)]),
                "Causality violation",
            );
        }
    }
}

/// A weak compare-exchange without competition succeeds, and fails.
#[test]
fn loom_weak_exchange_fails_spuriously() {
    Model::new("weak_exchange_fails_spuriously").reaches(["ok", "spurious"]).check(|seen| {
        let value = AtomicUsize::new(0);
        match value.compare_exchange_weak(0, 1, AcqRel, Relaxed) {
            Ok(_) => seen.record("ok"),
            Err(0) => seen.record("spurious"),
            Err(other) => panic!("nobody wrote {other}"),
        }
        // A loop ends: one failure per execution.
        let mut current = 0;
        while let Err(now) = value.compare_exchange_weak(current, 5, AcqRel, Relaxed) {
            current = now;
        }
        assert_eq!(value.compare_exchange(5, 6, AcqRel, Relaxed), Ok(5), "the strong one does not");
    });
}

/// One thread frees a block, the other reads an atomic in it: no order, a race.
fn free_while_reading(ordered: bool, by_hand: bool) {
    Model::new("free_while_reading").reaches(["over"]).check(move |seen| {
        let layout = Layout::new::<(AtomicUsize, AtomicUsize)>();
        // SAFETY: the layout is not empty.
        let block = unsafe { alloc(layout) };
        let node = block.cast::<AtomicUsize>();
        // SAFETY: the block is new and large enough.
        unsafe { node.write(AtomicUsize::new(7)) };
        let done = Arc::new(AtomicBool::new(false));
        let (their_done, address) = (Arc::clone(&done), AtomicPtr::new(node));
        let t = thread::spawn(move || {
            let node = address.into_inner();
            if by_hand {
                access(node);
            } else {
                // SAFETY: in the ordered model the block lives until `done`; the other is wrong on
                // purpose, and the facade keeps the block mapped.
                assert_eq!(unsafe { &*node }.load(Relaxed), 7);
            }
            // ORD[read-done] Release → Acquire below: the read happens before the free.
            their_done.store(true, Release);
        });
        if ordered {
            // ORD[read-done] Acquire ← Release above.
            while !done.load(Acquire) {
                hint::spin_loop();
            }
            // SAFETY: written above, and the reader is done.
            unsafe { node.drop_in_place() };
        }
        // SAFETY: allocated above with this layout; wrong on purpose unless ordered.
        unsafe { dealloc(block, layout) };
        t.join().unwrap();
        seen.record("over");
    });
}

#[test]
fn loom_ordered_free_passes() {
    free_while_reading(true, false);
    free_while_reading(true, true);
}

#[test]
#[ignore = "wrong on purpose: loom_racing_free_is_seen runs it"]
fn racing_free() {
    free_while_reading(false, false);
}

#[test]
#[ignore = "wrong on purpose: loom_racing_free_is_seen runs it"]
fn racing_free_by_hand() {
    free_while_reading(false, true);
}

/// The free comes after the read in time, and nothing orders it after: only a free that counts as a
/// write is a race with it.
#[test]
#[ignore = "wrong on purpose: loom_racing_free_is_seen runs it"]
fn free_after_unordered_read() {
    Model::new("free_after_unordered_read").check(|_| {
        let layout = Layout::new::<u64>();
        // SAFETY: the layout is not empty.
        let block = AtomicPtr::new(unsafe { alloc(layout) });
        let block = Arc::new((block, AtomicUsize::new(0)));
        let theirs = Arc::clone(&block);
        let t = thread::spawn(move || {
            access(theirs.0.load(Relaxed));
            // Wrong on purpose: Release is what it takes.
            theirs.1.store(1, Relaxed);
        });
        let was_read = block.1.load(Relaxed) == 1;
        if !was_read {
            t.join().unwrap();
        }
        // SAFETY: allocated above with this layout, and read by then.
        unsafe { dealloc(block.0.load(Relaxed), layout) };
    });
}

/// Dropping an atomic is a write: a `Box` freed while another thread may still load from it.
#[test]
#[ignore = "wrong on purpose: loom_racing_free_is_seen runs it"]
fn racing_drop() {
    Model::new("racing_drop").check(|_| {
        let node = Box::into_raw(Box::new(AtomicUsize::new(7)));
        let address = AtomicPtr::new(node);
        let t = thread::spawn(move || {
            // SAFETY: none: wrong on purpose. The first execution runs this before the drop.
            assert_eq!(unsafe { &*address.into_inner() }.load(Relaxed), 7);
        });
        thread::yield_now();
        // SAFETY: from `Box::into_raw`; wrong on purpose, since the thread may still load.
        drop(unsafe { Box::from_raw(node) });
        t.join().unwrap();
    });
}

#[test]
#[ignore = "wrong on purpose: loom_racing_free_is_seen runs it"]
fn double_free() {
    Model::new("double_free").check(|_| {
        let layout = Layout::new::<u64>();
        // SAFETY: the layout is not empty.
        let block = unsafe { alloc(layout) };
        // SAFETY: allocated above with this layout.
        unsafe { dealloc(block, layout) };
        // SAFETY: none: wrong on purpose; the facade has kept the block.
        unsafe { dealloc(block, layout) };
    });
}

#[test]
#[ignore = "wrong on purpose: loom_racing_free_is_seen runs it"]
fn leaked_block() {
    Model::new("leaked_block").check(|_| {
        // SAFETY: the layout is not empty.
        let _ = unsafe { alloc(Layout::new::<u64>()) };
    });
}

#[test]
#[ignore = "wrong on purpose: loom_racing_free_is_seen runs it"]
fn leaked_track() {
    Model::new("leaked_track").check(|_| {
        let _ = core::mem::ManuallyDrop::new(Track::new(1));
    });
}

#[test]
fn loom_racing_free_is_seen() {
    // Which of the two messages comes depends on who runs first.
    let output = child("racing_free", &[]);
    assert!(!output.status.success());
    let said = text(&output);
    assert!(
        said.contains("Causality violation") || said.contains("use after free"),
        "the child said:\n{said}"
    );
    let output = child("racing_free_by_hand", &[]);
    assert!(!output.status.success());
    fails(&child("free_after_unordered_read", &[]), "Causality violation");
    fails(&child("racing_drop", &[]), "Causality violation");
    fails(&child("double_free", &[]), "double free");
    fails(&child("leaked_block", &[]), "leaked");
    fails(&child("leaked_track", &[]), "leaked");
    Model::new("racing_free_is_seen").check(|_| {});
}

/// A counter by compare-exchange is lock-free; one under a spin lock is not.
fn counter_frozen_at(site: Option<Site>) -> primitives::model::Report {
    let model = Model::new("lock_free_counter").reaches(["2"]);
    let model = match site {
        Some(site) => model.freeze(site),
        None => model,
    };
    model.check(|seen| {
        let counter = Arc::new(AtomicUsize::new(0));
        let bump = |counter: &AtomicUsize| {
            let mut current = counter.load(Relaxed);
            // ORD Relaxed: a count, it guards nothing.
            while let Err(now) =
                counter.compare_exchange_weak(current, current + 1, Relaxed, Relaxed)
            {
                current = now;
            }
        };
        let threads = [0, 1].map(|_| {
            let counter = Arc::clone(&counter);
            thread::spawn(move || bump(&counter))
        });
        for thread in threads {
            thread.join().unwrap();
        }
        seen.record(counter.load(Relaxed));
    })
}

#[test]
fn loom_frozen_thread_does_not_stop_a_lock_free_counter() {
    let report = counter_frozen_at(None);
    assert_eq!(report.sites.len(), 4, "load, cas-ok, cas-err, and main's load: {:?}", report.sites);
    assert_eq!(report.together.len(), 2, "load and exchange: {:?}", report.together);
    for site in report.together {
        assert!(counter_frozen_at(Some(site.clone())).frozen > 0, "nobody froze at {site}");
    }
}

/// Whoever is alone is not frozen: that would show nothing, and the one to freeze comes later.
#[test]
fn loom_a_thread_alone_is_not_the_one_that_freezes() {
    let bump = |value: &AtomicUsize| value.fetch_add(1, Relaxed);
    let check = |site: Option<Site>| {
        let model = Model::new("alone_is_not_frozen").reaches(["1", "2"]);
        let model = match site {
            Some(site) => model.freeze(site),
            None => model,
        };
        model.check(move |seen| {
            let value = Arc::new(AtomicUsize::new(0));
            // Alone, at the very site.
            bump(&value);
            let theirs = Arc::clone(&value);
            let other = thread::spawn(move || bump(&theirs));
            seen.record(bump(&value));
            other.join().unwrap();
        })
    };
    let mut together = check(None).together.into_iter();
    let (Some(site), None) = (together.next(), together.next()) else { panic!("one site") };
    let report = check(Some(site));
    // Frozen: the first of the two that meet, which then sees the other's; never the one before.
    assert_eq!(report.outcomes, ["1", "2"].map(String::from).into());
    assert!(report.frozen > 0 && report.frozen <= report.executions);
}

/// What a model says about progress reaches the file that asks for it, with the sites to freeze at.
#[test]
fn loom_progress_is_told() {
    let file = std::env::temp_dir().join(format!("primitives-progress-{}", std::process::id()));
    let path = file.to_str().expect("a temporary path is UTF-8");
    passes(&child("spin_lock_counter", &[("QUARRY_LOOM_PROGRESS", path)]));
    let told = std::fs::read_to_string(&file).expect("the child told");
    std::fs::remove_file(&file).expect("the file is ours");
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(
        lines[..2],
        ["blocking SpinLock::lock", "blocks-at SpinLock::unlock store"],
        "{told}"
    );
    assert_eq!(lines[2..].iter().filter(|line| line.starts_with("site ")).count(), 4, "{told}");
    passes(&child("loom_message_passing", &[("QUARRY_LOOM_PROGRESS", path)]));
    assert!(!file.exists(), "a model that says nothing tells nothing");
    Model::new("progress_is_told").check(|_| {});
}

#[test]
#[ignore = "not lock-free: loom_frozen_thread_stops_a_spin_lock runs it"]
fn spin_lock_counter() {
    let model = Model::new("spin_lock_counter").reaches(["2"]);
    let model = model.blocking(&["SpinLock::lock"], &["SpinLock::unlock store"]);
    model.check(|seen| {
        let locked = Arc::new((AtomicBool::new(false), AtomicUsize::new(0)));
        let bump = |locked: &(AtomicBool, AtomicUsize)| {
            while locked.0.compare_exchange(false, true, Acquire, Relaxed).is_err() {
                hint::spin_loop();
            }
            locked.1.store(locked.1.load(Relaxed) + 1, Relaxed);
            locked.0.store(false, Release);
        };
        let threads = [0, 1].map(|_| {
            let locked = Arc::clone(&locked);
            thread::spawn(move || bump(&locked))
        });
        for thread in threads {
            thread.join().unwrap();
        }
        seen.record(locked.1.load(Relaxed));
    });
}

#[test]
fn loom_frozen_thread_stops_a_spin_lock() {
    let file = std::env::temp_dir().join(format!("primitives-spin-{}", std::process::id()));
    let path = file.to_str().expect("a temporary path is UTF-8");
    passes(&child("spin_lock_counter", &[("QUARRY_LOOM_RECORD", path)]));
    let sites = std::fs::read_to_string(&file).expect("the child recorded its sites");
    std::fs::remove_file(&file).expect("the file is ours");
    let unlock = sites
        .lines()
        .filter_map(|line| line.strip_suffix(" Release"))
        .find(|site| site.ends_with(":store"))
        .expect("the lock is released by a store");
    fails(
        &child("spin_lock_counter", &[("QUARRY_LOOM_FREEZE", unlock)]),
        "exceeded maximum number of branches",
    );
    Model::new("frozen_thread_stops_a_spin_lock").check(|_| {});
}

/// An outcome that is missing, or not expected, or too few executions: each fails the run.
#[test]
fn loom_harness_can_fail() {
    let fails =
        |model: Model| std::panic::catch_unwind(|| model.check(|seen| seen.record("a"))).is_err();
    assert!(!fails(Model::new("as_expected").reaches(["a"])));
    assert!(fails(Model::new("missing").reaches(["a", "b"])));
    assert!(fails(Model::new("unexpected").reaches(["b"])));
    assert!(fails(Model::new("too_few").reaches(["a"]).floor(2)));
}

/// Scopes, exclusive access, mutexes and thread-locals work under the model.
#[test]
fn loom_scope_and_locals() {
    primitives::sync::thread_local! {
        static MINE: core::cell::Cell<usize> = const { core::cell::Cell::new(0) };
    }
    Model::new("scope_and_locals").reaches(["3"]).check(|seen| {
        let sum = Mutex::new(0);
        let mut count = AtomicUsize::new(0);
        thread::scope(|scope| {
            let handle = scope.spawn(|| {
                MINE.with(|mine| mine.set(1));
                *sum.lock().unwrap() += MINE.with(|mine| mine.get());
                count.fetch_add(1, Relaxed);
                5
            });
            scope.spawn(|| {
                assert_eq!(MINE.with(|mine| mine.get()), 0);
                *sum.lock().unwrap() += 2;
                count.fetch_add(1, Relaxed);
            });
            assert_eq!(handle.join().unwrap(), 5);
        });
        assert_eq!(count.get(), 2);
        count.with_mut(|count| *count = 9);
        assert_eq!(count.into_inner(), 9);
        seen.record(sum.into_inner().unwrap());
    });
}
