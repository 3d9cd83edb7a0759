//! A value whose use after its end is noticed.

#![expect(unsafe_code, reason = "a cell that loom watches")]

use loom::cell::UnsafeCell;

/// The life of a value, watched: loom fails where its end is not ordered with every use.
pub(crate) struct Life {
    alive: UnsafeCell<bool>,
}

// SAFETY: loom checks every access, and runs one thread at a time.
unsafe impl Sync for Life {}

impl Life {
    /// It outlasts whatever it watches.
    pub(crate) fn begin() -> &'static Self {
        Box::leak(Box::new(Self { alive: UnsafeCell::new(true) }))
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
