//! The console of a panic: a register of a device, which needs no interrupt, no queue and no memory.

use alloc::sync::{Arc, Weak};
use core::fmt::{self, Write};

use spin::Mutex;
use switchboard_drivers::interfaces::console::EmergencyWriter;

/// The writer of the last console that was attached and has one. Weak, so that a console which is removed is freed.
static WRITER: Mutex<Option<Weak<dyn EmergencyWriter>>> = Mutex::new(None);

/// Sets the writer, if the console has one.
pub(super) fn set_writer(writer: Option<&Arc<dyn EmergencyWriter>>) {
    if let Some(writer) = writer {
        *WRITER.lock() = Some(Arc::downgrade(writer));
    }
}

/// Writes on the console device that can do so in a panic, if there is one.
///
/// ```
/// switchboard_runtime::consoles::print_emergency(format_args!("nothing is attached\n"));
/// ```
pub fn print_emergency(text: fmt::Arguments<'_>) {
    // A panic may have come while it was set.
    if let Some(writer) = WRITER.try_lock().and_then(|writer| writer.as_ref()?.upgrade()) {
        let _ = Lines(&*writer).write_fmt(text);
    }
}

/// Ends lines as a terminal wants them.
struct Lines<'a>(&'a dyn EmergencyWriter);

impl Write for Lines<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if byte == b'\n' {
                self.0.write_byte(b'\r');
            }
            self.0.write_byte(byte);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[derive(Debug, Default)]
    struct Paper(Mutex<String>);

    impl EmergencyWriter for Paper {
        fn write_byte(&self, byte: u8) {
            self.0.lock().push(byte.into());
        }
    }

    #[test]
    fn lines_are_written_until_the_console_is_removed() {
        let paper = Arc::new(Paper::default());
        let writer: Arc<dyn EmergencyWriter> = paper.clone();
        set_writer(Some(&writer));
        set_writer(None);
        print_emergency(format_args!("one\n{}\n", 2));
        assert_eq!(*paper.0.lock(), "one\r\n2\r\n");
        drop((paper, writer));
        print_emergency(format_args!("none\n"));
    }
}
