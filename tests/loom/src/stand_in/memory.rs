//! Memory whose use after it was freed is seen, rather than suffered.

#![expect(unsafe_code, reason = "a box, and a cell that loom watches")]

use core::ptr::NonNull;

use loom::cell::UnsafeCell;

/// As `alloc::boxed::Box`, except that the memory behind it is never used again: a bug that a model catches reads
/// what it freed.
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

/// The life of a value, watched: loom fails where its end is not ordered with every use.
pub(crate) struct Life {
    alive: UnsafeCell<bool>,
}

// SAFETY: loom checks every access, and runs one thread at a time.
unsafe impl Sync for Life {}

impl Life {
    /// It outlasts whatever it watches.
    pub(crate) fn begin() -> &'static Self {
        std::boxed::Box::leak(std::boxed::Box::new(Self { alive: UnsafeCell::new(true) }))
    }

    pub(crate) fn is_used(&self) {
        // SAFETY: loom has checked that nothing writes it meanwhile.
        let alive = self.alive.with(|alive| unsafe { *alive });
        assert!(alive, "it was freed and is used");
    }

    pub(crate) fn is_over(&self) {
        // SAFETY: as above.
        let alive = self.alive.with(|alive| unsafe { *alive });
        assert!(!alive, "its end is not seen");
    }

    pub(crate) fn end(&self) {
        // SAFETY: loom has checked that nothing else accesses it meanwhile.
        let was_alive = self.alive.with_mut(|alive| unsafe { alive.replace(false) });
        assert!(was_alive, "it was freed twice");
    }
}
