//! Per-CPU data through its public interface, in every mode this process has; and all of it again in a child process
//! whose C library does not register restartable sequences.
#![cfg(not(any(loom, shuttle)))]

use core::sync::atomic::{AtomicUsize, Ordering};
use std::collections::BTreeSet;
use std::thread;

use primitives::percpu::{
    BuildError, CpuId, Full, Mode, PerCpuCounter, PerCpuStack, Shards, Source, current_cpu,
    possible_cpus, source,
};

mod percpu_common;
use percpu_common::{id, modes, sections_here, token};

static_assertions::assert_impl_all!(PerCpuCounter: Send, Sync);
static_assertions::assert_impl_all!(PerCpuStack<31>: Send, Sync);
static_assertions::assert_impl_all!(Shards<AtomicUsize>: Send, Sync);
// A shard is shared between threads, so sharing the table asks for what sharing a `T` asks for.
static_assertions::assert_not_impl_any!(Shards<core::cell::Cell<u8>>: Sync);
static_assertions::assert_impl_all!(Shards<core::cell::Cell<u8>>: Send);
static_assertions::assert_not_impl_any!(Shards<std::rc::Rc<u8>>: Send, Sync);

#[cfg(target_os = "linux")]
#[test]
fn everything_again_without_rseq() {
    if percpu_common::rseq_switched_off() {
        return;
    }
    percpu_common::run_again_without_rseq(&[]);
}

