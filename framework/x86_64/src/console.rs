//! The console on the serial port COM1, and the logger that writes to it.

#![expect(unsafe_code, reason = "the serial port's I/O ports")]

use core::fmt::{self, Write};

use log::{LevelFilter, Log, Metadata, Record};
use spin::Once;
use uart_16550::backend::PioBackend;
use uart_16550::{Config, Uart16550};

use super::clock;
use switchboard::sync::IrqLock;

/// The first port of COM1.
const COM1: u16 = 0x3f8;
/// Polls of the transmitter before a byte is dropped: about a second. A host that stops reading costs output, and does
/// not stop the machine.
const SEND_RETRIES: u32 = 1_000_000;

static CONSOLE: IrqLock<Option<Console>> = IrqLock::new(None);
static LOGGER: Logger = Logger;
static TIME_STAMP: Once<TimeStamp> = Once::new();

/// Writes the time of a log line; `false` if it has none, and the line gets the seconds since boot.
pub type TimeStamp = fn(&mut dyn Write) -> bool;

/// Initialises the serial port and installs a logger that writes to it. Without a serial port, output is dropped.
///
/// ```no_run
/// switchboard_x86_64::console::init(log::LevelFilter::Info);
/// log::info!("booted");
/// ```
pub fn init(level: LevelFilter) {
    let mut uart = com1();
    // 115,200 baud, eight bits, no parity, and the FIFO on: the crate's defaults.
    if uart.init(Config::default()).is_ok() {
        *CONSOLE.lock() = Some(Console { uart, is_stuck: false });
    }
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

/// Writes to the console. ISRs may call it.
pub fn print(arguments: fmt::Arguments<'_>) {
    if let Some(console) = CONSOLE.lock().as_mut() {
        // A console does not fail: bytes that cannot be sent are dropped.
        let _ = console.write_fmt(arguments);
    }
}

/// Writes to the console without its lock, for panics: the code that panicked may hold it.
pub fn print_emergency(arguments: fmt::Arguments<'_>) {
    let mut console = Console { uart: com1(), is_stuck: false };
    if console.uart.check_present() {
        let _ = console.write_fmt(arguments);
    }
}

fn com1() -> Uart16550<PioBackend> {
    // SAFETY: no other module uses the ports of COM1, and accesses have no effect when there is no UART.
    unsafe { Uart16550::new_port(COM1) }.expect("eight ports follow 0x3f8")
}

struct Console {
    uart: Uart16550<PioBackend>,
    // Set once the other end has stopped reading: then each byte gets one attempt.
    is_stuck: bool,
}

impl Console {
    fn send(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let polls = if self.is_stuck { 1 } else { SEND_RETRIES };
            let sent = (0..polls).map(|_| self.uart.send_bytes(bytes)).find(|sent| *sent > 0);
            self.is_stuck = sent.is_none();
            // A byte that cannot be sent is dropped.
            bytes = &bytes[sent.unwrap_or(1)..];
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
