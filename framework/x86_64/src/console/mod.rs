//! The console on the serial port COM1 and on the debug console at port 0xe9, and the logger that writes to it.

#![expect(unsafe_code, reason = "the I/O ports of consoles")]

mod debugcon;
mod serial;

use core::fmt::{self, Write};

use log::{LevelFilter, Log, Metadata, Record};
use spin::Once;

use super::clock;
use debugcon::DebugConsole;
use serial::Serial;
use switchboard::sync::IrqLock;

static CONSOLE: IrqLock<Console> = IrqLock::new(Console { serial: None, debug: None });
static LOGGER: Logger = Logger;
static TIME_STAMP: Once<TimeStamp> = Once::new();
static TAP: Once<fn(&str)> = Once::new();

/// Writes the time of a log line; `false` if it has none, and the line gets the seconds since boot.
pub type TimeStamp = fn(&mut dyn Write) -> bool;

/// Finds the consoles, initialises the serial port, and installs a logger that writes to all of them. Without one, output
/// is dropped.
///
/// ```no_run
/// switchboard_x86_64::console::init(log::LevelFilter::Info);
/// log::info!("booted");
/// ```
pub fn init(level: LevelFilter) {
    *CONSOLE.lock() = Console { serial: Serial::init(), debug: DebugConsole::find() };
    // It fails when there is a logger already, which stays.
    let _ = log::set_logger(&LOGGER);
    log::set_max_level(level);
}

/// Sets what log lines begin with, instead of the seconds since boot. ISRs log, too, so it must not wait for a lock.
///
/// Later calls have no effect.
pub fn set_time_stamp(time_stamp: TimeStamp) {
    TIME_STAMP.call_once(|| time_stamp);
}

/// Sets what gets all text that is printed, too. It is called by ISRs, and with the console locked: it must not print.
///
/// Later calls have no effect.
pub fn set_tap(tap: fn(&str)) {
    TAP.call_once(|| tap);
}

/// Reads bytes that have arrived on the serial port, as many as there are.
pub fn read(bytes: &mut [u8]) -> usize {
    CONSOLE.lock().serial.as_mut().map_or(0, |serial| serial.receive(bytes))
}

/// Writes to the console. ISRs may call it.
pub fn print(arguments: fmt::Arguments<'_>) {
    // A console does not fail: bytes that cannot be sent are dropped.
    let mut console = CONSOLE.lock();
    let _ = match TAP.get() {
        Some(tap) => Tapped { console: &mut console, tap: *tap }.write_fmt(arguments),
        None => console.write_fmt(arguments),
    };
}

/// Writes to the console without its lock, for panics: the code that panicked may hold it.
pub fn print_emergency(arguments: fmt::Arguments<'_>) {
    let _ = Console { serial: Serial::find(), debug: DebugConsole::find() }.write_fmt(arguments);
}

/// The consoles of the machine, which all get the same.
struct Console {
    serial: Option<Serial>,
    debug: Option<DebugConsole>,
}

impl Console {
    fn send(&mut self, bytes: &[u8]) {
        if let Some(serial) = &mut self.serial {
            serial.send(bytes);
        }
        if let Some(debug) = &mut self.debug {
            debug.send(bytes);
        }
    }
}

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for line in text.split_inclusive('\n') {
            match line.strip_suffix('\n') {
                Some(line) => {
                    self.send(line.as_bytes());
                    self.send(b"\r\n");
                }
                None => self.send(line.as_bytes()),
            }
        }
        Ok(())
    }
}

/// The consoles, and what gets the text, too.
struct Tapped<'a> {
    console: &'a mut Console,
    tap: fn(&str),
}

impl Write for Tapped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        (self.tap)(text);
        self.console.write_str(text)
    }
}

/// The logger: a line for each record, with its time, level and text.
struct Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            print(format_args!("[{Now}] {:<5} {}\n", record.level(), record.args()));
        }
    }

    fn flush(&self) {}
}

/// Displays the time of a log line.
struct Now;

impl fmt::Display for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if TIME_STAMP.get().is_some_and(|write| write(f)) {
            return Ok(());
        }
        let milliseconds = clock::now_ns() / 1_000_000;
        write!(f, "{:>4}.{:03}", milliseconds / 1_000, milliseconds % 1_000)
    }
}
