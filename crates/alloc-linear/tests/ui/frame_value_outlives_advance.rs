use alloc_linear::Frames;

fn main() {
    let mut frames = Frames::<2>::with_capacity(64);
    let name = frames.keep(1u32);
    let value = frames.get(name).unwrap();
    frames.advance();
    println!("{value}");
}
