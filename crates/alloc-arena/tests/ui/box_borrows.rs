//! Boxes that outlive their memory, or hold what dies before them.
use alloc_arena::{Arena, ArenaBox};

fn outlives_its_frame(arena: &mut Arena) -> usize {
    let mut frame = arena.frame();
    let kept = frame.scope().alloc_box(String::from("gone"));
    drop(frame);
    kept.len()
}

fn leaked_outlives_a_reset(arena: &mut Arena) -> usize {
    let leaked: &mut String = ArenaBox::leak(arena.alloc_box(String::from("gone")));
    arena.reset();
    leaked.len()
}

struct Noisy<'a>(&'a String);

impl Drop for Noisy<'_> {
    fn drop(&mut self) {
        assert_eq!(self.0.len(), 4);
    }
}

fn value_borrows_what_dies_first(arena: &Arena) {
    let kept;
    let text = String::from("gone");
    kept = arena.alloc_box(Noisy(&text));
    assert_eq!(kept.0, "gone");
}

fn coerced_to_what_lives_longer<'a>(boxed: ArenaBox<'a, Noisy<'a>>) -> ArenaBox<'a, dyn Send + 'static> {
    ArenaBox::coerce::<dyn Send>(boxed, |value| value)
}

fn main() {
    let mut arena = Arena::new();
    outlives_its_frame(&mut arena);
    leaked_outlives_a_reset(&mut arena);
    value_borrows_what_dies_first(&arena);
    let text = String::from("kept");
    drop(coerced_to_what_lives_longer(arena.alloc_box(Noisy(&text))));
}
