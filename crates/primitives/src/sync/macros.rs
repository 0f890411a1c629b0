//! [`const_fn!`](crate::sync::const_fn) and [`thread_local!`](crate::sync::thread_local).
//!
//! The build is chosen where the macro is *defined*, so a downstream crate expands the one that
//! matches the types it links.

/// Declares one `const fn` that is an ordinary function under loom, whose constructors are not
/// `const`.
///
/// Takes the item as it would stand without the macro: attributes, documentation, visibility,
/// `unsafe`, generics with bounds and a `where` clause.
///
/// ```
/// use primitives::sync::{atomic::AtomicUsize, const_fn};
///
/// pub struct Counter(AtomicUsize);
///
/// impl Counter {
///     const_fn! {
///         /// Starts at `value`.
///         #[must_use]
///         pub const fn new(value: usize) -> Self {
///             Self(AtomicUsize::new(value))
///         }
///     }
/// }
/// # let _ = Counter::new(1);
/// ```
#[cfg(not(loom))]
#[doc(hidden)]
#[macro_export]
macro_rules! __const_fn {
    ($(#[$attribute:meta])* $vis:vis const $($item:tt)*) => {
        $(#[$attribute])* $vis const $($item)*
    };
}

/// Declares one `const fn` that is an ordinary function under loom, whose constructors are not
/// `const`.
#[cfg(loom)]
#[doc(hidden)]
#[macro_export]
macro_rules! __const_fn {
    ($(#[$attribute:meta])* $vis:vis const $($item:tt)*) => {
        $(#[$attribute])* #[track_caller] $vis $($item)*
    };
}

/// Declares thread-local statics; takes `std`'s syntax, `const { … }` initialisers included.
///
/// Under a model each execution has its own, and a value is dropped when its thread ends.
#[cfg(all(feature = "std", not(any(loom, shuttle))))]
#[doc(hidden)]
#[macro_export]
macro_rules! __thread_local {
    ($($declaration:tt)*) => { $crate::sync::__private::thread_local! { $($declaration)* } };
}

/// Declares thread-local statics; takes `std`'s syntax, `const { … }` initialisers included.
#[cfg(loom)]
#[doc(hidden)]
#[macro_export]
macro_rules! __thread_local {
    () => {};
    ($(#[$attribute:meta])* $vis:vis static $name:ident: $type:ty = const $init:block $(; $($rest:tt)*)?) => {
        $crate::sync::__private::loom::thread_local! { $(#[$attribute])* $vis static $name: $type = $init }
        $($crate::__thread_local! { $($rest)* })?
    };
    ($(#[$attribute:meta])* $vis:vis static $name:ident: $type:ty = $init:expr $(; $($rest:tt)*)?) => {
        $crate::sync::__private::loom::thread_local! { $(#[$attribute])* $vis static $name: $type = $init }
        $($crate::__thread_local! { $($rest)* })?
    };
}

/// Declares thread-local statics; takes `std`'s syntax, `const { … }` initialisers included.
#[cfg(shuttle)]
#[doc(hidden)]
#[macro_export]
macro_rules! __thread_local {
    ($($declaration:tt)*) => { $crate::sync::__private::shuttle::thread_local! { $($declaration)* } };
}
