//! The interface of displays.

use core::task::{Context, Poll};

/// A display: rows of pixels in memory, which the device shows when it is asked to.
///
/// ```
/// use core::task::{Context, Poll, Waker};
/// use switchboard_drivers::interfaces::display::{DisplayDevice, DisplayError};
///
/// /// A display of one row.
/// #[derive(Default)]
/// struct Row {
///     written: [u32; 4],
///     shown: [u32; 4],
/// }
///
/// impl DisplayDevice for Row {
///     fn size(&self) -> (u32, u32) {
///         (4, 1)
///     }
///
///     fn write(&mut self, x: u32, y: u32, pixels: &[u32]) {
///         let places = self.written.iter_mut().skip(x as usize).zip(pixels);
///         places.filter(|_| y == 0).for_each(|(place, pixel)| *place = *pixel);
///     }
///
///     fn poll_show(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DisplayError>> {
///         self.shown = self.written;
///         Poll::Ready(Ok(()))
///     }
///
///     fn is_gone(&self) -> bool {
///         false
///     }
/// }
///
/// let mut display = Row::default();
/// // A red pixel, and a white one beyond the end.
/// display.write(3, 0, &[0xff_0000, 0xff_ffff]);
/// assert_eq!(display.shown, [0; 4]);
/// assert_eq!(display.poll_show(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(())));
/// assert_eq!(display.shown, [0, 0, 0, 0xff_0000]);
/// ```
pub trait DisplayDevice {
    /// Returns the width and the height in pixels.
    fn size(&self) -> (u32, u32);

    /// Writes pixels of row `y` from column `x` on, each as `0x00RRGGBB`. Those outside of the display are left out.
    fn write(&mut self, x: u32, y: u32, pixels: &[u32]);

    /// Has the device show what was written, and polls until it has. The future may be dropped.
    ///
    /// # Errors
    /// [`DisplayError`].
    fn poll_show(&mut self, context: &mut Context<'_>) -> Poll<Result<(), DisplayError>>;

    /// Returns whether the display was removed.
    fn is_gone(&self) -> bool;
}

/// An error of a display.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DisplayError {
    /// The device has refused to show the pixels.
    #[error("the device answers {response:#06x}")]
    Refused {
        /// The response, by the specification of the device.
        response: u32,
    },
    /// The device was removed.
    #[error("the device was removed")]
    Gone,
    /// The device violated its protocol, and is isolated from the bus.
    #[error("the device violated its protocol and is quarantined")]
    Quarantined,
}
