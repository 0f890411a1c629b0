//! What the kernel says of this process grows with what it does. A program of its own: what other tests
//! give back meanwhile would count against the growth.

use benches::runner::rusage::{Memory, cpu_ns, minor_faults};

#[test]
fn touched_memory_is_seen_as_growth_and_faults() {
    const BYTES: usize = 32 << 20;
    let memory = Memory::baseline();
    let faults = minor_faults();
    let cpu = cpu_ns();
    let mut block = vec![0u8; BYTES];
    block.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    core::hint::black_box(&block);
    let growth = memory.growth().expect("this system has /proc/self/status");
    assert!(growth >= 0.9 * BYTES as f64, "grew by {growth}");
    assert!(minor_faults() > faults);
    assert!(cpu_ns() > cpu);
}
