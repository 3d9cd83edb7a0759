//! The interface of entropy sources.

use core::error::Error;

/// A device that generates random bytes.
///
/// ```
/// use core::convert::Infallible;
/// use switchboard_drivers::interfaces::random::RandomDevice;
///
/// /// Bytes that are not random at all, for a test.
/// struct Counter(u8);
///
/// impl RandomDevice for Counter {
///     type Error = Infallible;
///
///     async fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
///         for byte in bytes {
///             *byte = self.0;
///             self.0 += 1;
///         }
///         Ok(())
///     }
/// }
///
/// async fn key(device: &mut impl RandomDevice) -> Option<[u8; 4]> {
///     let mut key = [0; 4];
///     device.fill(&mut key).await.ok().map(|()| key)
/// }
/// assert_eq!(embassy_futures::block_on(key(&mut Counter(7))), Some([7, 8, 9, 10]));
/// ```
pub trait RandomDevice {
    /// The driver's own error.
    type Error: Error + 'static;

    /// Fills `bytes` with random bytes. The future may be dropped at any time.
    ///
    /// # Errors
    /// The driver's own, when the device fails or was removed.
    fn fill(&mut self, bytes: &mut [u8]) -> impl Future<Output = Result<(), Self::Error>>;
}
