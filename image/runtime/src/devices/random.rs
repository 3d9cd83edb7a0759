//! The class of sources of random bytes.

use alloc::boxed::Box;
use core::error::Error;
use core::fmt;
use core::pin::Pin;

use switchboard_drivers::interfaces::random::RandomDevice;

use super::{DeviceClass, DeviceOptions, FromDriver};

/// A source of random bytes with any driver.
///
/// ```
/// use core::convert::Infallible;
/// use switchboard_drivers::interfaces::random::RandomDevice;
/// use switchboard_runtime::devices::{DeviceOptions, FromDriver, RandomSource};
///
/// struct Dice;
///
/// impl RandomDevice for Dice {
///     type Error = Infallible;
///
///     async fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
///         bytes.fill(4);
///         Ok(())
///     }
/// }
///
/// let mut source = RandomSource::from_driver(Dice, DeviceOptions::default());
/// let mut bytes = [0; 3];
/// embassy_futures::block_on(source.fill(&mut bytes))?;
/// assert_eq!(bytes, [4; 3]);
/// # Ok::<_, Box<dyn core::error::Error>>(())
/// ```
pub struct RandomSource(Box<dyn Fill>);

type Filling<'a> = Pin<Box<dyn Future<Output = Result<(), Box<dyn Error>>> + 'a>>;

trait Fill {
    fn fill<'a>(&'a mut self, bytes: &'a mut [u8]) -> Filling<'a>;
}

impl<D: RandomDevice> Fill for D {
    fn fill<'a>(&'a mut self, bytes: &'a mut [u8]) -> Filling<'a> {
        Box::pin(async { Ok(RandomDevice::fill(self, bytes).await?) })
    }
}

impl RandomSource {
    /// Fills `bytes` with random bytes. The future may be dropped before it is ready.
    ///
    /// # Errors
    /// The driver's own error, when the device fails or was removed.
    pub async fn fill(&mut self, bytes: &mut [u8]) -> Result<(), Box<dyn Error>> {
        self.0.fill(bytes).await
    }
}

impl DeviceClass for RandomSource {}

impl<D: RandomDevice + 'static> FromDriver<D> for RandomSource {
    fn from_driver(driver: D, _options: DeviceOptions) -> Self {
        Self(Box::new(driver))
    }
}

impl fmt::Debug for RandomSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RandomSource").finish_non_exhaustive()
    }
}
