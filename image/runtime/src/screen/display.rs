//! The class of displays, which can be drawn on with `embedded-graphics`.

use alloc::boxed::Box;
use core::convert::Infallible;
use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll};

use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Size};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::pixelcolor::raw::{RawData, RawU24};
use embedded_graphics::prelude::Point;
use embedded_graphics::primitives::Rectangle;
use switchboard_drivers::interfaces::display::{DisplayDevice, DisplayError};

use crate::devices::{DeviceClass, DeviceOptions, FromDriver};

/// Pixels of a row that are written together.
const RUN: usize = 64;

/// A display with any driver: a `DrawTarget` of `embedded-graphics`, and a [`DisplayDevice`] itself.
///
/// ```
/// # use core::task::{Context, Poll};
/// # use switchboard_drivers::interfaces::display::DisplayDevice;
/// use embedded_graphics::pixelcolor::Rgb888;
/// use embedded_graphics::prelude::*;
/// use embedded_graphics::primitives::{Circle, PrimitiveStyle};
/// use switchboard_drivers::interfaces::display::DisplayError;
/// use switchboard_runtime::devices::{DeviceOptions, FromDriver};
/// use switchboard_runtime::screen::Display;
///
/// # struct Paper;
/// # impl DisplayDevice for Paper {
/// #     fn size(&self) -> (u32, u32) {
/// #         (640, 480)
/// #     }
/// #     fn write(&mut self, _x: u32, _y: u32, _pixels: &[u32]) {}
/// #     fn poll_show(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DisplayError>> {
/// #         Poll::Ready(Ok(()))
/// #     }
/// #     fn is_gone(&self) -> bool {
/// #         false
/// #     }
/// # }
/// // A driver that was attached; an app takes a `Display` from the registry of devices.
/// let mut display = Display::from_driver(Paper, DeviceOptions::default());
/// let style = PrimitiveStyle::with_fill(Rgb888::CSS_ORANGE);
/// Circle::new(Point::new(100, 100), 50).into_styled(style).draw(&mut display).unwrap_or_else(|never| match never {});
/// embassy_futures::block_on(display.show())?;
/// # Ok::<(), DisplayError>(())
/// ```
pub struct Display(Box<dyn DisplayDevice>);

impl Display {
    /// Has the device show what was drawn.
    ///
    /// # Errors
    /// [`DisplayError`].
    pub async fn show(&mut self) -> Result<(), DisplayError> {
        poll_fn(|context| self.0.poll_show(context)).await
    }
}

impl DisplayDevice for Display {
    fn size(&self) -> (u32, u32) {
        self.0.size()
    }

    fn write(&mut self, x: u32, y: u32, pixels: &[u32]) {
        self.0.write(x, y, pixels);
    }

    fn poll_show(&mut self, context: &mut Context<'_>) -> Poll<Result<(), DisplayError>> {
        self.0.poll_show(context)
    }

    fn is_gone(&self) -> bool {
        self.0.is_gone()
    }
}

impl OriginDimensions for Display {
    fn size(&self) -> Size {
        let (width, height) = self.0.size();
        Size::new(width, height)
    }
}

impl DrawTarget for Display {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(Point { x, y }, color) in pixels {
            if let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) {
                self.0.write(x, y, &[word(color)]);
            }
        }
        Ok(())
    }

    /// Writes whole runs of pixels, as text has them.
    fn fill_contiguous<I: IntoIterator<Item = Rgb888>>(
        &mut self,
        area: &Rectangle,
        colors: I,
    ) -> Result<(), Infallible> {
        let (Ok(left), Ok(top)) = (u32::try_from(area.top_left.x), u32::try_from(area.top_left.y)) else {
            // A part is outside, left or above.
            return self.draw_iter(area_points(area).zip(colors).map(|(point, color)| Pixel(point, color)));
        };
        let mut colors = colors.into_iter();
        for y in top..top.saturating_add(area.size.height) {
            let mut x = 0;
            while x < area.size.width {
                let (mut run, mut count) = ([0; RUN], 0);
                let room = run.iter_mut().take((area.size.width - x) as usize);
                for (place, color) in room.zip(&mut colors) {
                    *place = word(color);
                    count += 1;
                }
                if count == 0 {
                    return Ok(());
                }
                self.0.write(left.saturating_add(x), y, &run[..count]);
                // At most the pixels of a run.
                x += u32::try_from(count).unwrap_or(0);
            }
        }
        Ok(())
    }
}

fn area_points(area: &Rectangle) -> impl Iterator<Item = Point> + use<> {
    use embedded_graphics::primitives::PointsIter;
    area.points()
}

fn word(color: Rgb888) -> u32 {
    RawU24::from(color).into_inner()
}

impl DeviceClass for Display {}

impl<D: DisplayDevice + 'static> FromDriver<D> for Display {
    fn from_driver(driver: D, _options: DeviceOptions) -> Self {
        Self(Box::new(driver))
    }
}

impl fmt::Debug for Display {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Display").field("size", &self.0.size()).finish_non_exhaustive()
    }
}
