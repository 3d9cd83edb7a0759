//! The interface of a source of random bytes.

use core::error::Error;

/// A device that makes random bytes.
pub trait RandomDevice {
    /// Why there are no bytes.
    type Error: Error + 'static;

    /// Fills `bytes` with random ones. May be dropped before it is ready.
    ///
    /// # Errors
    /// The driver's own, when the device cannot or is gone.
    fn fill(&mut self, bytes: &mut [u8]) -> impl Future<Output = Result<(), Self::Error>>;
}
