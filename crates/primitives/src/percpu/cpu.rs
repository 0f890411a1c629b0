//! Which CPU this thread runs on, and how many there can be.

use core::fmt;
use core::num::ParseIntError;

use crate::sync::atomic::Ordering;
use crate::sync::unmodelled::{AtomicIsize, AtomicU32, AtomicUsize};

#[cfg(all(
    target_os = "linux",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(miri)
))]
use super::area;

/// More CPU ids than this are taken for a mistake in the list: tables are sized by the largest.
const MAX_CPUS: usize = 1 << 16;

/// Where [`current_cpu`](super::current_cpu) gets its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The restartable-sequence area that the C library registered: one load.
    Rseq,
    /// The `rdpid` instruction; Linux keeps `node << 12 | cpu` in the register it reads.
    Rdpid,
    /// `sched_getcpu`.
    Getcpu,
    /// No CPU id at all: threads are numbered in the order in which they ask.
    Thread,
    /// A model checker decides.
    Model,
}

/// The number of a CPU, **as of some moment in the past**: the thread may have been moved since.
///
/// It says where to look first and never what is safe to touch. It can lie outside any table, so tables turn it into an
/// index with [`index`](Self::index).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CpuId(u32);

impl CpuId {
    /// An id by number, in range or not.
    pub const fn new(id: u32) -> Self {
        Self(id)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// An index below `len`: the id itself where it fits, else the id modulo `len`.
    ///
    /// # Panics
    /// If `len` is 0.
    #[inline(always)]
    pub const fn index(self, len: usize) -> usize {
        let id = self.0 as usize;
        if id < len { id } else { wrap(id, len) }
    }
}

#[cold]
const fn wrap(id: usize, len: usize) -> usize {
    assert!(len > 0, "no index in a table of 0 shards");
    id % len
}

// ---- the choice, made once ------------------------------------------------------------------------------------------

/// The chosen source in one word, so that its users need no second load: 0 before the choice, `offset | RSEQ` (offsets
/// are multiples of 32), else one of the codes.
static CHOICE: AtomicIsize = AtomicIsize::new(0);
const RSEQ: isize = 1;
const RDPID: isize = 2;
const GETCPU: isize = 4;
const THREAD: isize = 6;

/// The CPU, by the source chosen.
#[inline(always)]
pub(super) fn current() -> CpuId {
    // ORD Relaxed: the word says everything; what it leads to was initialised before the program's first thread.
    let choice = CHOICE.load(Ordering::Relaxed);
    #[cfg(all(
        target_os = "linux",
        target_pointer_width = "64",
        any(target_arch = "x86_64", target_arch = "aarch64"),
        not(miri)
    ))]
    if choice & RSEQ != 0 {
        // SAFETY: the bit is set only beside an offset from `registered_offset` (A1).
        let cpu = unsafe { area::thread_cpu(choice & !RSEQ) };
        if let Ok(cpu) = u32::try_from(cpu) {
            return CpuId(cpu);
        }
    }
    current_slow(choice)
}

#[cold]
#[inline(never)]
fn current_slow(choice: isize) -> CpuId {
    match if choice == 0 { choose() } else { choice } {
        RDPID => CpuId(rdpid().unwrap_or(0)),
        THREAD => CpuId(thread_number()),
        // Also for a thread that nobody registered in a process where the others are.
        _ => CpuId(getcpu().unwrap_or_else(thread_number)),
    }
}

pub(super) fn source() -> Source {
    // ORD Relaxed: as in `current`.
    let mut choice = CHOICE.load(Ordering::Relaxed);
    if choice == 0 {
        choice = choose();
    }
    match choice {
        RDPID => Source::Rdpid,
        GETCPU => Source::Getcpu,
        THREAD => Source::Thread,
        _ => Source::Rseq,
    }
}

/// Tries the sources, best first, and keeps the first that answers.
#[cold]
fn choose() -> isize {
    let choice = if let Some(choice) = registered() {
        choice
    } else if getcpu().is_none() {
        THREAD
    } else if rdpid_agrees_with_getcpu() {
        RDPID
    } else {
        GETCPU
    };
    // ORD Relaxed: threads that race here come to the same answer, or to one that works as well.
    CHOICE.store(choice, Ordering::Relaxed);
    choice
}

#[cfg(all(
    target_os = "linux",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(miri)
))]
fn registered() -> Option<isize> {
    area::registered_offset().map(|offset| {
        debug_assert!(offset % 32 == 0, "area at offset {offset}: the ABI aligns it to 32");
        offset | RSEQ
    })
}

