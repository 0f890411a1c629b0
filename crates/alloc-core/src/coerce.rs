//! [`Coerce`]: a value that can be unsized, and nothing else.
//!
//! # Why not `FnOnce(&mut T) -> &mut D`
//!
//! A closure over plain references may return a *part* of the value: the field of a struct with
//! one field, or what a `ManuallyDrop` holds, has the address and the size of the whole. Whoever
//! owns the result as a `D` would then drop the part, although the whole's type may have promised
//! that this never happens (a handle to something whose owner lives elsewhere is made so); or,
//! dropping the whole, take it to another thread because the part is `Send`. No check of address
//! and size can tell. The compiler can: a struct unsizes only as its last field does, so what it
//! makes of a `Coerce<T>` is the same `T`, seen as a `D`.

use core::fmt;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

/// A value on its way to being a trait object: it can be coerced, and that is all.
///
/// The closures of methods that unsize (`DynStack::push` of `alloc-stack`, `ArenaBox::coerce` of
/// `alloc-arena`) are given a `&mut Coerce<T>` and return a `&mut Coerce<D>`. Neither can be made
/// elsewhere or opened, so what the closure returns is what it was given, unsized: `|value| value`
/// is all that there is to write.
#[repr(transparent)]
pub struct Coerce<T: ?Sized>(T);

impl<D: ?Sized> Coerce<D> {
    /// Returns `place` as a pointer to a `D`: what `coerce` makes of the value there.
    ///
    /// # Panics
    ///
    /// If `coerce` does, or returns another object than it was given. The value is then as it was.
    ///
    /// # Safety
    ///
    /// 1. `place` points to an initialised `T`, which nobody else uses during this call.
    #[inline(always)]
    #[track_caller]
    pub unsafe fn place<T>(
        place: NonNull<T>,
        coerce: impl for<'a> FnOnce(&'a mut Coerce<T>) -> &'a mut Coerce<D>,
    ) -> NonNull<D> {
        if const { size_of::<T>() != 0 } {
            // SAFETY: clause 1; a value with a size has an address of its own.
            return unsafe { Self::given(place, coerce) };
        }
        // Values without a size share addresses: this one is given one of its own for the call.
        let mut own = Own(MaybeUninit::<T>::uninit(), 0);
        let given = NonNull::from_mut(&mut own).cast::<T>();
        // SAFETY: aligned for `T`, which is read and written nowhere, being without size; it is
        // initialised, since the value at `place` is lent here for the time of the call.
        let coerced = unsafe { Self::given(given, coerce) }.as_ptr();
        let offset = place.addr().get().wrapping_sub(given.addr().get()).cast_signed();
        // SAFETY: at the address of `place`, which is not zero.
        unsafe { NonNull::new_unchecked(coerced.wrapping_byte_offset(offset)) }
    }

    /// [`Self::place`] where the address of `given` is no other value's.
    ///
    /// # Safety
    ///
    /// 1. As `place`;
    /// 2. no other `Coerce` that lives has this address.
    #[inline(always)]
    #[track_caller]
    unsafe fn given<T>(
        given: NonNull<T>,
        coerce: impl for<'a> FnOnce(&'a mut Coerce<T>) -> &'a mut Coerce<D>,
    ) -> NonNull<D> {
        // SAFETY: clause 1; a `Coerce<T>` is laid out as a `T`.
        let coerced = coerce(unsafe { given.cast::<Coerce<T>>().as_mut() });
        let coerced = NonNull::from_mut(&mut coerced.0);
        // By clause 2 the same address is the same object; and then it has the same size, since
        // only the compiler coerced it.
        if coerced.addr() != given.addr() && !cfg!(bug = "coerce-trusts-the-closure") {
            not_the_value_it_was_given();
        }
        coerced
    }
}

/// A place with an address of its own, aligned for a `T`.
#[repr(C)]
struct Own<T>(MaybeUninit<T>, u8);

#[cold]
#[inline(never)]
#[track_caller]
fn not_the_value_it_was_given() -> ! {
    panic!("the closure returned another object than the one it was given")
}

impl<T: ?Sized> fmt::Debug for Coerce<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coerce").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Debug;
    use core::marker::PhantomData;
    use std::panic::catch_unwind;

    #[test]
    fn the_whole_value_at_its_address() {
        let mut number = 7u32;
        let place = NonNull::from_mut(&mut number);
        // SAFETY: 1. a local, not used meanwhile.
        let seen = unsafe { Coerce::<dyn Debug>::place(place, |value| value) };
        assert_eq!(seen.addr(), place.addr());
        // SAFETY: the local, borrowed by nobody else.
        assert_eq!(std::format!("{:?}", unsafe { seen.as_ref() }), "7");

        #[repr(align(64))]
        #[derive(Debug)]
        struct Aligned;
        let nowhere = NonNull::<Aligned>::dangling();
        // SAFETY: 1. without size, so initialised.
        let seen = unsafe { Coerce::<dyn Debug>::place(nowhere, |value| value) };
        assert_eq!(seen.addr(), nowhere.addr(), "its own address again");
        // SAFETY: without size and aligned.
        let seen = unsafe { seen.as_ref() };
        assert_eq!(std::format!("{seen:?}"), "Aligned");
    }

    /// The one way to another object: an inner closure may return what an outer one was given, if
    /// the inner value's lifetime says that it outlives it.
    #[test]
    fn another_object_is_refused() {
        fn steal<'a, T: 'a>(stolen: &'a mut Coerce<dyn Debug + 'a>, place: NonNull<T>) {
            // SAFETY: 1. the caller's value, which nobody else uses.
            unsafe { Coerce::<dyn Debug + 'a>::place(place, move |_| stolen) };
        }
        fn with_size<'a>(stolen: &'a mut Coerce<dyn Debug + 'a>) {
            let unit: &'a () = &();
            let mut inner = unit;
            steal::<&'a ()>(stolen, NonNull::from_mut(&mut inner));
        }
        fn without_size<'a>(stolen: &'a mut Coerce<dyn Debug + 'a>) {
            steal::<PhantomData<&'a ()>>(stolen, NonNull::dangling());
        }
        for thief in [with_size, without_size] {
            let caught = catch_unwind(|| {
                let nowhere = NonNull::<()>::dangling();
                // SAFETY: 1. without size, so initialised.
                unsafe {
                    Coerce::<dyn Debug>::place(nowhere, |stolen| {
                        thief(stolen);
                        unreachable!("a theft is refused")
                    })
                };
            });
            let message = *caught.unwrap_err().downcast::<&'static str>().unwrap();
            assert!(message.contains("returned another object"), "{message}");
        }
    }
}
