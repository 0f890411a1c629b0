use alloc_linear::{Linear, SliceBuilder};

fn main() {
    let region = Linear::with_capacity(64);
    let mut names = SliceBuilder::new(&region);
    names.push(String::from("would leak"));
}