#[cfg(not(all(
    target_os = "linux",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(miri)
)))]
fn registered() -> Option<isize> {
    None
}

#[cfg(target_os = "linux")]
fn getcpu() -> Option<u32> {
    // SAFETY: takes no argument; it returns the CPU, or -1.
    u32::try_from(unsafe { libc::sched_getcpu() }).ok()
}

#[cfg(not(target_os = "linux"))]
fn getcpu() -> Option<u32> {
    None
}

/// What `rdpid` says, where the processor has it and Linux filled the register.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn rdpid() -> Option<u32> {
    /// CPUID leaf 7, ECX.
    const RDPID_BIT: u32 = 1 << 22;
    // ORD Relaxed: a cache of what CPUID says, the same in every thread.
    static HAS_RDPID: AtomicU32 = AtomicU32::new(u32::MAX);
    let mut has = HAS_RDPID.load(Ordering::Relaxed);
    if has == u32::MAX {
        let leaves = core::arch::x86_64::__cpuid(0).eax;
        has =
            u32::from(leaves >= 7 && core::arch::x86_64::__cpuid_count(7, 0).ecx & RDPID_BIT != 0);
        // ORD Relaxed: as above.
        HAS_RDPID.store(has, Ordering::Relaxed);
    }
    if has == 0 {
        return None;
    }
    let aux: u64;
    // SAFETY: CPUID says the instruction exists; it writes one register.
    unsafe { core::arch::asm!("rdpid {}", out(reg) aux, options(nostack, preserves_flags, nomem)) };
    Some(cpu_of_tsc_aux(aux))
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn rdpid() -> Option<u32> {
    None
}

/// Linux's layout of `TSC_AUX`: 12 bits of CPU, the node above. (Machines with more than 4,096 CPUs fail the comparison
/// with `getcpu` on the CPUs past that; an id folded to 12 bits remains a valid hint elsewhere.)
#[cfg_attr(
    not(all(target_os = "linux", target_arch = "x86_64")),
    expect(dead_code, reason = "x86-64 Linux only")
)]
const fn cpu_of_tsc_aux(aux: u64) -> u32 {
    (aux & 0xfff) as u32
}

/// Whether `rdpid` can be believed: a hypervisor or another kernel may keep something else in the register. The thread
/// can be moved between the two questions, hence several tries.
fn rdpid_agrees_with_getcpu() -> bool {
    (0..8).any(|_| rdpid().is_some_and(|cpu| getcpu() == Some(cpu)))
}

/// This thread's number, in the order of first use.
fn thread_number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    std::thread_local! {
        // ORD Relaxed: only distinct numbers are wanted.
        static NUMBER: u32 = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    // No destructor, hence reachable for as long as the thread runs.
    NUMBER.try_with(|number| *number).unwrap_or(0)
}

// ---- possible CPUs --------------------------------------------------------------------------------------------------

/// How many CPU ids the kernel can ever hand out on this machine, hot-plugged CPUs included: the largest possible id
/// plus one. Read once.
pub(super) fn possible() -> usize {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    // ORD Relaxed: a cached number that speaks for itself.
    match COUNT.load(Ordering::Relaxed) {
        0 => {
            let count = read_possible();
            // ORD Relaxed: as above; racing threads store the same.
            COUNT.store(count, Ordering::Relaxed);
            count
        }
        count => count,
    }
}

#[cold]
fn read_possible() -> usize {
    std::fs::read_to_string("/sys/devices/system/cpu/possible")
        .ok()
        .and_then(|list| parse_cpu_list(&list).ok())
        .or_else(configured)
        .or_else(|| std::thread::available_parallelism().ok().map(core::num::NonZero::get))
        .unwrap_or(1)
}

#[cfg(unix)]
fn configured() -> Option<usize> {
    // SAFETY: asks for one number.
    let count = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_CONF) };
    usize::try_from(count).ok().filter(|count| (1..=MAX_CPUS).contains(count))
}

#[cfg(not(unix))]
fn configured() -> Option<usize> {
    None
}

/// Why a list of CPUs was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CpuListError {
    /// The list names no CPU.
    Empty,
    /// An entry is not a number or two numbers with a dash.
    Number {
        /// The entry.
        entry: alloc::string::String,
        /// What is wrong with it.
        source: ParseIntError,
    },
    /// An entry counts down.
    Reversed {
        /// The entry.
        entry: alloc::string::String,
    },
    /// An id is past the limit.
    TooLarge {
        /// The id.
        id: usize,
        /// The largest id accepted.
        limit: usize,
    },
}

