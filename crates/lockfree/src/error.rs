//! What the structures say when they cannot do what was asked: one small enum an operation.
//!
//! | operation | done for now | another thread is in between | never again |
//! |---|---|---|---|
//! | `push` | [`PushError::Full`] | retried inside | [`PushError::Closed`] |
//! | `try_push` | [`TryPushError::Full`] | [`TryPushError::Busy`] | [`TryPushError::Closed`] |
//! | `pop` | [`PopError::Empty`] | retried inside | [`PopError::Closed`] |
//! | `try_pop` | [`TryPopError::Empty`] | [`TryPopError::Busy`] | [`TryPopError::Closed`] |
//!
//! A value that was refused is in the error, and nowhere else.

use alloc::alloc::handle_alloc_error;
use core::alloc::Layout;
use core::error::Error;
use core::fmt;

/// Why a value was not pushed; the value is handed back.
///
/// # Examples
///
/// ```
/// use lockfree::PushError;
///
/// let error = PushError::Full("job");
/// assert_eq!(error.to_string(), "push into a full structure");
/// assert_eq!(error.into_inner(), "job");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PushError<T> {
    /// There was no room at some moment during the call.
    Full(T),
    /// The structure is closed: no push will succeed.
    Closed(T),
}

/// Why a single attempt did not push a value; the value is handed back.
///
/// # Examples
///
/// ```
/// use lockfree::{PushError, TryPushError};
///
/// assert_eq!(TryPushError::Busy(7).into_inner(), 7);
/// assert_eq!(TryPushError::from(PushError::Full(7)), TryPushError::Full(7));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TryPushError<T> {
    /// There was no room at some moment during the call.
    Full(T),
    /// Another thread is in the middle of an operation that decides this one: pause, and try again.
    Busy(T),
    /// The structure is closed: no push will succeed.
    Closed(T),
}

/// Why no value was popped.
///
/// # Examples
///
/// ```
/// assert_eq!(lockfree::PopError::Empty.to_string(), "pop from an empty structure");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PopError {
    /// There was no value at some moment during the call.
    Empty,
    /// The structure is closed, and its last value is taken.
    Closed,
}

/// Why a single attempt popped no value.
///
/// # Examples
///
/// ```
/// use lockfree::{PopError, TryPopError};
///
/// assert_eq!(TryPopError::from(PopError::Empty), TryPopError::Empty);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryPopError {
    /// There was no value at some moment during the call.
    Empty,
    /// Another thread is in the middle of an operation that decides this one: pause, and try again.
    Busy,
    /// The structure is closed, and its last value is taken.
    Closed,
}

impl<T> PushError<T> {
    /// Returns the value that was not pushed.
    #[inline]
    #[must_use]
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(value) | Self::Closed(value) => value,
        }
    }
}

impl<T> TryPushError<T> {
    /// Returns the value that was not pushed.
    #[inline]
    #[must_use]
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(value) | Self::Busy(value) | Self::Closed(value) => value,
        }
    }
}

impl<T> From<PushError<T>> for TryPushError<T> {
    #[inline]
    fn from(error: PushError<T>) -> Self {
        match error {
            PushError::Full(value) => Self::Full(value),
            PushError::Closed(value) => Self::Closed(value),
        }
    }
}

impl From<PopError> for TryPopError {
    #[inline]
    fn from(error: PopError) -> Self {
        match error {
            PopError::Empty => Self::Empty,
            PopError::Closed => Self::Closed,
        }
    }
}

// Of a value that was refused the messages say nothing: it need not be printable.

impl<T> fmt::Debug for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<T> fmt::Debug for TryPushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::Busy(_) => "Busy(..)",
            Self::Closed(_) => "Closed(..)",
        })
    }
}

impl<T> fmt::Display for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "push into a full structure",
            Self::Closed(_) => "push into a closed structure",
        })
    }
}

impl<T> fmt::Display for TryPushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "push into a full structure",
            Self::Busy(_) => "push while another thread is in the middle of its operation",
            Self::Closed(_) => "push into a closed structure",
        })
    }
}

impl fmt::Display for PopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "pop from an empty structure",
            Self::Closed => "pop from a closed structure without values",
        })
    }
}

impl fmt::Display for TryPopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "pop from an empty structure",
            Self::Busy => "pop while another thread is in the middle of its operation",
            Self::Closed => "pop from a closed structure without values",
        })
    }
}

impl<T> Error for PushError<T> {}
impl<T> Error for TryPushError<T> {}
impl Error for PopError {}
impl Error for TryPopError {}

/// A structure that cannot be built: the field, its value, and what stood in the way.
///
/// Either the value is out of range, or it is in range and the memory for it was refused.
///
/// # Examples
///
/// ```
/// use core::alloc::Layout;
/// use lockfree::ConfigError;
///
/// let error = ConfigError::out_of_range("capacity", 0, 1, 1 << 20);
/// assert_eq!(error.to_string(), "capacity is 0, not in 1..=1048576");
/// assert_eq!(error.limits(), Some((1, 1 << 20)));
///
/// let error = ConfigError::no_memory("capacity", 1_000, Layout::new::<[u64; 1_000]>());
/// assert_eq!(error.to_string(), "capacity is 1000, and its 8000 bytes aligned to 8 were refused");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ConfigError {
    field: &'static str,
    value: usize,
    reason: Reason,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reason {
    Limits { least: usize, most: usize },
    Memory(Layout),
}

impl ConfigError {
    /// Returns an error about `field`, whose `value` is not in `least..=most`.
    #[must_use]
    pub const fn out_of_range(
        field: &'static str,
        value: usize,
        least: usize,
        most: usize,
    ) -> Self {
        Self { field, value, reason: Reason::Limits { least, most } }
    }

    /// Returns an error about `field`, for whose `value` the allocator refused the memory.
    #[must_use]
    pub const fn no_memory(field: &'static str, value: usize, layout: Layout) -> Self {
        Self { field, value, reason: Reason::Memory(layout) }
    }

    /// Returns the name of the field.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        self.field
    }

    /// Returns the value that was refused.
    #[must_use]
    pub const fn value(&self) -> usize {
        self.value
    }

    /// Returns the least and the largest value that would be accepted, if this one is not.
    #[must_use]
    pub const fn limits(&self) -> Option<(usize, usize)> {
        match self.reason {
            Reason::Limits { least, most } => Some((least, most)),
            Reason::Memory(_) => None,
        }
    }

    /// Returns the memory that was refused, if the value itself was not.
    #[must_use]
    pub const fn layout(&self) -> Option<Layout> {
        match self.reason {
            Reason::Limits { .. } => None,
            Reason::Memory(layout) => Some(layout),
        }
    }

    /// What an infallible constructor does with the error: panics with its message about a value
    /// out of range, and ends as every other allocation does when there is no memory.
    #[cold]
    #[track_caller]
    pub(crate) fn raise(self) -> ! {
        match self.reason {
            Reason::Limits { .. } => panic!("{self}"),
            Reason::Memory(layout) => handle_alloc_error(layout),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, value, reason } = self;
        match reason {
            Reason::Limits { least, most } => {
                write!(f, "{field} is {value}, not in {least}..={most}")
            }
            Reason::Memory(layout) => {
                let (size, align) = (layout.size(), layout.align());
                write!(
                    f,
                    "{field} is {value}, and its {size} bytes aligned to {align} were refused"
                )
            }
        }
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigError({self})")
    }
}

impl Error for ConfigError {}
