use alloc_linear::{Linear, SliceBuilder};

fn main() {
    let slice = {
        let region = Linear::with_capacity(64);
        let mut builder = SliceBuilder::new(&region);
        builder.push(1u32);
        builder.finish()
    };
    slice[0] = 2;
}
