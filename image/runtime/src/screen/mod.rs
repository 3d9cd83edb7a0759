//! What the console prints, on displays.

mod display;
mod grid;

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;

use embassy_futures::yield_now;
use embassy_time::{Duration, Timer};
use embedded_graphics::mono_font::iso_8859_1::FONT_8X13;
use embedded_graphics::mono_font::{MonoFont, MonoTextStyle, MonoTextStyleBuilder};
use embedded_graphics::pixelcolor::{Rgb888, RgbColor, WebColors};
use embedded_graphics::prelude::{Drawable, Point};
use embedded_graphics::text::{Baseline, Text};
use switchboard::config::Address;
use switchboard_drivers::interfaces::display::{DisplayDevice, DisplayError};

pub use self::display::Display;
use self::grid::TextGrid;
use crate::log_ring;
use crate::system::{LocalBoxFuture, Subsystem, System};
use crate::tasks::{TaskGroup, Tasks};

const FONT: MonoFont<'static> = FONT_8X13;
/// The shortest time between two updates of a display, each of which may draw many characters.
const UPDATE_INTERVAL: Duration = Duration::from_millis(100);

/// The subsystem that shows on each [`Display`] what was printed since the start, and what is printed from now on. With a keyboard and
/// its [shell](crate::shell::KeyboardShells) they are a console. An image that has it needs the feature `log-ring` of
/// `switchboard-boot`.
///
/// ```no_run
/// use std::rc::Rc;
/// use switchboard_runtime::screen::Screens;
/// use switchboard_runtime::system::System;
///
/// async fn start_screens(system: &mut System) {
///     system.add_subsystem(Rc::new(Screens::new(system))).await;
/// }
/// ```
pub struct Screens {
    tasks: Tasks,
    displays: RefCell<Vec<(Address, Rc<TaskGroup>)>>,
}

impl Screens {
    /// Makes the subsystem.
    #[must_use]
    pub fn new(system: &System) -> Self {
        Self { tasks: system.tasks, displays: RefCell::default() }
    }
}

impl Subsystem for Screens {
    fn attached<'a>(&'a self, system: &'a mut System) -> LocalBoxFuture<'a, ()> {
        for found in system.devices.take_all::<Display>() {
            let (function, group) = (found.function, Rc::new(TaskGroup::new(self.tasks)));
            let (width, height) = DisplayDevice::size(&found.device);
            log::info!("{function}: {}, {width} by {height} pixels", found.driver);
            group.add(async move {
                let Err(error) = print_on(found.device).await;
                log::info!("{function}: {error}");
            });
            self.displays.borrow_mut().push((function, group));
        }
        Box::pin(core::future::ready(()))
    }

    fn detach(&self, function: Address) -> LocalBoxFuture<'_, bool> {
        Box::pin(async move {
            let found = self.displays.borrow().iter().position(|(other, _)| *other == function);
            let Some(index) = found else { return false };
            let (_, group) = self.displays.borrow_mut().swap_remove(index);
            // The driver is dropped with its task.
            group.end();
            group.ended().await;
            true
        })
    }
}

/// Shows what is printed, until the display has an error.
async fn print_on(mut display: Display) -> Result<core::convert::Infallible, DisplayError> {
    let (width, height) = DisplayDevice::size(&display);
    let cell = FONT.character_size;
    let mut grid = TextGrid::new((width / cell.width) as usize, (height / cell.height) as usize);
    let (mut cursor, mut bytes) = (log_ring::Cursor::default(), [0; 256]);
    let style = MonoTextStyleBuilder::new().font(&FONT).text_color(Rgb888::CSS_LIGHT_GRAY);
    let style = style.background_color(Rgb888::BLACK).build();
    loop {
        let mut count = log_ring::read_next(&mut cursor, &mut bytes).await;
        while count != 0 {
            grid.write(&bytes[..count]);
            count = log_ring::read(&mut cursor, &mut bytes);
        }
        for row in 0..grid.rows() {
            if draw_row(&mut grid, row, &mut display, style) {
                // Other tasks run between two rows.
                yield_now().await;
            }
        }
        display.show().await?;
        Timer::after(UPDATE_INTERVAL).await;
    }
}

/// Draws what has changed in a row. Returns whether anything has.
fn draw_row(grid: &mut TextGrid, row: usize, display: &mut Display, style: MonoTextStyle<'_, Rgb888>) -> bool {
    let changes = grid.take_changes(row);
    for (column, text) in &changes {
        // A display has at most some thousand pixels in each direction.
        let place =
            |index: usize, size: u32| i32::try_from(index).unwrap_or(i32::MAX).saturating_mul(size.cast_signed());
        let at = Point::new(place(*column, FONT.character_size.width), place(row, FONT.character_size.height));
        let Ok(_) = Text::with_baseline(text, at, style, Baseline::Top).draw(display);
    }
    !changes.is_empty()
}

impl fmt::Debug for Screens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screens").field("displays", &self.displays.borrow().len()).finish_non_exhaustive()
    }
}
