//! What the kernel knows of this process: CPU time, page faults, resident memory.

use std::fs;

/// CPU time of all threads of this process, in nanoseconds.
#[must_use]
pub fn cpu_ns() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is writable; the clock exists on every Linux, and on failure stays zero.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    #[expect(clippy::cast_precision_loss, reason = "53 bits of nanoseconds are 104 days")]
    let ns = time.tv_sec as f64 * 1e9 + time.tv_nsec as f64;
    ns
}

/// CPU time of the calling thread, in nanoseconds.
#[must_use]
pub fn thread_cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is writable; the clock exists on every Linux, and on failure stays zero.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    u64::try_from(time.tv_sec * 1_000_000_000 + time.tv_nsec).unwrap_or(0)
}

/// Page faults so far that needed no reading from disk.
#[must_use]
pub fn minor_faults() -> u64 {
    // SAFETY: `rusage` is a struct of integers, for which all zeros is a value.
    let mut usage: libc::rusage = unsafe { core::mem::zeroed() };
    // SAFETY: `usage` is writable and of the type that the call fills.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
    u64::try_from(usage.ru_minflt).unwrap_or(0)
}

/// Resident memory at one moment, from which its highest growth is read later.
#[derive(Debug)]
pub struct Memory {
    resident: Option<f64>,
}

impl Memory {
    /// Notes the resident memory of now, and starts the high-water mark from it.
    #[must_use]
    pub fn baseline() -> Self {
        // Refused on some systems: the mark then still holds the start-up's peak, which is close
        // to what is resident now.
        let _ = fs::write("/proc/self/clear_refs", "5");
        Memory { resident: resident_bytes() }
    }

    /// Returns how far resident memory has risen above the baseline since.
    #[must_use]
    pub fn growth(&self) -> Option<f64> {
        Some((status_bytes("VmHWM:")? - self.resident?).max(0.0))
    }
}

/// Resident memory of this process, in bytes, if the system says.
#[must_use]
pub fn resident_bytes() -> Option<f64> {
    status_bytes("VmRSS:")
}

/// Reads one line of `/proc/self/status`, which counts in KiB.
fn status_bytes(key: &str) -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1024.0)
}
