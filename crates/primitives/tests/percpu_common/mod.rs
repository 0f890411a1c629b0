//! What the tests of per-CPU data share: tokens, pinning, a seeded generator.
#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses its part")]

use core::num::NonZeroUsize;
use core::ptr::NonNull;

use primitives::percpu::{Mode, Source, source};

/// Set in children that run with restartable sequences switched off.
pub(crate) const RSEQ_OFF: &str = "PERCPU_TEST_RSEQ_OFF";

/// A word that is no address: token `id`, counted from 0.
pub(crate) fn token(id: usize) -> NonNull<u8> {
    NonNull::without_provenance(NonZeroUsize::new(id + 1).unwrap())
}

/// The number of a token.
pub(crate) fn id(token: NonNull<u8>) -> usize {
    token.addr().get() - 1
}

/// The modes this process has.
pub(crate) fn modes() -> Vec<Mode> {
    if sections_here() { vec![Mode::Rseq, Mode::Atomic] } else { vec![Mode::Atomic] }
}

/// Whether sections can run: x86-64 Linux, registered.
pub(crate) fn sections_here() -> bool {
    cfg!(all(target_os = "linux", target_arch = "x86_64", target_pointer_width = "64"))
        && source() == Source::Rseq
}

/// The CPUs this process may use.
#[cfg(target_os = "linux")]
pub(crate) fn allowed_cpus() -> Vec<usize> {
    // SAFETY: a plain bit set, for which all zeros is the empty set.
    let mut set: libc::cpu_set_t = unsafe { core::mem::zeroed() };
    // SAFETY: the pointer and the size describe `set`.
    let result = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) };
    assert_eq!(result, 0, "sched_getaffinity: {}", std::io::Error::last_os_error());
    // SAFETY: the bit is inside the set.
    (0..libc::CPU_SETSIZE as usize).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) }).collect()
}

/// Lets thread `tid` (0: the caller) run on `cpus` only.
#[cfg(target_os = "linux")]
pub(crate) fn pin(tid: libc::pid_t, cpus: &[usize]) {
    // SAFETY: as in `allowed_cpus`.
    let mut set: libc::cpu_set_t = unsafe { core::mem::zeroed() };
    for &cpu in cpus {
        // SAFETY: the bit is inside the set: the ids came from `allowed_cpus`.
        unsafe { libc::CPU_SET(cpu, &mut set) };
    }
    // SAFETY: the pointer and the size describe `set`.
    let result = unsafe { libc::sched_setaffinity(tid, size_of_val(&set), &raw const set) };
    assert_eq!(
        result,
        0,
        "sched_setaffinity({tid}, {cpus:?}): {}",
        std::io::Error::last_os_error()
    );
}

/// A small generator (xorshift64*): the same numbers for the same seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }
}

/// Runs this test binary once more with restartable sequences switched off; the named tests must pass there too.
#[cfg(target_os = "linux")]
pub(crate) fn run_again_without_rseq(only: &[&str]) {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(only)
        .env("GLIBC_TUNABLES", "glibc.pthread.rseq=0")
        .env(RSEQ_OFF, "1")
        .output()
        .expect("the test binary runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}:\n{text}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let passed = text
        .split("test result: ok. ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next()?.parse::<usize>().ok())
        .unwrap_or(0);
    assert!(passed > 0, "no test ran without rseq:\n{text}");
}

/// Whether this process is such a child.
pub(crate) fn rseq_switched_off() -> bool {
    std::env::var_os(RSEQ_OFF).is_some()
}
