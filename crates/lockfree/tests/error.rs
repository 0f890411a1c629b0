//! The shared errors: what they hand back, and what they say.
#![cfg(not(loom))]

use core::alloc::Layout;
use core::error::Error;
use lockfree::{ConfigError, PopError, PushError, TryPopError, TryPushError};
use static_assertions::{assert_eq_size, assert_impl_all};
use std::rc::Rc;

assert_impl_all!(PushError<Rc<()>>: Error);
assert_impl_all!(PushError<u8>: Error, Send, Sync, Copy);
assert_impl_all!(TryPushError<u8>: Error, Send, Sync, Copy);
assert_impl_all!(PopError: Error, Send, Sync, Copy);
assert_impl_all!(TryPopError: Error, Send, Sync, Copy);
assert_impl_all!(ConfigError: Error, Send, Sync, Copy);
assert_eq_size!(PopError, u8);
assert_eq_size!(Result<(), TryPopError>, u8);

#[test]
fn every_refusal_hands_the_very_value_back() {
    let value = Rc::new(1);
    for error in [PushError::Full(Rc::clone(&value)), PushError::Closed(Rc::clone(&value))] {
        assert!(Rc::ptr_eq(&error.clone().into_inner(), &value));
        assert!(Rc::ptr_eq(&TryPushError::from(error).into_inner(), &value));
    }
    assert!(Rc::ptr_eq(&TryPushError::Busy(Rc::clone(&value)).into_inner(), &value));
    assert_eq!(Rc::strong_count(&value), 1);
}

#[test]
fn an_error_of_push_and_pop_is_one_of_a_single_attempt() {
    assert_eq!(TryPushError::from(PushError::Full(1)), TryPushError::Full(1));
    assert_eq!(TryPushError::from(PushError::Closed(1)), TryPushError::Closed(1));
    assert_eq!(TryPopError::from(PopError::Empty), TryPopError::Empty);
    assert_eq!(TryPopError::from(PopError::Closed), TryPopError::Closed);
}

#[test]
fn each_message_is_one_lowercase_sentence_and_says_what_the_error_is() {
    let said = [
        PushError::Full(()).to_string(),
        PushError::Closed(()).to_string(),
        TryPushError::Busy(()).to_string(),
        PopError::Empty.to_string(),
        PopError::Closed.to_string(),
        TryPopError::Busy.to_string(),
    ];
    for (place, message) in said.iter().enumerate() {
        assert!(message.starts_with(|first: char| first.is_ascii_lowercase()), "{message}");
        assert!(!message.ends_with('.'), "{message}");
        assert!(!said[..place].contains(message), "{message} twice");
    }
    assert_eq!(TryPushError::Full(()).to_string(), said[0]);
    assert_eq!(TryPushError::Closed(()).to_string(), said[1]);
    assert_eq!(TryPopError::Empty.to_string(), said[3]);
    assert_eq!(TryPopError::Closed.to_string(), said[4]);
    let shown = format!("{:?} {:?}", PushError::Full(Rc::new(1)), TryPushError::Busy(0));
    assert_eq!(shown, "Full(..) Busy(..)");
    let shown = format!("{:?} {:?}", PushError::Closed(0), TryPushError::Full(0));
    assert_eq!(shown, "Closed(..) Full(..)");
    assert_eq!(format!("{:?}", TryPushError::Closed(0)), "Closed(..)");
}

#[test]
fn a_configuration_is_refused_with_its_field_value_and_limits() {
    let error = ConfigError::out_of_range("capacity", 70, 1, 64);
    assert_eq!((error.field(), error.value()), ("capacity", 70));
    assert_eq!((error.limits(), error.layout()), (Some((1, 64)), None));
    assert_eq!(error.to_string(), "capacity is 70, not in 1..=64");
    let layout = Layout::new::<[u32; 5]>();
    let error = ConfigError::no_memory("slots", 5, layout);
    assert_eq!((error.limits(), error.layout()), (None, Some(layout)));
    let said = "slots is 5, and its 20 bytes aligned to 4 were refused";
    assert_eq!(format!("{error} {error:?}"), format!("{said} ConfigError({said})"));
}