#[test]
fn the_source_is_what_the_process_offers() {
    let first = source();
    assert_eq!(source(), first, "chosen once");
    assert!(thread::spawn(source).join().is_ok_and(|elsewhere| elsewhere == first));
    if percpu_common::rseq_switched_off() {
        assert!(
            matches!(first, Source::Rdpid | Source::Getcpu),
            "rseq is off, yet the source is {first:?}"
        );
        assert_eq!(PerCpuCounter::new().mode(), Mode::Atomic);
        assert_eq!(PerCpuStack::<1>::with_shards(1, Mode::Rseq).mode(), Mode::Atomic);
    } else if cfg!(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))
        && glibc_at_least(2, 35)
    {
        // An emulator (valgrind) that refuses the registration is the one other reason.
        if std::env::var_os("LD_PRELOAD").is_none() && std::env::var_os("GLIBC_TUNABLES").is_none()
        {
            assert_eq!(first, Source::Rseq);
            assert_eq!(PerCpuCounter::new().mode(), Mode::Rseq);
        }
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn glibc_at_least(major: u32, minor: u32) -> bool {
    // SAFETY: returns a static C string.
    let version = unsafe { libc::gnu_get_libc_version() };
    // SAFETY: as above.
    let version = unsafe { core::ffi::CStr::from_ptr(version) }.to_str().unwrap();
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= (major, minor)
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn glibc_at_least(_major: u32, _minor: u32) -> bool {
    false
}

#[cfg(target_os = "linux")]
#[test]
fn a_pinned_thread_is_where_it_was_pinned() {
    for cpu in percpu_common::allowed_cpus() {
        thread::spawn(move || {
            percpu_common::pin(0, &[cpu]);
            assert_eq!(current_cpu(), CpuId::new(u32::try_from(cpu).unwrap()));
            assert!(cpu < possible_cpus());
            let shards = Shards::new(|index| index);
            assert_eq!(*shards.get(), cpu);
        })
        .join()
        .unwrap();
    }
}

#[test]
fn shards_of_any_length_take_any_cpu() {
    for len in [1, 2, 3, 64] {
        let mut shards = Shards::with_len(len, |index| (index, AtomicUsize::new(0)));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        shards.get().1.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(shards.len(), len);
        assert_eq!(shards.iter().map(|shard| shard.1.load(Ordering::Relaxed)).sum::<usize>(), 4000);
        assert!(shards.iter().enumerate().all(|(index, shard)| shard.0 == index), "made in order");
        shards.iter_mut().for_each(|shard| *shard.1.get_mut() = 0);
        let addresses: Vec<usize> = shards.iter().map(|shard| (&raw const *shard).addr()).collect();
        assert!(
            addresses.windows(2).all(|pair| pair[1] - pair[0] >= 64),
            "each on its own cache line"
        );
    }
}

#[test]
fn shards_drop_what_they_hold() {
    let dropped = AtomicUsize::new(0);
    struct OnDrop<'a>(&'a AtomicUsize);
    impl Drop for OnDrop<'_> {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    drop(Shards::with_len(5, |_| OnDrop(&dropped)));
    assert_eq!(dropped.load(Ordering::Relaxed), 5);
}

#[test]
fn impossible_tables_are_refused() {
    assert_eq!(Shards::try_with_len(0, |_| 0_u8).unwrap_err(), BuildError::NoShards);
    for mode in modes() {
        assert_eq!(PerCpuCounter::try_with_shards(0, mode).unwrap_err(), BuildError::NoShards);
        assert_eq!(PerCpuStack::<4>::try_with_shards(0, mode).unwrap_err(), BuildError::NoShards);
        let error = PerCpuStack::<4>::try_with_shards(usize::MAX / 64, mode).unwrap_err();
        assert!(matches!(error, BuildError::OutOfMemory { shard_bytes: 128, .. }), "{error:?}");
        assert!(error.to_string().contains(&(usize::MAX / 64).to_string()), "{error}");
    }
}

#[test]
fn a_counter_counts_in_every_mode_and_size() {
    for mode in modes() {
        for shards in [1, 2, possible_cpus(), 100] {
            let counter = PerCpuCounter::with_shards(shards, mode);
            assert_eq!((counter.mode(), counter.sum()), (mode, 0));
            thread::scope(|scope| {
                for thread in 0..8_u64 {
                    let counter = &counter;
                    scope.spawn(move || (0..5_000).for_each(|_| counter.add(thread)));
                }
            });
            assert_eq!(counter.sum(), (0..8).sum::<u64>() * 5_000, "{mode:?}, {shards} shards");
            counter.add(u64::MAX);
            counter.add_signed(-7);
            assert_eq!(counter.sum_signed(), 28 * 5_000 - 8, "wraps as it should");
        }
    }
}

/// Fills and empties a stack from one thread that stays on one CPU.
fn lifo_up_to_capacity<const N: usize>(shards: usize, mode: Mode) {
    let mut stack = PerCpuStack::<N>::with_shards(shards, mode);
    assert_eq!(stack.capacity_per_cpu(), N);
    for round in 0..3 {
        assert_eq!(stack.pop(), None, "empty, N = {N}, round {round}");
        for i in 0..N {
            assert_eq!(stack.push(token(i)), Ok(()), "{i} of {N}");
            assert_eq!(stack.len_hint(), i + 1);
        }
        assert_eq!(stack.push(token(N)), Err(Full(token(N))), "full, N = {N}");
        for i in (0..N).rev() {
            assert_eq!(stack.pop().map(id), Some(i), "{N}");
        }
        assert_eq!(stack.len_hint(), 0);
    }
    for i in 0..N {
        stack.push(token(i)).unwrap();
    }
    assert_eq!(stack.drain().map(id).collect::<BTreeSet<_>>(), (0..N).collect());
    assert_eq!(stack.pop(), None, "drained");
    let stats = stack.stats();
    assert_eq!(stats.contended, 0, "nobody else was there");
}

#[test]
fn stacks_of_boundary_capacities() {
    for mode in modes() {
        // One shard: CPU 0 is covered by a section, the others use the extra shard. 256: all are covered.
        for shards in [1, 256] {
            let on_one_cpu = move || {
                lifo_up_to_capacity::<0>(shards, mode);
                lifo_up_to_capacity::<1>(shards, mode);
                lifo_up_to_capacity::<2>(shards, mode);
                lifo_up_to_capacity::<15>(shards, mode);
                lifo_up_to_capacity::<16>(shards, mode);
                lifo_up_to_capacity::<63>(shards, mode);
                lifo_up_to_capacity::<64>(shards, mode);
                lifo_up_to_capacity::<65>(shards, mode);
                lifo_up_to_capacity::<1000>(shards, mode);
            };
            #[cfg(target_os = "linux")]
            for cpu in percpu_common::allowed_cpus() {
                thread::spawn(move || {
                    percpu_common::pin(0, &[cpu]);
                    on_one_cpu();
                })
                .join()
                .unwrap();
            }
            #[cfg(not(target_os = "linux"))]
            if shards == 1 {
                on_one_cpu();
            }
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn each_cpu_has_its_own_stack() {
    let cpus = percpu_common::allowed_cpus();
    if cpus.len() < 2 {
        eprintln!("not run: one CPU only");
        return;
    }
    for mode in modes() {
        let stack = PerCpuStack::<3>::with_shards(possible_cpus(), mode);
        for (i, &cpu) in cpus.iter().enumerate() {
            thread::scope(|scope| {
                scope.spawn(|| {
                    percpu_common::pin(0, &[cpu]);
                    assert_eq!(stack.pop(), None, "{mode:?}: other CPUs' words are not here");
                    stack.push(token(i)).unwrap();
                });
            });
        }
        for (i, &cpu) in cpus.iter().enumerate() {
            thread::scope(|scope| {
                scope.spawn(|| {
                    percpu_common::pin(0, &[cpu]);
                    assert_eq!(stack.pop().map(id), Some(i), "{mode:?}");
                });
            });
        }
    }
}

/// Capacity for all: no push may fail, none may be lost, whoever pops.
#[test]
fn words_survive_a_table_smaller_than_the_machine() {
    const THREADS: usize = 6;
    const EACH: usize = 4_000;
    for mode in modes() {
        for shards in [1, 2] {
            let mut stack = PerCpuStack::<64>::with_shards(shards, mode);
            let taken: Vec<AtomicUsize> =
                (0..THREADS * EACH).map(|_| AtomicUsize::new(0)).collect();
            let take = |word| {
                assert_eq!(taken[id(word)].fetch_add(1, Ordering::Relaxed), 0, "taken twice")
            };
            thread::scope(|scope| {
                for thread in 0..THREADS {
                    let (stack, take) = (&stack, &take);
                    scope.spawn(move || {
                        for i in 0..EACH {
                            let mut word = token(thread * EACH + i);
                            while let Err(Full(back)) = stack.push(word) {
                                word = back;
                                stack.pop().into_iter().for_each(take);
                                thread::yield_now();
                            }
                            if i % 3 == 0 {
                                stack.pop().into_iter().for_each(take);
                            }
                        }
                    });
                }
            });
            stack.drain().for_each(take);
            assert!(
                taken.iter().all(|count| count.load(Ordering::Relaxed) == 1),
                "{mode:?}, {shards}: a word is lost"
            );
        }
    }
}

#[test]
fn debug_output_names_the_mode() {
    for mode in modes() {
        let stack = PerCpuStack::<2>::with_shards(1, mode);
        assert!(format!("{stack:?}").contains(&format!("{mode:?}")));
        assert!(format!("{:?}", PerCpuCounter::with_shards(1, mode)).contains("sum: 0"));
    }
    assert_eq!(sections_here(), modes().contains(&Mode::Rseq));
}

/// A thread that the kernel keeps no area for (here: one that gave its registration back) has a negative id: no
/// section may run on it, and all operations work all the same.
#[cfg(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu"))]
#[test]
fn an_unregistered_thread_uses_the_extra_shard() {
    const UNREGISTER: libc::c_int = 1;
    const SIGNATURE: u32 = 0x5305_3053;
    if !sections_here() {
        eprintln!("not run: no restartable sequences in this process");
        return;
    }
    let stack = PerCpuStack::<15>::new();
    let counter = PerCpuCounter::new();
    assert_eq!((stack.mode(), counter.mode()), (Mode::Rseq, Mode::Rseq));
    thread::spawn(move || {
        // SAFETY: a symbol name with its terminating zero.
        let offset = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__rseq_offset".as_ptr()) };
        assert!(!offset.is_null());
        // SAFETY: the C library's ABI: an initialised `ptrdiff_t`.
        let offset = unsafe { *offset.cast::<isize>() };
        let thread_pointer: *mut u8;
        // SAFETY: the first word of the x86-64 thread control block is its own address.
        unsafe {
            core::arch::asm!("mov {}, qword ptr fs:[0]", out(reg) thread_pointer, options(nostack))
        };
        let area = thread_pointer.wrapping_offset(offset);
        // Its size: what glibc 2.35 to 2.40 registers, then what later ones may.
        let gone = [32_u32, 28, 64, 20].iter().any(|&bytes| {
            // SAFETY: ends the kernel's writes to this thread's area; a wrong size is refused.
            unsafe { libc::syscall(libc::SYS_rseq, area, bytes, UNREGISTER, SIGNATURE) == 0 }
        });
        if !gone {
            eprintln!("not run: the kernel did not take the registration back");
            return;
        }
        assert!((current_cpu().get() as usize) < possible_cpus(), "asked elsewhere");
        for i in 0..15 {
            assert_eq!(stack.push(token(i)), Ok(()));
        }
        assert_eq!(stack.push(token(15)), Err(Full(token(15))), "the extra shard is full");
        assert!((0..15).rev().all(|i| stack.pop() == Some(token(i))));
        assert_eq!(stack.pop(), None);
        (0..1000).for_each(|_| counter.add(1));
        assert_eq!((counter.sum(), counter.aborts()), (1000, 0));
        assert_eq!(PerCpuCounter::new().mode(), Mode::Atomic, "what is made here works here");
    })
    .join()
    .unwrap();
}
