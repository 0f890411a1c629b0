//! Built by `tests/percpu_link.rs` in each way a program can be linked: the sections' own source files, on `core` and
//! `std` alone.
#![allow(unused, reason = "the probe uses a part of what it includes")]
#![allow(unexpected_cfgs, reason = "built without the workspace's list of cfgs")]

extern crate alloc;

mod sync {
    pub(crate) mod atomic {
        pub(crate) use core::sync::atomic::*;
    }
}

mod shards {
    #[derive(Debug)]
    pub(crate) struct BuildError;

    pub(crate) fn try_table<T>(len: usize, make: impl FnMut(usize) -> T) -> Result<Box<[T]>, BuildError> {
        Ok((0..len).map(make).collect())
    }
}

#[path = "../../src/percpu/area.rs"]
mod area;
#[path = "../../src/percpu/sections.rs"]
mod sections;

use core::ptr::NonNull;
use sections::{CountShard, Sections, StackShard};

fn main() {
    assert_eq!(area::exported_by_nobody(), None, "a symbol that nobody defines reads as null");
    let stack = Sections::try_new(4096, |_| StackShard::<31>::new()).unwrap();
    let (Some(mut stack), Some(counter)) = (stack, Sections::try_new(4096, |_| CountShard::new()).unwrap()) else {
        println!("unregistered {:?}", area::exported());
        return;
    };
    // 100 rounds of 30 words, wherever the thread is meanwhile: none may be lost.
    let (mut pushed, mut popped) = (0, 0);
    for _ in 0..100 {
        pushed += (0..30).filter(|_| stack.push(NonNull::dangling())).count();
        popped += core::iter::from_fn(|| stack.pop()).count();
    }
    popped += core::iter::from_fn(|| stack.pop_any()).count();
    assert!(pushed >= 2900, "{pushed}");
    assert_eq!(pushed, popped);
    (0..1000).for_each(|n| assert!(counter.add(n)));
    assert_eq!(counter.sum(), 499_500);
    let none = Sections::<StackShard<31>>::none();
    assert!(!none.push(NonNull::dangling()) && none.pop().is_none(), "no table, no section");
    println!("registered");
}
