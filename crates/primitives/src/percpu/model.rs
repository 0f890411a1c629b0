//! The CPU id as a model checker sees it: an input that may change between any two steps.
//!
//! Under loom one modelled atomic holds "the CPU"; a model's spare thread moves it with [`migrate_to`] while the others
//! work, and as their loads are relaxed, each may still see an older value: one thread works on, another has moved.
//! Under shuttle each question gets a random answer.

use super::CpuId;

/// CPUs of the modelled machine.
pub(super) const CPUS: usize = 2;

#[cfg(loom)]
loom::lazy_static! {
    static ref CPU: crate::sync::atomic::AtomicU32 = crate::sync::atomic::AtomicU32::new(0);
}

/// Moves the threads of the running loom model to `cpu`: those that have not noticed stay where they are.
#[cfg(loom)]
pub fn migrate_to(cpu: CpuId) {
    // ORD Relaxed: the id is a hint and orders nothing.
    CPU.store(cpu.get(), core::sync::atomic::Ordering::Relaxed);
}

#[cfg(loom)]
pub(super) fn current() -> CpuId {
    // ORD Relaxed: as in `migrate_to`.
    CpuId::new(CPU.load(core::sync::atomic::Ordering::Relaxed))
}

#[cfg(shuttle)]
pub(super) fn current() -> CpuId {
    use shuttle::rand::Rng as _;
    CpuId::new(shuttle::rand::thread_rng().gen_range(0..CPUS as u32))
}
