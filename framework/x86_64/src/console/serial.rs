//! The serial port COM1.

use uart_16550::backend::PioBackend;
use uart_16550::{Config, Uart16550};

/// The first port of COM1.
const COM1: u16 = 0x3f8;
/// Polls of the transmitter before a byte is dropped: about a second. A host that stops reading costs output, and does
/// not stop the machine.
const SEND_RETRIES: u32 = 1_000_000;

/// A serial port that is there.
pub(super) struct Serial {
    uart: Uart16550<PioBackend>,
    // Set once the other end has stopped reading: then each byte gets one attempt.
    is_stuck: bool,
}

impl Serial {
    /// Initialises COM1: 115,200 baud, eight bits, no parity, and the FIFO on, which are the crate's defaults. Returns
    /// `None` when there is none.
    pub(super) fn init() -> Option<Self> {
        let mut uart = com1();
        uart.init(Config::default()).ok()?;
        Some(Self { uart, is_stuck: false })
    }

    /// Returns COM1 as it is, if it is there.
    pub(super) fn find() -> Option<Self> {
        let mut uart = com1();
        uart.check_present().then_some(Self { uart, is_stuck: false })
    }

    /// Reads bytes that have arrived.
    pub(super) fn receive(&mut self, bytes: &mut [u8]) -> usize {
        self.uart.receive_bytes(bytes)
    }

    /// Writes bytes. Those that cannot be sent are dropped.
    pub(super) fn send(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let polls = if self.is_stuck { 1 } else { SEND_RETRIES };
            let sent = (0..polls).map(|_| self.uart.send_bytes(bytes)).find(|sent| *sent > 0);
            self.is_stuck = sent.is_none();
            // A byte that cannot be sent is dropped.
            bytes = &bytes[sent.unwrap_or(1)..];
        }
    }
}

fn com1() -> Uart16550<PioBackend> {
    // SAFETY: no other module uses the ports of COM1, and accesses have no effect when there is no UART.
    unsafe { Uart16550::new_port(COM1) }.expect("eight ports follow 0x3f8")
}
