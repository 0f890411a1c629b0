//! Who is adopted, and the code of the function that allocates.

/// One crate in one table.
#[derive(Debug)]
pub(super) struct Subject {
    /// The crate of ours whose table it is in.
    pub(super) table: &'static str,
    /// The package, as `Cargo.lock` names it.
    pub(super) package: &'static str,
    /// Ours: its folder in the workspace.
    pub(super) path: Option<&'static str>,
    /// Packages that the program names too; all are dependencies of the package anyway.
    pub(super) beside: &'static [&'static str],
    /// Defines `Region`, `new() -> Region`, and `value` and `block`, which the measured function
    /// calls; both return a pointer.
    pub(super) probe: &'static str,
}

/// A crate of values under keys: the measured function inserts a value and removes one, in the place
/// of a run-time layout, which such a crate does not know. The text defines `Slots`, `empty`, `insert`
/// and `remove`.
macro_rules! slots {
    ($package:literal, $path:expr, $slots:literal) => {
        Subject {
            table: "alloc-slab",
            package: $package,
            path: $path,
            beside: &[],
            probe: concat!(
                $slots,
                "
            use core::cell::UnsafeCell;
            type Region = UnsafeCell<Slots>;
            fn new() -> Region { UnsafeCell::new(empty()) }
            #[inline(always)]
            fn value(region: &Region, value: Value) -> *mut Value {
                // SAFETY: the program has one thread, and no other borrow of its slots.
                insert(unsafe { &mut *region.get() }, value)
            }
            #[inline(always)]
            fn block(region: &Region, layout: Layout) -> *mut u8 {
                // SAFETY: as above.
                match remove(unsafe { &mut *region.get() }, layout.size() as u64) {
                    Some(value) => value[0] as *mut u8,
                    None => std::ptr::null_mut(),
                }
            }
        "
            ),
        }
    };
}

