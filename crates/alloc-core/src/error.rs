//! Why an allocation failed, with the numbers that a caller needs to act on it.

use core::alloc::Layout;
use core::fmt;

/// What stood in the way of an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The allocator's memory is used up, or too little of it is left in one piece.
    Full,
    /// The size asked for is larger than any object can be (`isize::MAX`, alignment included).
    CapacityOverflow,
    /// The capacity asked for is zero where there must be some, or above the maximum given with it.
    CapacityOutOfRange,
    /// The allocator behind this one refused to give memory.
    Backing,
    /// The allocator is closed for a while: a guard that has exclusive use of it is alive, or was
    /// forgotten.
    Closed,
    /// Every value that an index type can express is in use.
    IndicesExhausted,
}

/// The error of the `try_` methods: what was asked for, and why it could not be had.
///
/// ```
/// use alloc_core::{ErrorKind, Layout, TryAllocError};
/// let error = TryAllocError::new(ErrorKind::Full, Layout::new::<[u64; 8]>(), 24);
/// assert_eq!(error.to_string(), "no room for 64 bytes aligned to 8: 24 bytes remain");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TryAllocError {
    kind: ErrorKind,
    unit: Unit,
    size: usize,
    align: usize,
    remaining_bytes: usize,
}

/// What a capacity or a limit counts.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Unit {
    Bytes,
    Values,
}

impl TryAllocError {
    /// Returns an error about `layout`, with the bytes that the allocator still had.
    #[must_use]
    pub const fn new(kind: ErrorKind, layout: Layout, remaining_bytes: usize) -> Self {
        let (size, align) = (layout.size(), layout.align());
        Self { kind, unit: Unit::Bytes, size, align, remaining_bytes }
    }

    /// Returns an error about `count` elements of `T`, whose total size no layout can express.
    #[must_use]
    pub const fn overflow<T>(count: usize) -> Self {
        let (kind, size) = (ErrorKind::CapacityOverflow, count.saturating_mul(size_of::<T>()));
        Self { kind, unit: Unit::Bytes, size, align: align_of::<T>(), remaining_bytes: 0 }
    }

    /// Returns an error about a capacity that is not in `1..=max_bytes`.
    #[must_use]
    pub const fn out_of_range(capacity_bytes: usize, max_bytes: usize) -> Self {
        let (kind, unit) = (ErrorKind::CapacityOutOfRange, Unit::Bytes);
        Self { kind, unit, size: capacity_bytes, align: 1, remaining_bytes: max_bytes }
    }

    /// Returns an error about a capacity in values that is not in `1..=max_count`.
    #[must_use]
    pub const fn count_out_of_range(capacity: usize, max_count: usize) -> Self {
        let (kind, unit) = (ErrorKind::CapacityOutOfRange, Unit::Values);
        Self { kind, unit, size: capacity, align: 1, remaining_bytes: max_count }
    }

    /// Returns an error about a value of `T` where there may be no more than `limit` of them.
    #[must_use]
    pub const fn limit_reached<T>(limit: usize) -> Self {
        let (kind, unit) = (ErrorKind::Full, Unit::Values);
        Self { kind, unit, size: size_of::<T>(), align: align_of::<T>(), remaining_bytes: limit }
    }

    /// Returns an error about a value of `T` for which no index is left after `max_count`.
    #[must_use]
    pub const fn indices_exhausted<T>(max_count: usize) -> Self {
        let (kind, unit) = (ErrorKind::IndicesExhausted, Unit::Values);
        Self {
            kind,
            unit,
            size: size_of::<T>(),
            align: align_of::<T>(),
            remaining_bytes: max_count,
        }
    }

    /// Returns what stood in the way.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the size asked for in bytes; saturated where it exceeds `usize`.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Returns the alignment asked for in bytes.
    #[must_use]
    pub const fn align(&self) -> usize {
        self.align
    }

    /// Returns the bytes that the allocator still had when it refused (for a capacity out of range,
    /// exhausted indices, and a limit in values: the maximum).
    #[must_use]
    pub const fn remaining_bytes(&self) -> usize {
        self.remaining_bytes
    }
}

impl fmt::Display for TryAllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, unit, size, align, remaining_bytes } = self;
        match kind {
            ErrorKind::Full if *unit == Unit::Values => {
                write!(
                    f,
                    "no room for a value of {size} bytes: the limit is {remaining_bytes} values"
                )
            }
            ErrorKind::Full => {
                write!(
                    f,
                    "no room for {size} bytes aligned to {align}: {remaining_bytes} bytes remain"
                )
            }
            ErrorKind::CapacityOverflow => {
                write!(
                    f,
                    "{size} bytes aligned to {align} exceed the largest object, {} bytes",
                    isize::MAX
                )
            }
            ErrorKind::CapacityOutOfRange => {
                let unit = if *unit == Unit::Values { "values" } else { "bytes" };
                write!(f, "a capacity of {size} {unit} is not in 1..={remaining_bytes} {unit}")
            }
            ErrorKind::Backing => {
                write!(f, "the backing allocator refused {size} bytes aligned to {align}")
            }
            ErrorKind::Closed => {
                write!(
                    f,
                    "no room for {size} bytes aligned to {align}: the allocator is closed by a guard"
                )
            }
            ErrorKind::IndicesExhausted => {
                write!(f, "more values than the {remaining_bytes} indices that there are")
            }
        }
    }
}

impl fmt::Debug for TryAllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TryAllocError({self})")
    }
}

impl core::error::Error for TryAllocError {}

/// A configuration that cannot be: the field, its value, and what it may be.
///
/// ```
/// use alloc_core::ConfigError;
/// let error = ConfigError::new("segment_bytes", 100, 16_384, 1 << 40);
/// assert_eq!(error.to_string(), "segment_bytes is 100, not in 16384..=1099511627776");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConfigError {
    field: &'static str,
    value: usize,
    least: usize,
    most: usize,
}

impl ConfigError {
    /// Returns an error about `field`, whose `value` is not in `least..=most`.
    #[must_use]
    pub const fn new(field: &'static str, value: usize, least: usize, most: usize) -> Self {
        Self { field, value, least, most }
    }

    /// Returns the name of the setter whose value was refused.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        self.field
    }

    /// Returns the value that was refused.
    #[must_use]
    pub const fn value(&self) -> usize {
        self.value
    }

    /// Returns the least and the largest value that would be accepted.
    #[must_use]
    pub const fn limits(&self) -> (usize, usize) {
        (self.least, self.most)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, value, least, most } = self;
        write!(f, "{field} is {value}, not in {least}..={most}")
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigError({self})")
    }
}

impl core::error::Error for ConfigError {}

/// A value that found no room, handed back with the reason.
///
/// Nothing is lost when memory runs out: [`into_value`](Self::into_value) returns the value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Rejected<T> {
    value: T,
    error: TryAllocError,
}

impl<T> Rejected<T> {
    /// Returns `value` wrapped with the reason why it was refused.
    #[must_use]
    pub const fn new(value: T, error: TryAllocError) -> Self {
        Self { value, error }
    }

    /// Returns the value that was refused.
    #[must_use]
    pub fn into_value(self) -> T {
        self.value
    }

    /// Returns the reason.
    #[must_use]
    pub const fn error(&self) -> TryAllocError {
        self.error
    }
}

impl<T> fmt::Display for Rejected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T> fmt::Debug for Rejected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<T> core::error::Error for Rejected<T> {}

impl<T> From<Rejected<T>> for TryAllocError {
    fn from(rejected: Rejected<T>) -> Self {
        rejected.error
    }
}
