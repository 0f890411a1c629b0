//! The rseq storm: more threads than CPUs push, pop and add while signals hit them every few dozen microseconds and
//! they are moved from CPU to CPU at random. The signal handler pushes, pops and adds as well.
//!
//! What must hold: a token is in one place at a time (asserted at every move), none is lost, the counter is exact; and
//! the storm was one: the kernel sent more than 1,000 sections of the stack back to their start.
#![cfg(all(target_os = "linux", not(any(loom, shuttle))))]

use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use core::time::Duration;
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::Instant;

use primitives::percpu::{Full, Mode, PerCpuCounter, PerCpuStack, possible_cpus};

mod percpu_common;
use percpu_common::{Random, allowed_cpus, id, pin, sections_here, token};

const CAPACITY: usize = 7;
const TOKENS: usize = 48;
/// A storm lasts so long, and until it was storm enough.
const LEAST: Duration = Duration::from_millis(900);
/// One that is not enough by then never will be.
const MOST: Duration = Duration::from_secs(100);
const ABORTS: u64 = 1_000;
const SIGNALS: u64 = 1_000;
const SIGNAL_EVERY_NS: i64 = 47_000;

// Whom a token belongs to: the stack, a thread (its number + 2), or for good to the stash of the signal handler.
const IN_STACK: u32 = 0;
const STASHED: u32 = 1;

struct Storm {
    stack: PerCpuStack<CAPACITY>,
    counter: PerCpuCounter,
    owner: [AtomicU32; TOKENS],
    handled: AtomicU64,
    stashed: AtomicUsize,
    stop: AtomicBool,
}

impl Storm {
    /// `from` gives the token to `to`.
    fn hand_over(&self, token: usize, from: u32, to: u32) {
        let owner = self.owner[token].swap(to, Ordering::SeqCst);
        if owner != from {
            // Not a panic: this may be a signal handler, and the other threads must not go on.
            let text =
                format!("token {token} belongs to {owner}, not to {from}: it is in two places\n");
            // SAFETY: the pointer and the length describe `text`.
            unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
            std::process::abort();
        }
    }

    fn push(&self, token_id: usize, me: u32) -> Result<(), usize> {
        self.hand_over(token_id, me, IN_STACK);
        self.stack.push(token(token_id)).map_err(|Full(back)| {
            self.hand_over(id(back), IN_STACK, me);
            id(back)
        })
    }

    fn pop(&self, me: u32) -> Option<usize> {
        let token_id = id(self.stack.pop()?);
        if token_id >= TOKENS {
            std::process::abort();
        }
        self.hand_over(token_id, IN_STACK, me);
        Some(token_id)
    }
}

/// The storm that the signal handler takes part in.
static CURRENT: AtomicPtr<Storm> = AtomicPtr::new(core::ptr::null_mut());

/// Adds, and now and then takes a word and puts it back: right in the middle of whatever the thread was doing.
extern "C" fn on_signal(_: libc::c_int) {
    let storm = CURRENT.load(Ordering::SeqCst);
    // SAFETY: null, or the storm under way: timers are deleted and threads joined before it ends.
    let Some(storm) = (unsafe { storm.as_ref() }) else { return };
    storm.counter.add(1);
    let n = storm.handled.fetch_add(1, Ordering::SeqCst);
    if n % 4 == 0
        && let Some(token) = storm.pop(STASHED)
        && storm.push(token, STASHED).is_err()
    {
        // No room any more, and no place to keep it: it stays out of play.
        storm.stashed.fetch_add(1, Ordering::SeqCst);
    }
}

/// A timer that sends SIGUSR1 to the calling thread until it is dropped.
struct Timer(libc::timer_t);

impl Timer {
    fn start(period_ns: i64) -> Self {
        // SAFETY: a plain structure, for which zeros are valid.
        let mut event: libc::sigevent = unsafe { core::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = libc::SIGUSR1;
        // SAFETY: no arguments.
        event.sigev_notify_thread_id = unsafe { libc::gettid() };
        let mut timer: libc::timer_t = core::ptr::null_mut();
        // SAFETY: both pointers are to live locals.
        let made =
            unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) };
        assert_eq!(made, 0, "timer_create: {}", std::io::Error::last_os_error());
        let period = libc::timespec { tv_sec: 0, tv_nsec: period_ns };
        let spec = libc::itimerspec { it_interval: period, it_value: period };
        // SAFETY: `timer` was made above, `spec` is a live local, no old value is asked for.
        let set = unsafe { libc::timer_settime(timer, 0, &raw const spec, core::ptr::null_mut()) };
        assert_eq!(set, 0, "timer_settime: {}", std::io::Error::last_os_error());
        Self(timer)
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: made in `start`, deleted once.
        unsafe { libc::timer_delete(self.0) };
    }
}

fn worker(storm: &Storm, number: u32, threads: usize, tokens: Vec<usize>) -> (Vec<usize>, u64) {
    let me = number + 2;
    let mut held = tokens;
    // One at least, however many the CPUs.
    let most = (2 * TOKENS / threads).max(1);
    let mut adds = 0;
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ u64::from(number + 1) << 32);
    // Slightly different periods, so that the threads' signals do not march in step.
    let _timer = Timer::start(SIGNAL_EVERY_NS + 1_300 * i64::from(number));
    while !storm.stop.load(Ordering::Relaxed) {
        for _ in 0..64 {
            let bits = random.next();
            if bits & 1 == 0 && held.len() < most {
                held.extend(storm.pop(me));
            } else if let Some(token) = held.pop()
                && let Err(back) = storm.push(token, me)
            {
                held.push(back);
            }
            storm.counter.add(1);
            adds += 1;
        }
    }
    (held, adds)
}

