use alloc_linear::Frames;

fn main() {
    let frames = Frames::<2>::with_capacity(64);
    let text = String::from("gone before the frame");
    let name = frames.keep(text.as_str());
    drop(text);
    println!("{:?}", frames.get(name));
}
