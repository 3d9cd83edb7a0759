//! edu, QEMU's device for learning: it computes factorials, copies by DMA, and interrupts when it is done.
//!
//! The model of a driver, to be read top to bottom: what it is, registers, interrupts, probe, verbs, drop.
//! The device is described in QEMU's `docs/specs/edu`.

mod transfer;

use alloc::sync::Arc;

use switchboard::dma::DmaBuffer;
use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::event::{Notifier, Waiter, event};
use switchboard::function::{Function, Presence, Resources};
use switchboard::interrupt::{Claim, InIsr, Interrupts, LineIsr, Live, MessageIsr, Mode};
use switchboard::messages;
use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock, WriteOnly};

pub use transfer::BUFFER_SIZE;

/// One edu device. Its verbs may be given up at any `.await`: the next one waits for what is still under way.
#[derive(Debug)]
pub struct Edu {
    shared: Arc<Shared>,
    interrupts: Interrupts<1, Shared, Live>,
    done: Waiter,
    buffer: DmaBuffer,
}

#[derive(Debug)]
struct Registers;

impl RegisterBlock for Registers {
    const SIZE: u64 = 0x100;
    const ALIGN: u64 = 8;
}

const IDENTIFICATION: Reg<Registers, u32, ReadOnly> = Reg::at(0x00);
const LIVENESS: Reg<Registers, u32> = Reg::at(0x04);
const FACTORIAL: Reg<Registers, u32> = Reg::at(0x08);
const STATUS: Reg<Registers, u32> = Reg::at(0x20);
const CAUSES: Reg<Registers, u32, ReadOnly> = Reg::at(0x24);
/// The bits written become causes.
const RAISE: Reg<Registers, u32, WriteOnly> = Reg::at(0x60);
const ACKNOWLEDGE: Reg<Registers, u32, WriteOnly> = Reg::at(0x64);

const COMPUTING: u32 = 0x01;
const INTERRUPT_WHEN_COMPUTED: u32 = 0x80;
/// A cause that the device does not raise by itself.
const SELF_TEST: u32 = 0x100;
/// An interrupt takes microseconds from the register to the handler.
const SELF_TEST_TIMEOUT_NS: u64 = 10_000_000;

messages! {
    /// The one message. Its registers have the reason: a factorial or a copy is done.
    pub enum EduMessage { Done }
}

#[derive(Debug)]
struct Shared {
    registers: Bar<Registers>,
    presence: Presence,
    done: Notifier,
}

impl Shared {
    /// A register read all ones, which it never holds.
    fn gone(&self) -> EduError {
        // The record of the function is marked by this.
        let _ = self.presence.confirm();
        EduError::Gone
    }
}

impl MessageIsr<1> for Shared {
    type Message = EduMessage;

    fn on_message(&self, EduMessage::Done: EduMessage, isr: &InIsr<'_>) {
        // Acknowledged before the registers are looked at: a cause that comes up later sends a message of its own.
        self.registers.write(&ACKNOWLEDGE, u32::MAX);
        self.done.notify(isr);
    }
}

impl LineIsr for Shared {
    fn on_line(&self, isr: &InIsr<'_>) -> Claim {
        match self.registers.read(&CAUSES) {
            0 => return Claim::NotMine,
            // The device is gone, and another function asserts the line. The task that waits is woken to find out.
            u32::MAX => {
                if self.presence.confirm().is_err() {
                    self.done.notify(isr);
                }
                return Claim::NotMine;
            }
            _ => self.on_message(EduMessage::Done, isr),
        }
        Claim::Mine
    }
}

impl Driver for Edu {
    const NAME: &'static str = "edu";
    const MATCHES: &'static [Id] = &[Id::new(0x1234, 0x11e8)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let clock = function.clock();
        let Resources { bar0, irq, dma, presence, .. } = function.claim()?;
        let registers = bar0.map()?;
        check(&registers)?;
        // The device drives 28 bits of an address.
        let buffer = dma.limit_address_bits(28).buffer(BUFFER_SIZE)?;

        let (notifier, mut done) = event();
        let shared = Arc::new(Shared { registers, presence, done: notifier });
        let interrupts = irq.grant()?.register(shared.clone()).unmask();
        // A wrong route or a message that is lost would show as a verb that never ends; here it fails the probe.
        shared.registers.write(&RAISE, SELF_TEST);
        if !done.wait_blocking(clock, SELF_TEST_TIMEOUT_NS) {
            return Err(ProbeError::Device("no interrupt arrived within 10 ms of being raised"));
        }
        shared.registers.write(&STATUS, INTERRUPT_WHEN_COMPUTED);
        Ok(Self { shared, interrupts, done, buffer })
    }
}

/// Checks that an edu device answers: it identifies itself, and inverts what is written.
fn check(registers: &Bar<Registers>) -> Result<(), ProbeError> {
    let unexpected =
        |what, wanted: u32, found: u32| ProbeError::Unexpected { what, wanted: wanted.into(), found: found.into() };
    match registers.read(&IDENTIFICATION) & 0xffff {
        0x00ed => registers.write(&LIVENESS, 0x1234_5678),
        other => return Err(unexpected("identification", 0x00ed, other)),
    }
    match registers.read(&LIVENESS) {
        0xedcb_a987 => Ok(()),
        other => Err(unexpected("inverse of 0x12345678", 0xedcb_a987, other)),
    }
}

impl Edu {
    /// The interrupt mode that was granted.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.interrupts.mode()
    }

    /// Computes `n`! on the device, for `n` up to 12.
    ///
    /// # Errors
    /// [`EduError::TooLarge`], [`EduError::Gone`].
    pub async fn factorial(&mut self, n: u32) -> Result<u32, EduError> {
        if n > 12 {
            return Err(EduError::TooLarge { n });
        }
        self.until_computed().await?;
        self.shared.registers.write(&FACTORIAL, n);
        self.until_computed().await?;
        Ok(self.shared.registers.read(&FACTORIAL))
    }

    /// Waits until no factorial is computed. The event is only a reason to look at the register: one event serves every cause.
    async fn until_computed(&mut self) -> Result<(), EduError> {
        loop {
            match self.shared.registers.read(&STATUS) {
                u32::MAX => return Err(self.shared.gone()),
                status if status & COMPUTING == 0 => return Ok(()),
                _ => self.done.wait().await,
            }
        }
    }
}

impl Drop for Edu {
    /// There is no reset; a copy under way ends at the bus, which a function that was given back does not master.
    fn drop(&mut self) {
        self.shared.registers.write(&STATUS, 0);
    }
}

/// Why a verb failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EduError {
    /// The device computes in 32 bits.
    #[error("{n}! does not fit 32 bits, 12! is the largest that does")]
    TooLarge {
        /// What was to be computed.
        n: u32,
    },
    /// The bytes do not lie in the device's buffer, or there are none.
    #[error("1 to {BUFFER_SIZE} bytes in a buffer of that size are wanted, not {length} at {offset}")]
    OutOfBuffer {
        /// Where in the buffer.
        offset: usize,
        /// How many bytes.
        length: usize,
    },
    /// Its registers read all ones.
    #[error("the device no longer answers")]
    Gone,
}