/// Ours first in each table.
pub(super) const SUBJECTS: &[Subject] = &[
    Subject {
        table: "alloc-linear",
        package: "alloc-linear",
        path: Some("crates/alloc-linear"),
        beside: &[],
        probe: "
            use alloc_linear::Linear as Region;
            fn new() -> Region { Region::with_capacity(4096) }
            #[inline(always)]
            fn value(region: &Region, value: Value) -> *mut Value { region.alloc(value) }
            #[inline(always)]
            fn block(region: &Region, layout: Layout) -> *mut u8 { region.alloc_layout(layout).as_ptr() }
        ",
    },
    bumpalo("alloc-linear"),
    bump_scope("alloc-linear"),
    blink_alloc("alloc-linear"),
    scoped_arena("alloc-linear"),
    oxc_allocator("alloc-linear"),
    multitude("alloc-linear"),
    Subject {
        table: "alloc-stack",
        package: "alloc-stack",
        path: Some("crates/alloc-stack"),
        beside: &[],
        probe: "
            use alloc_stack::{Stack as Region, StackBox};
            fn new() -> Region { Region::new() }
            #[inline(always)]
            fn value(region: &Region, value: Value) -> *mut Value { StackBox::leak(region.alloc_box(value)) }
            #[inline(always)]
            fn block(region: &Region, layout: Layout) -> *mut u8 { region.alloc_layout(layout).as_ptr() }
        ",
    },
    Subject {
        table: "alloc-stack",
        package: "bump-scope",
        path: None,
        beside: &[],
        probe: "
            use bump_scope::traits::BumpAllocatorTyped;
            type Region = bump_scope::Bump;
            fn new() -> Region { Region::new() }
            #[inline(always)]
            fn value(region: &Region, value: Value) -> *mut Value { region.alloc(value).into_mut() }
            #[inline(always)]
            fn block(region: &Region, layout: Layout) -> *mut u8 { region.allocate_layout(layout).as_ptr() }
        ",
    },
    Subject {
        table: "alloc-stack",
        package: "stack-allocator",
        path: None,
        beside: &["allocator-api2"],
        probe: "
            use allocator_api2::alloc::Allocator;
            type Region = stack_allocator::StackAllocator<4096>;
            fn new() -> Region { Region::new() }
            #[inline(always)]
            fn value(region: &Region, value: Value) -> *mut Value {
                let place = block(region, Layout::new::<Value>()).cast::<Value>();
                // SAFETY: a fresh block of the layout of a `Value`.
                unsafe { place.write(value) };
                place
            }
            #[inline(always)]
            fn block(region: &Region, layout: Layout) -> *mut u8 {
                match Allocator::allocate(&region, layout) {
                    Ok(block) => block.as_ptr().cast(),
                    Err(_) => std::alloc::handle_alloc_error(layout),
                }
            }
        ",
    },
    Subject {
        table: "alloc-arena",
        package: "alloc-arena",
        path: Some("crates/alloc-arena"),
        beside: &[],
        probe: "
            use alloc_arena::Arena as Region;
            fn new() -> Region { Region::new() }
            #[inline(always)]
            fn value(region: &Region, value: Value) -> *mut Value { region.alloc(value) }
            #[inline(always)]
            fn block(region: &Region, layout: Layout) -> *mut u8 { region.alloc_layout(layout).as_ptr() }
        ",
    },
    bumpalo("alloc-arena"),
    bump_scope("alloc-arena"),
    blink_alloc("alloc-arena"),
    scoped_arena("alloc-arena"),
    oxc_allocator("alloc-arena"),
    multitude("alloc-arena"),
    slots!(
        "alloc-slab",
        Some("crates/alloc-slab"),
        "
            use alloc_slab::{Key, Slab};
            type Slots = Slab<Value>;
            fn empty() -> Slots { Slab::new() }
            #[inline(always)]
            fn insert(slots: &mut Slots, value: Value) -> *mut Value { let key = slots.insert(value); &mut slots[key] }
            #[inline(always)]
            fn remove(slots: &mut Slots, bits: u64) -> Option<Value> { slots.remove(Key::from_bits(bits)?) }
        "
    ),
    slots!(
        "slab",
        None,
        "
            type Slots = slab::Slab<Value>;
            fn empty() -> Slots { Slots::new() }
            #[inline(always)]
            fn insert(slots: &mut Slots, value: Value) -> *mut Value { let key = slots.insert(value); &mut slots[key] }
            #[inline(always)]
            fn remove(slots: &mut Slots, bits: u64) -> Option<Value> { slots.try_remove(bits as usize) }
        "
    ),
    slots!(
        "slotmap",
        None,
        "
            use slotmap::{DefaultKey, KeyData, SlotMap};
            type Slots = SlotMap<DefaultKey, Value>;
            fn empty() -> Slots { SlotMap::new() }
            #[inline(always)]
            fn insert(slots: &mut Slots, value: Value) -> *mut Value { let key = slots.insert(value); &mut slots[key] }
            #[inline(always)]
            fn remove(slots: &mut Slots, bits: u64) -> Option<Value> { slots.remove(KeyData::from_ffi(bits).into()) }
        "
    ),
    slots!(
        "thunderdome",
        None,
        "
            use thunderdome::{Arena, Index};
            type Slots = Arena<Value>;
            fn empty() -> Slots { Arena::new() }
            #[inline(always)]
            fn insert(slots: &mut Slots, value: Value) -> *mut Value { let key = slots.insert(value); &mut slots[key] }
            #[inline(always)]
            fn remove(slots: &mut Slots, bits: u64) -> Option<Value> { slots.remove(Index::from_bits(bits)?) }
        "
    ),
    slots!(
        "generational-arena",
        None,
        "
            use generational_arena::{Arena, Index};
            type Slots = Arena<Value>;
            fn empty() -> Slots { Arena::new() }
            #[inline(always)]
            fn insert(slots: &mut Slots, value: Value) -> *mut Value { let key = slots.insert(value); &mut slots[key] }
            #[inline(always)]
            fn remove(slots: &mut Slots, bits: u64) -> Option<Value> { slots.remove(Index::from_raw_parts(bits as usize, bits)) }
        "
    ),
    slots!(
        "sharded-slab",
        None,
        "
            type Slots = sharded_slab::Slab<Value>;
            fn empty() -> Slots { Slots::new() }
            #[inline(always)]
            fn insert(slots: &mut Slots, value: Value) -> *mut Value { slots.insert(value).unwrap_or(0) as *mut Value }
            #[inline(always)]
            fn remove(slots: &mut Slots, bits: u64) -> Option<Value> { slots.take(bits as usize) }
        "
    ),
];

const fn bumpalo(table: &'static str) -> Subject {
    Subject {
        table,
        package: "bumpalo",
        path: None,
        beside: &[],
        probe: "
            use bumpalo::Bump as Region;
            fn new() -> Region { Region::with_capacity(4096) }
            #[inline(always)]
            fn value(region: &Region, value: Value) -> *mut Value { region.alloc(value) }
            #[inline(always)]
            fn block(region: &Region, layout: Layout) -> *mut u8 { region.alloc_layout(layout).as_ptr() }
        ",
    }
}

