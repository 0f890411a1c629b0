use alloc_linear::Linear;

fn main() {
    let region = Linear::with_capacity(64);
    region.alloc(String::from("would leak"));
}
