//! Loom's atomic waker, with the signature of `atomic_waker`'s.

use core::fmt;
use core::task::Waker;
use std::sync::OnceLock;

/// Made at the first use, or by `default`.
pub(crate) struct AtomicWaker(OnceLock<loom::future::AtomicWaker>);

impl AtomicWaker {
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }

    fn made(&self) -> &loom::future::AtomicWaker {
        self.0.get_or_init(loom::future::AtomicWaker::new)
    }

    pub(crate) fn register(&self, waker: &Waker) {
        self.made().register_by_ref(waker);
    }

    pub(crate) fn wake(&self) {
        self.made().wake();
    }
}

impl Default for AtomicWaker {
    fn default() -> Self {
        let this = Self::new();
        this.made();
        this
    }
}

impl fmt::Debug for AtomicWaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AtomicWaker")
    }
}