const fn bump_scope(table: &'static str) -> Subject {
    Subject {
        table,
        package: "bump-scope",
        path: None,
        beside: &[],
        probe: "
            use bump_scope::traits::BumpAllocatorTyped;
            type Region = bump_scope::Bump;
            fn new() -> Region { Region::with_size(4096) }
            #[inline(always)]
            fn value(region: &Region, value: Value) -> *mut Value { region.alloc(value).into_mut() }
            #[inline(always)]
            fn block(region: &Region, layout: Layout) -> *mut u8 { region.allocate_layout(layout).as_ptr() }
        ",
    }
}

const fn blink_alloc(table: &'static str) -> Subject {
    Subject {
        table,
        package: "blink-alloc",
        path: None,
        beside: &[],
        probe: "
            type Region = blink_alloc::Blink;
            fn new() -> Region { Region::new() }
            #[inline(always)]
            fn value(region: &Region, value: Value) -> *mut Value { region.put_no_drop(value) }
            #[inline(always)]
            fn block(region: &Region, layout: Layout) -> *mut u8 {
                match region.allocator().allocate(layout) {
                    Ok(block) => block.as_ptr().cast(),
                    Err(_) => std::alloc::handle_alloc_error(layout),
                }
            }
        ",
    }
}

const fn scoped_arena(table: &'static str) -> Subject {
    Subject {
        table,
        package: "scoped-arena",
        path: None,
        beside: &[],
        probe: "
            type Region = scoped_arena::Scope<'static>;
            fn new() -> Region { Region::with_capacity(4096) }
            #[inline(always)]
            fn value(region: &Region, value: Value) -> *mut Value { region.to_scope(value) }
            #[inline(always)]
            fn block(region: &Region, layout: Layout) -> *mut u8 { region.alloc(layout).as_mut_ptr().cast() }
        ",
    }
}

const fn oxc_allocator(table: &'static str) -> Subject {
    Subject {
        table,
        package: "oxc_allocator",
        path: None,
        beside: &[],
        probe: "
            use oxc_allocator::Allocator as Region;
            fn new() -> Region { Region::with_capacity(4096) }
            #[inline(always)]
            fn value(region: &Region, value: Value) -> *mut Value { region.alloc(value) }
            #[inline(always)]
            fn block(region: &Region, layout: Layout) -> *mut u8 { region.alloc_layout(layout).as_ptr() }
        ",
    }
}

const fn multitude(table: &'static str) -> Subject {
    Subject {
        table,
        package: "multitude",
        path: None,
        beside: &["allocator-api2"],
        probe: "
            use allocator_api2::alloc::Allocator;
            type Region = multitude::Arena;
            fn new() -> Region { Region::new() }
            #[inline(always)]
            fn value(region: &Region, value: Value) -> *mut Value { multitude::Alloc::leak(region.alloc(value)) }
            #[inline(always)]
            fn block(region: &Region, layout: Layout) -> *mut u8 {
                match Allocator::allocate(&region, layout) {
                    Ok(block) => block.as_ptr().cast(),
                    Err(_) => std::alloc::handle_alloc_error(layout),
                }
            }
        ",
    }
}

/// The program without an allocator: what all of them share.
pub(super) const BARE: &str = "
    struct Region;
    fn new() -> Region { Region }
    #[inline(always)]
    fn value(_: &Region, value: Value) -> *mut Value { value[0] as *mut Value }
    #[inline(always)]
    fn block(_: &Region, layout: Layout) -> *mut u8 { layout.size() as *mut u8 }
";

/// The rest of the program; the function is kept whole and apart, under its own name.
pub(super) const PROGRAM: &str = "
    use std::alloc::Layout;
    use std::hint::black_box;

    type Value = [u64; 3];

    #[unsafe(no_mangle)]
    #[inline(never)]
    pub fn adopt_probe(region: &Region, number: u64, layout: Layout) -> (*mut Value, *mut u8) {
        (value(region, [number, 2, 3]), block(region, layout))
    }

    fn main() {
        let layout = Layout::from_size_align(black_box(40), black_box(8)).unwrap();
        black_box(adopt_probe(&new(), black_box(1), layout));
    }
";

/// The name of the measured function.
pub(super) const FUNCTION: &str = "adopt_probe";
