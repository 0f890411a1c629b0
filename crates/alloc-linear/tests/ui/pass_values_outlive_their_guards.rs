use alloc_linear::{Frames, Linear, SliceBuilder, SyncLinear};
use core::mem::ManuallyDrop;

fn main() {
    let mut region = Linear::with_capacity(1024);
    let from_burst = region.burst().alloc(1u32);
    let mut builder = SliceBuilder::new(&region);
    builder.push(2u32);
    let built = builder.finish();
    let kept = region.alloc(ManuallyDrop::new(String::from("its drop may be skipped")));
    assert_eq!((*from_burst, built[0], kept.len()), (1, 2, 23));
    region.reset();

    let mut shared = SyncLinear::with_capacity(1 << 16);
    let local = shared.with_local(|local| local.alloc(3u32));
    let sent = std::thread::scope(|scope| scope.spawn(|| shared.alloc(4u32)).join().unwrap());
    assert_eq!((*local, *sent), (3, 4));
    shared.reset();

    let mut frames = Frames::<2>::with_capacity(64);
    let name = frames.keep("static data may be kept");
    frames.advance();
    assert!(frames.get(name).is_some());
}
