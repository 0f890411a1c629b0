//! What becomes of a section whose thread is moved while it is inside: only the shards tell.
//!
//! A storm of threads (`tests/percpu_storm.rs`) meets this too, if the scheduler happens to move a thread
//! from within a section to a CPU whose own thread is inside one. Here the thread moves itself, in the
//! handler of a signal that came while it was inside, so that it starts again somewhere else each time.

use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize};
use core::time::Duration;
use std::eprintln;
use std::io::Error;
use std::time::Instant;
use std::vec::Vec;

use super::*;

/// Moves that met a section, of so many the test asks.
const MET: u32 = 50;
const MOST: Duration = Duration::from_secs(30);
const SIGNAL_EVERY_NS: i64 = 20_000;

// What the handler works on. Null: it does nothing. All of it is of one thread, which the handler
// interrupts: each side sees what the other did before in program order, and orderings only keep the
// compiler to that.
static SECTIONS: AtomicPtr<Sections<CountShard>> = AtomicPtr::new(core::ptr::null_mut());
static AWAY: AtomicUsize = AtomicUsize::new(0);
static MOVED: AtomicBool = AtomicBool::new(false);
static ABORTS: AtomicU64 = AtomicU64::new(0);

/// Moves the thread that it interrupts to CPU `AWAY`, the first time, and notes the aborts until then.
extern "C" fn on_signal(_: libc::c_int) {
    // ORD Relaxed: this thread stored it before the system call that started the timer.
    // SAFETY: null, or a table that outlives the timer.
    let Some(sections) = (unsafe { SECTIONS.load(Ordering::Relaxed).as_ref() }) else { return };
    // ORD Relaxed: of this thread, and nothing is read by it.
    if !MOVED.load(Ordering::Relaxed) {
        // ORD Relaxed: as `SECTIONS`.
        let _ = pin(AWAY.load(Ordering::Relaxed));
        // ORD Relaxed: the store of `MOVED` below publishes it.
        ABORTS.store(sections.aborts(), Ordering::Relaxed);
        // ORD[moved] Release → Acquire in the loop of the test: the aborts noted, and the move made,
        // before it is told of.
        MOVED.store(true, Ordering::Release);
    }
}

#[test]
fn a_section_that_starts_again_elsewhere_takes_the_shard_there() {
    let allowed = allowed_cpus();
    let made = Sections::try_new(crate::percpu::possible_cpus(), |_| CountShard::new());
    let (Some(sections), [home, .., away]) = (made.unwrap(), &*allowed) else {
        eprintln!("not run: it takes restartable sequences and two CPUs");
        return;
    };
    // ORD Relaxed: the timer, whose signals make the handler look at them, is started by a system call
    // of this thread after both.
    AWAY.store(*away, Ordering::Relaxed);
    SECTIONS.store((&raw const sections).cast_mut(), Ordering::Relaxed);
    let timer = Timer::start();
    // ORD Relaxed: a counter; who added to it on another CPU was this thread.
    let at_home = || sections.shards()[*home].count.load(Ordering::Relaxed);
    let (mut adds, mut met, since) = (0, 0, Instant::now());
    while met < MET {
        assert!(since.elapsed() < MOST, "{met} signals met a section");
        pin(*home).unwrap();
        // ORD Relaxed: a signal that comes before finds it set, and does nothing; what it allows the
        // handler is published already.
        MOVED.store(false, Ordering::Relaxed);
        let mut before = at_home();
        // ORD[moved] Acquire ← Release in `on_signal`: the aborts are read after this, not before.
        while !MOVED.load(Ordering::Acquire) {
            before = at_home();
            assert!(sections.add(1), "every CPU has a shard");
            adds += 1;
        }
        // The last add was sent back to its start when its thread stood elsewhere already.
        // ORD Relaxed: the loop above acquired it.
        if sections.aborts() > ABORTS.load(Ordering::Relaxed) {
            assert_eq!(at_home(), before, "added where the thread was, not where it is");
            met += 1;
        }
    }
    drop(timer);
    assert_eq!(sections.sum(), adds);
}

/// Lets the calling thread run on one CPU only; it is there on return.
fn pin(cpu: usize) -> Result<(), Error> {
    // SAFETY: a plain bit set, for which all zeros is the empty set.
    let mut set: libc::cpu_set_t = unsafe { core::mem::zeroed() };
    // SAFETY: the bit is inside the set: the id came from `allowed_cpus`.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: the pointer and the size describe `set`.
    match unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) } {
        0 => Ok(()),
        _ => Err(Error::last_os_error()),
    }
}

/// The CPUs that this thread may run on.
fn allowed_cpus() -> Vec<usize> {
    // SAFETY: as in `pin`.
    let mut set: libc::cpu_set_t = unsafe { core::mem::zeroed() };
    // SAFETY: the pointer and the size describe `set`.
    let got = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) };
    assert_eq!(got, 0, "sched_getaffinity: {}", Error::last_os_error());
    // SAFETY: the bit is inside the set.
    (0..libc::CPU_SETSIZE as usize).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) }).collect()
}

/// Sends the thread that started it SIGUSR2, again and again, until it is dropped.
struct Timer(libc::timer_t);

impl Timer {
    fn start() -> Self {
        // SAFETY: a plain structure, for which zeros are valid.
        let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
        action.sa_sigaction = on_signal as extern "C" fn(libc::c_int) as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART;
        // SAFETY: the handler uses atomics and system calls only; `action` is a live local.
        let set =
            unsafe { libc::sigaction(libc::SIGUSR2, &raw const action, core::ptr::null_mut()) };
        assert_eq!(set, 0, "sigaction: {}", Error::last_os_error());

        // SAFETY: a plain structure, for which zeros are valid.
        let mut event: libc::sigevent = unsafe { core::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = libc::SIGUSR2;
        // SAFETY: no arguments.
        event.sigev_notify_thread_id = unsafe { libc::gettid() };
        let mut timer: libc::timer_t = core::ptr::null_mut();
        // SAFETY: both pointers are to live locals.
        let made =
            unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) };
        assert_eq!(made, 0, "timer_create: {}", Error::last_os_error());
        let period = libc::timespec { tv_sec: 0, tv_nsec: SIGNAL_EVERY_NS };
        let spec = libc::itimerspec { it_interval: period, it_value: period };
        // SAFETY: `timer` was made above, `spec` is a live local, no old value is asked for.
        let set = unsafe { libc::timer_settime(timer, 0, &raw const spec, core::ptr::null_mut()) };
        assert_eq!(set, 0, "timer_settime: {}", Error::last_os_error());
        Self(timer)
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // ORD Relaxed: of this thread; its signals that are under way find nothing to work on.
        SECTIONS.store(core::ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: made in `start`, deleted once.
        unsafe { libc::timer_delete(self.0) };
    }
}
