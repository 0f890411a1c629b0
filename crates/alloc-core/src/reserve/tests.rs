use super::*;

static_assertions::assert_impl_all!(Reserved: Send);
static_assertions::assert_not_impl_any!(Reserved: Sync, Clone);

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 16).unwrap()
}

fn fill(block: NonNull<[u8]>, value: u8) {
    // SAFETY: the block is committed memory of this length that nobody else uses.
    unsafe { block.cast::<u8>().write_bytes(value, block.len()) };
}

fn all_are(start: NonNull<u8>, len: usize, value: u8) -> bool {
    // SAFETY: callers pass initialised bytes of a live block.
    (0..len).all(|i| unsafe { start.as_ptr().wrapping_add(i).read() } == value)
}

#[test]
fn grows_at_the_high_end_without_moving() {
    let backing = Reserved::new(1 << 24, End::High).unwrap();
    let block = backing.allocate(layout(100)).unwrap();
    fill(block, 7);
    let mut old = layout(100);
    for size in [4096, 5000, 1 << 20, 1 << 24] {
        // SAFETY: `old` fits the block, `new` is larger and aligned alike.
        let grown =
            unsafe { backing.grow_in_place(block.cast(), old, layout(size), End::High) }.unwrap();
        assert_eq!(grown.cast::<u8>(), block.cast(), "grew to {size}");
        assert!(grown.len() >= size);
        assert!(all_are(grown.cast(), block.len(), 7), "contents kept");
        old = layout(size);
    }
    // SAFETY: as above.
    let beyond =
        unsafe { backing.grow_in_place(block.cast(), old, layout((1 << 24) + 1), End::High) };
    assert!(beyond.is_err(), "beyond the reservation");
    assert!(all_are(block.cast(), block.len(), 7), "an error leaves the block as it was");
}

#[test]
fn grows_at_the_low_end_with_its_end_fixed() {
    let backing = Reserved::new(1 << 20, End::Low).unwrap();
    let block = backing.allocate(layout(4096)).unwrap();
    fill(block, 9);
    // SAFETY: `layout(4096)` fits the block, the new one is larger and aligned alike.
    let grown =
        unsafe { backing.grow_in_place(block.cast(), layout(4096), layout(65536), End::Low) }
            .unwrap();
    let end_of = |b: NonNull<[u8]>| b.cast::<u8>().addr().get() + b.len();
    assert_eq!(end_of(grown), end_of(block));
    assert!(all_are(block.cast(), block.len(), 9), "old bytes keep address and value");
    fill(grown, 1);
    // SAFETY: as above, shrinking.
    let shrunk =
        unsafe { backing.shrink_in_place(grown.cast(), layout(65536), layout(4096), End::Low) }
            .unwrap();
    assert_eq!(end_of(shrunk), end_of(block));
    assert_eq!(backing.committed_bytes(), 4096);
    assert!(all_are(shrunk.cast(), 4096, 1));
}

#[test]
fn refuses_the_other_end() {
    let backing = Reserved::new(1 << 20, End::Low).unwrap();
    let block = backing.allocate(layout(64)).unwrap().cast();
    // SAFETY: the layouts are right; the end is what is refused.
    let high = unsafe { backing.grow_in_place(block, layout(64), layout(8192), End::High) };
    assert!(high.is_err());
    // SAFETY: as above.
    let moved = unsafe { backing.grow(block, layout(64), layout(8192)) };
    assert!(moved.is_err());
}

#[test]
fn one_block_at_a_time_and_again_after_it_is_gone() {
    let backing = Reserved::new(1 << 16, End::High).unwrap();
    let block = backing.allocate(layout(64)).unwrap();
    assert!(backing.allocate(layout(64)).is_err(), "one block is alive");
    fill(block, 3);
    // SAFETY: allocated above with this layout, not used again.
    unsafe { backing.deallocate(block.cast(), layout(64)) };
    assert_eq!(backing.committed_bytes(), 0);
    let again = backing.allocate(layout(64)).unwrap();
    assert!(all_are(again.cast(), again.len(), 0), "memory given back comes back zeroed");
}

#[test]
fn bad_sizes_are_errors() {
    assert_eq!(Reserved::new(0, End::High).unwrap_err().errno(), libc::EINVAL);
    assert_eq!(Reserved::new(usize::MAX, End::High).unwrap_err().errno(), libc::EINVAL);
    let error = Reserved::new(isize::MAX.unsigned_abs() - 4096, End::High).unwrap_err();
    assert_eq!(error.errno(), libc::ENOMEM, "{error}");
    let backing = Reserved::new(4096, End::High).unwrap();
    assert!(
        backing.allocate(Layout::from_size_align(1, 1 << 20).unwrap()).is_err(),
        "over-aligned"
    );
    assert!(backing.allocate(layout(isize::MAX.unsigned_abs() - 15)).is_err());
    assert!(backing.allocate(layout(0)).is_ok());
}

#[test]
fn a_vec_grows_without_moving() {
    let backing = Reserved::new(1 << 22, End::High).unwrap();
    let mut vec = crate::collections::Vec::new_in(&backing);
    vec.push(0u64);
    let first = vec.as_ptr();
    vec.extend(1..100_000);
    assert_eq!(vec.as_ptr(), first);
    assert!(vec.iter().copied().eq(0..100_000));
    vec.shrink_to_fit();
    assert_eq!(vec.as_ptr(), first);
}

#[test]
fn shrinking_to_nothing_ends_the_block() {
    let backing = Reserved::new(1 << 20, End::High).unwrap();
    let mut vec = crate::collections::Vec::new_in(&backing);
    vec.extend(0..1000u32);
    vec.clear();
    vec.shrink_to_fit();
    assert_eq!(backing.committed_bytes(), 0, "nothing is held for a vector without capacity");
    vec.try_reserve(1000).expect("the block before is gone");
    vec.extend(0..1000u32);
    assert_eq!(vec[999], 999);
}

#[test]
fn purging_gives_whole_pages_back_and_keeps_the_rest() {
    let backing = Reserved::new(1 << 20, End::High).unwrap();
    let page_bytes = backing.page_bytes;
    let block = backing.allocate(layout(4 * page_bytes)).unwrap().cast::<u8>();
    // SAFETY: the whole block, which was just allocated.
    unsafe { block.write_bytes(7, 4 * page_bytes) };
    // SAFETY: within the block.
    let part = unsafe { block.byte_add(100) };
    // SAFETY: within the block, whose contents the test does not need.
    assert_eq!(unsafe { backing.purge(part, page_bytes) }, 0, "no page lies within");
    // SAFETY: as above.
    assert_eq!(unsafe { backing.purge(part, 3 * page_bytes) }, 2 * page_bytes);
    // SAFETY: the whole block, every byte of which was written, and is readable after a purge.
    let bytes = unsafe { NonNull::slice_from_raw_parts(block, 4 * page_bytes).as_ref() };
    let at = |offset: usize| bytes[offset];
    assert_eq!((at(0), at(page_bytes - 1)), (7, 7));
    assert_eq!((at(page_bytes), at(3 * page_bytes - 1)), (0, 0));
    assert_eq!((at(3 * page_bytes), at(4 * page_bytes - 1)), (7, 7));
    assert_eq!(backing.committed_bytes(), 4 * page_bytes);
}
