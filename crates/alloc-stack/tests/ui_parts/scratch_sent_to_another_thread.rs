//! Scratch memory is its thread's.
use alloc_stack::scratch;

fn main() {
    scratch(None, |tmp| {
        std::thread::scope(|scope| {
            scope.spawn(|| *tmp.alloc(1u8));
        });
    });
}
