//! A value whose drop could look at what was dropped before the slab.
use alloc_slab::Slab;

struct Prints<'a>(&'a str);

impl Drop for Prints<'_> {
    fn drop(&mut self) {
        println!("{}", self.0);
    }
}

fn main() {
    let (mut slab, text);
    text = String::from("text");
    slab = Slab::new();
    slab.insert(Prints(&text));
}