fn storm(shards: usize, mode: Mode) {
    // One storm at a time: signals and affinity are the process's.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);

    let mut storm = Storm {
        stack: PerCpuStack::with_shards(shards, mode),
        counter: PerCpuCounter::with_shards(shards, mode),
        owner: [const { AtomicU32::new(IN_STACK) }; TOKENS],
        handled: AtomicU64::new(0),
        stashed: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
    };
    assert_eq!(storm.stack.mode(), mode);
    let cpus = allowed_cpus();
    let threads = 2 * cpus.len() + 2;

    // SAFETY: a plain structure, for which zeros are valid.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    action.sa_sigaction = on_signal as extern "C" fn(libc::c_int) as libc::sighandler_t;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the handler uses atomics and the operations under test only; `action` is a live local.
    let set = unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, core::ptr::null_mut()) };
    assert_eq!(set, 0, "sigaction: {}", std::io::Error::last_os_error());
    CURRENT.store(&raw mut storm, Ordering::SeqCst);

    let start = Instant::now();
    let ready = Barrier::new(threads + 1);
    let tids: Vec<AtomicU32> = (0..threads).map(|_| AtomicU32::new(0)).collect();
    let (held, adds) = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|number| {
                let (storm, ready, tids) = (&storm, &ready, &tids);
                let tokens: Vec<usize> =
                    (0..TOKENS).filter(|token| token % threads == number).collect();
                scope.spawn(move || {
                    let number_u32 = u32::try_from(number).unwrap();
                    tokens
                        .iter()
                        .for_each(|&token| storm.hand_over(token, IN_STACK, number_u32 + 2));
                    // SAFETY: no arguments.
                    tids[number].store(unsafe { libc::gettid() }.cast_unsigned(), Ordering::SeqCst);
                    ready.wait();
                    worker(storm, number_u32, threads, tokens)
                })
            })
            .collect();
        ready.wait();
        let mut random = Random(1);
        loop {
            let tid = tids[random.below(threads)].load(Ordering::SeqCst).cast_signed();
            if random.next() & 3 == 0 {
                pin(tid, &cpus);
            } else {
                pin(tid, &[cpus[random.below(cpus.len())]]);
            }
            thread::sleep(Duration::from_micros(60));
            let aborted = mode == Mode::Atomic || storm.stack.stats().aborts > ABORTS + 50;
            let enough = aborted && storm.handled.load(Ordering::SeqCst) > SIGNALS;
            if start.elapsed() > MOST || (enough && start.elapsed() > LEAST) {
                break;
            }
        }
        storm.stop.store(true, Ordering::SeqCst);
        let mut all = (Vec::new(), 0);
        for worker in workers {
            let (held, adds) = worker.join().unwrap();
            all.0.extend(held);
            all.1 += adds;
        }
        all
    });
    CURRENT.store(core::ptr::null_mut(), Ordering::SeqCst);

    let (handled, stats) = (*storm.handled.get_mut(), storm.stack.stats());
    eprintln!(
        "{mode:?}, {shards} shards, {threads} threads on {} CPUs, {:.1} s: {adds} rounds, {handled} signals, {} + {} \
         aborts (stack, counter), {} shards found taken",
        cpus.len(),
        start.elapsed().as_secs_f64(),
        stats.aborts,
        storm.counter.aborts(),
        stats.contended,
    );
    assert_eq!(storm.counter.sum(), adds + handled, "the counter is exact");
    let in_stack = storm.stack.drain().map(id).collect::<Vec<_>>();
    in_stack.iter().for_each(|&token| storm.hand_over(token, IN_STACK, STASHED));
    let found = in_stack.len() + held.len() + *storm.stashed.get_mut();
    assert_eq!(
        found,
        TOKENS,
        "{} in the stack, {} held: a token is lost",
        in_stack.len(),
        held.len()
    );
    assert!(handled > SIGNALS, "{handled} signals make no storm");
    if mode == Mode::Rseq {
        assert!(stats.aborts > ABORTS, "{} aborts: too few for a storm", stats.aborts);
    }
}

#[test]
fn storm_in_rseq_mode() {
    if sections_here() {
        storm(possible_cpus(), Mode::Rseq);
    } else {
        eprintln!("not run: no restartable sequences in this process");
    }
}

/// One CPU has a section's shard, the others share the extra one.
#[test]
fn storm_in_rseq_mode_with_too_few_shards() {
    if sections_here() {
        storm(1, Mode::Rseq);
    } else {
        eprintln!("not run: no restartable sequences in this process");
    }
}

#[test]
fn storm_in_atomic_mode() {
    storm(possible_cpus(), Mode::Atomic);
}

#[test]
fn storm_without_rseq() {
    if !percpu_common::rseq_switched_off() {
        percpu_common::run_again_without_rseq(&["storm_in_atomic_mode"]);
    }
}
