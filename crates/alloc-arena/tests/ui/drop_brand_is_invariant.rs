//! A scope cannot pass for one whose values live shorter.
use alloc_arena::Scope;

fn shorten<'g, 'short, 'long: 'short>(scope: Scope<'g, 'long>) -> Scope<'g, 'short> {
    scope
}

fn main() {}
