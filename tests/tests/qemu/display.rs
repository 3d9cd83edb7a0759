//! What is printed, on a virtio display: read from QEMU's screen, character by character.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use embedded_graphics::Pixel;
use embedded_graphics::draw_target::DrawTarget;
use embedded_graphics::geometry::{OriginDimensions, Size};
use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::iso_8859_1::FONT_8X13;
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::prelude::{Drawable, Point};
use embedded_graphics::text::{Baseline, Text};
use serde_json::json;
use switchboard_tests::{Machine, Nic, Qemu, Qmp, QmpSession, ScratchPath};

const TIMEOUT: Duration = Duration::from_secs(30);
const WIDTH: usize = 8;
const HEIGHT: usize = 13;

/// The bright pixels of a character: a bit for each, in rows.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Glyph([u8; HEIGHT]);

impl OriginDimensions for Glyph {
    fn size(&self) -> Size {
        FONT_8X13.character_size
    }
}

impl DrawTarget for Glyph {
    type Color = BinaryColor;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(Point { x, y }, color) in pixels {
            self.0[usize::try_from(y).expect("in the cell")] |= u8::from(color.is_on()) << x;
        }
        Ok(())
    }
}

/// Returns the characters by their pixels.
fn characters() -> HashMap<Glyph, char> {
    let style = MonoTextStyle::new(&FONT_8X13, BinaryColor::On);
    let draw = |character: char| {
        let mut glyph = Glyph::default();
        let Ok(_) = Text::with_baseline(&character.to_string(), Point::zero(), style, Baseline::Top).draw(&mut glyph);
        (glyph, character)
    };
    (' '..='~').map(draw).collect()
}

/// Returns the text on the screen, in rows.
fn text(qmp: &mut QmpSession, characters: &HashMap<Glyph, char>) -> Vec<String> {
    let dump = ScratchPath::new("ppm");
    qmp.command("screendump", &json!({ "filename": dump.path() })).expect("a dump");
    let bytes = fs::read(dump.path()).expect("the dump");
    let mut parts = bytes.splitn(4, |byte| *byte == b'\n').skip(1);
    let size = String::from_utf8_lossy(parts.next().expect("the size")).into_owned();
    let (width, height) = size.split_once(' ').expect("two numbers");
    let (width, height): (usize, usize) = (width.parse().expect("a number"), height.parse().expect("a number"));
    let pixels = parts.nth(1).expect("pixels");
    let read = |row: usize, column: usize| {
        let glyph = core::array::from_fn(|y| {
            let start = 3 * ((HEIGHT * row + y) * width + WIDTH * column);
            pixels[start..start + 3 * WIDTH]
                .chunks(3)
                .zip(0..)
                .fold(0, |bits, (pixel, x)| bits | u8::from(pixel[0] > 99) << x)
        });
        characters.get(&Glyph(glyph)).copied().unwrap_or('\u{fffd}')
    };
    let row = |row| (0..width / WIDTH).map(|column| read(row, column)).collect::<String>().trim_end().to_owned();
    (0..height / HEIGHT).map(row).collect()
}

#[test]
fn a_display_shows_the_console() {
    let (qmp, characters) = (Qmp::default(), characters());
    let qemu = Qemu::new(Machine::Q35).nic(Nic::Virtio).device("virtio-keyboard-pci");
    let qemu = qemu.device("virtio-gpu-pci,xres=1024,yres=768");
    let guest = qmp.attach(qemu).start();
    guest.wait_for("virtio-gpu, 1024 by 768 pixels");
    guest.wait_for("virtio-input, with a shell");
    let mut qmp = qmp.connect();
    qmp.press_keys(&["h", "e", "l", "p", "ret"]);
    let end = Instant::now() + TIMEOUT;
    let rows = loop {
        let rows = text(&mut qmp, &characters);
        if rows.iter().any(|row| row == "help        this list") || Instant::now() > end {
            break rows;
        }
        thread::sleep(Duration::from_millis(200));
    };
    for wanted in ["interrupts  every handler, and how often it was called", "help        this list"] {
        assert!(rows.iter().any(|row| row == wanted), "no {wanted:?} in {rows:#?}");
    }
    // A line of the log may be behind the prompt.
    assert!(rows.iter().any(|row| row.ends_with('_')), "no cursor in {rows:#?}");
    assert!(!rows.concat().contains('\u{fffd}'), "what is no character: {rows:#?}");
}
