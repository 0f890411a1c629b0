//! typed-arena: values of one type in chunks that grow, dropped one by one with the arena. It has no
//! reset: its users make an arena for each tree.

use typed_arena::Arena;

use super::About;
use crate::case::Role;

/// `Arena::new()`.
pub const ABOUT: About = About {
    name: "typed-arena",
    config: "default",
    package: "typed-arena",
    why: "Arena::new() for each round: it cannot be reset",
    role: Role::Peer,
};

/// `Arena::with_capacity`.
pub const ABOUT_WITH_CAPACITY: About = About {
    config: "with-capacity",
    why: "Arena::with_capacity for each round, told how many values will come",
    ..ABOUT
};

/// Makes one for `values` values, which `TOLD` decides whether it is told of.
#[inline]
#[must_use]
pub fn make<T, const TOLD: bool>(values: usize) -> Arena<T> {
    if TOLD { Arena::with_capacity(values) } else { Arena::new() }
}