impl fmt::Display for CpuListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(f, "the list names no cpu"),
            Self::Number { entry, source } => {
                write!(f, "entry {entry:?} of the cpu list: {source}")
            }
            Self::Reversed { entry } => write!(f, "entry {entry:?} of the cpu list counts down"),
            Self::TooLarge { id, limit } => write!(f, "cpu {id} is past the limit of {limit}"),
        }
    }
}

impl core::error::Error for CpuListError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Number { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// The table size for a kernel CPU list such as `0-3,8-11`: its largest id plus one.
///
/// # Errors
/// [`CpuListError`] names the entry that cannot be read and the limit it broke.
pub fn parse_cpu_list(list: &str) -> Result<usize, CpuListError> {
    let mut count = 0;
    for entry in list.trim().split(',').filter(|entry| !entry.is_empty()) {
        let number = |text: &str| {
            text.parse::<usize>()
                .map_err(|source| CpuListError::Number { entry: entry.into(), source })
        };
        let (first, last) = match entry.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => {
                let id = number(entry)?;
                (id, id)
            }
        };
        if last < first {
            return Err(CpuListError::Reversed { entry: entry.into() });
        }
        if last >= MAX_CPUS {
            return Err(CpuListError::TooLarge { id: last, limit: MAX_CPUS - 1 });
        }
        let planted = usize::from(cfg!(bug = "percpu_list_ends_short"));
        count = count.max(last + 1 - planted);
    }
    if count == 0 { Err(CpuListError::Empty) } else { Ok(count) }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use std::string::ToString as _;

    use super::*;

    #[test]
    fn lists_as_the_kernel_writes_them() {
        for (list, count) in [
            ("0\n", 1),
            ("0-3,8-11\n", 12),
            ("0-127", 128),
            ("5", 6),
            ("8-11,0-3", 12),
            ("1,3,5", 6),
        ] {
            assert_eq!(parse_cpu_list(list), Ok(count), "{list:?}");
        }
    }

    #[test]
    fn lists_that_nobody_should_believe() {
        for list in [
            "",
            "\n",
            ",",
            "garbage",
            "0-",
            "-3",
            "3-0",
            "0-4294967295",
            "99999999999999999999",
            "0 1",
            "0x10",
            "0-65536",
        ] {
            let error = parse_cpu_list(list).expect_err(list);
            assert!(!error.to_string().is_empty());
        }
        assert_eq!(parse_cpu_list("0-65535"), Ok(65536), "the limit itself");
        assert_eq!(
            parse_cpu_list("65536").unwrap_err().to_string(),
            "cpu 65536 is past the limit of 65535"
        );
    }

    #[test]
    fn ids_stay_inside_any_table() {
        for len in [1, 2, 3, 64, 1000] {
            for id in [0, 1, 63, 64, 4095, u32::MAX - 1, u32::MAX] {
                let index = CpuId::new(id).index(len);
                assert!(index < len, "id {id}, len {len}");
                assert!(
                    id as usize >= len || index == id as usize,
                    "an id that fits stays as it is"
                );
            }
        }
    }

    #[test]
    fn the_node_in_tsc_aux_is_cut_off() {
        assert_eq!(cpu_of_tsc_aux(0), 0);
        assert_eq!(cpu_of_tsc_aux(0x3007), 7);
        assert_eq!(cpu_of_tsc_aux(0xffff_ffff), 4095);
    }

    #[test]
    fn the_size_of_the_machine_covers_the_cpu_we_are_on() {
        assert!(
            possible() >= std::thread::available_parallelism().map_or(1, core::num::NonZero::get)
        );
        if source() != Source::Thread {
            assert!((current().get() as usize) < possible());
        }
    }

    #[cfg(all(
        target_os = "linux",
        target_pointer_width = "64",
        target_arch = "x86_64",
        not(miri)
    ))]
    #[test]
    fn a_symbol_that_nobody_defines_is_absent() {
        assert_eq!(area::exported_by_nobody(), None);
        let by_c_library = area::exported();
        // With glibc 2.35 or later the real one is there, whether registration succeeded or not.
        if cfg!(target_env = "gnu") && source() == Source::Rseq {
            assert!(by_c_library.is_some_and(|exported| exported.bytes >= 20), "{by_c_library:?}");
        }
    }
}
