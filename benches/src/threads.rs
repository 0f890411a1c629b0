//! CPUs of this process and pinning of threads to them.
//!
//! The set of CPUs is read once, before anybody pins: a thread inherits its parent's affinity, so
//! a later reading would see one CPU and pin everything there. [`cpus`] is called first thing by
//! the runner's `main`.

use core::mem;
use std::io;
use std::sync::OnceLock;

/// Returns the CPUs this process may run on, as they were at the first call.
pub fn cpus() -> &'static [usize] {
    static CPUS: OnceLock<Vec<usize>> = OnceLock::new();
    CPUS.get_or_init(|| {
        // SAFETY: a `cpu_set_t` is an array of integers, for which all zeros is a value.
        let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
        // SAFETY: 0 is the calling thread; the length is that of `set`, which is writable.
        let failed =
            unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) };
        if failed != 0 {
            return vec![0];
        }
        let bits = 8 * size_of::<libc::cpu_set_t>();
        // SAFETY: every index is below the number of bits in the set.
        (0..bits).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) }).collect()
    })
}

/// Pins the calling thread to the `index`-th of this process's [`cpus`], wrapping round when
/// there are fewer: with more threads than CPUs the row is labelled oversubscribed, and thread
/// `index` shares its CPU with thread `index + cpus().len()`.
///
/// # Errors
///
/// Returns the error of `sched_setaffinity`, for instance when a container forbids it.
pub fn try_pin(index: usize) -> io::Result<()> {
    let cpus = cpus();
    let cpu = cpus[index % cpus.len()];
    // SAFETY: a `cpu_set_t` is an array of integers, for which all zeros is a value.
    let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: `cpu` came out of a set of the same type, so it is in range.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    // SAFETY: 0 is the calling thread; the length is that of `set`, which is initialised.
    match unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Pins the calling thread as [`try_pin`] does; engines call it first thing in each of their
/// threads.
///
/// # Panics
///
/// Panics when the system refuses: an unpinned thread would make the row mean something else.
pub fn pin(index: usize) {
    if let Err(error) = try_pin(index) {
        panic!("cannot pin thread {index} to one of CPUs {:?}: {error}", cpus());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pinned_thread_runs_where_it_was_put() {
        let all = cpus().to_vec();
        for index in 0..all.len() * 2 {
            let cpu = std::thread::spawn(move || {
                pin(index);
                // SAFETY: no argument, no effect beyond its result.
                unsafe { libc::sched_getcpu() }
            })
            .join()
            .unwrap();
            assert_eq!(usize::try_from(cpu).unwrap(), all[index % all.len()]);
        }
        assert_eq!(cpus(), all, "pinning other threads must not change the set");
    }
}
