//! The box: a use of its memory after it was freed does no harm, and so can be seen.

#![expect(unsafe_code, reason = "a box")]

use core::ptr::NonNull;

/// As `alloc::boxed::Box`, except that its memory is never reused: a bug that reads what it freed is then noticed.
pub(crate) struct Box<T> {
    place: NonNull<T>,
}

impl<T> Box<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { place: NonNull::from(std::boxed::Box::leak(std::boxed::Box::new(value))) }
    }

    pub(crate) fn into_raw(this: Self) -> *mut T {
        core::mem::ManuallyDrop::new(this).place.as_ptr()
    }

    /// # Safety
    /// `place` comes from [`into_raw`](Self::into_raw), and is not used again.
    pub(crate) unsafe fn from_raw(place: *mut T) -> Self {
        Self { place: NonNull::new(place).expect("what `into_raw` gave") }
    }
}

impl<T> Drop for Box<T> {
    fn drop(&mut self) {
        // SAFETY: this box owns the value, and it is not used again.
        unsafe { self.place.drop_in_place() };
    }
}
