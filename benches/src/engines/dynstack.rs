//! dynstack: values of one trait in one growing buffer, and a table of offsets and vtables.

use ::dynstack::{DynStack as Inner, dyn_push};

use super::About;
use super::lifo::{DynLifo, Step};
use crate::case::Role;

/// `DynStack::new()`: it has no other constructor; its buffer stays as long as it grew.
pub struct DynStack(Inner<dyn Step>);

impl core::fmt::Debug for DynStack {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("DynStack").field("len", &self.0.len()).finish()
    }
}

impl DynLifo for DynStack {
    const ABOUT: About = About {
        name: "dynstack",
        config: "default",
        package: "dynstack",
        why: "DynStack::new() and dyn_push!: it has one way of use",
        role: Role::Peer,
    };

    fn with_capacity(_: usize, _: usize) -> Self {
        Self(Inner::new())
    }

    #[inline]
    #[expect(clippy::mem_forget, reason = "what its macro does with the value it copied")]
    fn push<T: Step>(&mut self, value: T) {
        dyn_push!(self.0, value);
    }

    #[inline]
    fn step_and_pop(&mut self, input: u64) -> u64 {
        let answer = self.0.peek_mut().expect("a scenario calls no empty stack").step(input);
        self.0.remove_last();
        answer
    }
}
