//! edu, QEMU's educational device: it computes factorials, copies by DMA, and interrupts when it is done.
//!
//! This is the model of a driver, to be read top to bottom: the device, its registers, interrupts, probe, verbs, drop. The device
//! is specified in QEMU's `docs/specs/edu`.
//!
//! ```
//! use switchboard::driver::attach;
//! use switchboard::interrupt::Mode;
//! use switchboard_drivers::edu::{Edu, EduError};
//! # use switchboard::config::Address;
//! # use switchboard_testing::{FakeFunction, FakeMachine};
//! # let address = Address::new(0, 0, 3, 0);
//! # let function = FakeFunction::new(0x1234, 0x11e8).at("00:03.0").bar(0, 0x1000).pin(1, 10).msi(1);
//! # let fake: &FakeMachine = Box::leak(Box::new(FakeMachine::new([function])));
//! # fake.allocate_dma_from(0x10_0000);
//! # let read = move |offset| fake.read_register(address, 0, offset);
//! # let write = move |offset, value| fake.write_register(address, 0, offset, value);
//! # write(0, 0x0100_00ed);
//! # // The device: inverts the liveness register, interrupts when asked to, computes 5!.
//! # fake.on_access(address, move || {
//! #     if read(4) == 0x1234_5678 {
//! #         write(4, !0x1234_5678);
//! #     }
//! #     if read(8) == 5 {
//! #         write(8, 120);
//! #     }
//! # });
//! # fake.on_tick(move || {
//! #     if !fake.is_removed(address) && read(0x60) != 0 {
//! #         write(0x60, 0);
//! #         fake.send(address, 0);
//! #     }
//! # });
//! # let function = fake.machine().take(address).expect("a function that no driver has");
//!
//! // `function` is an edu device; with QEMU: `-device edu`.
//! let mut edu: Edu = attach(function)?;
//! assert_eq!(edu.mode(), Mode::Msi);
//! assert_eq!(embassy_futures::block_on(edu.factorial(5)), Ok(120));
//! assert_eq!(embassy_futures::block_on(edu.factorial(13)), Err(EduError::TooLarge { n: 13 }));
//! # fake.remove(address);
//! // After the device was removed, its verbs fail.
//! assert_eq!(embassy_futures::block_on(edu.factorial(5)), Err(EduError::Gone));
//! # Ok::<(), switchboard::driver::ProbeError>(())
//! ```

mod transfer;

use alloc::sync::Arc;

use switchboard::dma::DmaBuffer;
use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::event::{Notifier, Waiter, event};
use switchboard::function::{Function, Presence, Resources};
use switchboard::interrupt::{Activity, Claim, InIsr, Interrupts, LineIsr, Live, MessageIsr, Mode};
use switchboard::messages;
use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock, WriteOnly};

use crate::planted::planted;

pub use transfer::BUFFER_SIZE;

/// One edu device. A verb may be dropped at any `.await`: the next one first waits until the device has finished.
///
/// The [module](self) has an example.
#[derive(Debug)]
pub struct Edu {
    shared: Arc<Shared>,
    interrupts: Interrupts<1, Shared, Live>,
    done: Waiter,
    buffer: DmaBuffer,
}

/// The registers, in BAR 0.
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
/// Sets the bits written in `CAUSES`, and interrupts.
const RAISE: Reg<Registers, u32, WriteOnly> = Reg::at(0x60);
const ACKNOWLEDGE: Reg<Registers, u32, WriteOnly> = Reg::at(0x64);

const COMPUTING: u32 = 0x01;
const INTERRUPT_WHEN_COMPUTED: u32 = 0x80;
/// A bit of `CAUSES` that the device does not set by itself.
const SELF_TEST: u32 = 0x100;
/// The limit for the interrupt of the self-test, which takes microseconds.
const SELF_TEST_TIMEOUT_NS: u64 = 10_000_000;

messages! {
    /// The only message: a factorial or a copy is done. Which one is in the registers.
    pub enum EduMessage { Done }
}

/// State that the handler shares with the verbs.
#[derive(Debug)]
struct Shared {
    registers: Bar<Registers>,
    presence: Presence,
    done: Notifier,
}

impl Shared {
    /// Returns the error for a register that reads all ones, which no register of the device holds.
    fn gone(&self) -> EduError {
        // Marks the function as removed.
        let _ = self.presence.confirm();
        EduError::Gone
    }
}

impl MessageIsr<1> for Shared {
    type Message = EduMessage;

    fn on_message(&self, EduMessage::Done: EduMessage, isr: &InIsr<'_>) {
        // Acknowledged before the registers are read: a cause that is set later sends a message of its own.
        planted!(self.registers.write(&ACKNOWLEDGE, u32::MAX), "edu-not-acknowledged" => ());
        self.done.notify(isr);
    }

    /// A cause that the handler has not acknowledged is pending; a computation or a copy is a request.
    fn activity(&self, EduMessage::Done: EduMessage) -> Activity {
        let causes = self.registers.read(&CAUSES);
        let is_busy = self.registers.read(&STATUS) & COMPUTING != 0 || transfer::is_copying(&self.registers);
        if causes == u32::MAX {
            return Activity::UNRESPONSIVE;
        }
        Activity::pending_if((causes != 0).then_some(0)).with_requests(is_busy.into(), 0)
    }
}

impl LineIsr for Shared {
    fn on_line(&self, isr: &InIsr<'_>) -> Claim {
        match self.registers.read(&CAUSES) {
            0 => return Claim::NotMine,
            // The device was removed, and another function asserts the line. The task that waits is woken, and fails.
            u32::MAX => {
                if self.presence.confirm().is_err() {
                    self.done.notify(isr);
                }
                return Claim::NotMine;
            }
            _ => self.on_message(EduMessage::Done, isr),
        }
        // Flushes the posted acknowledgement: until it arrives, the line is asserted, and handlers are called for nothing.
        let _ = planted!(self.registers.read(&CAUSES), "edu-acknowledgement-posted" => 0);
        Claim::Mine
    }

    fn activity(&self) -> Activity {
        MessageIsr::activity(self, EduMessage::Done)
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
        // Without this self-test, a wrong route or a lost message would be a verb that never ends.
        shared.registers.write(&RAISE, SELF_TEST);
        if !done.wait_blocking(clock, SELF_TEST_TIMEOUT_NS) {
            return Err(ProbeError::Device("no interrupt arrived within 10 ms of being raised"));
        }
        shared.registers.write(&STATUS, INTERRUPT_WHEN_COMPUTED);
        Ok(Self { shared, interrupts, done, buffer })
    }
}

/// Checks that the function is an edu device: by its identification, and by a register that inverts the value written.
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
    /// Returns the interrupt mode that was granted.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.interrupts.mode()
    }

    /// Computes `n`! on the device, for `n` up to 12.
    ///
    /// # Errors
    /// [`EduError::TooLarge`] when `n` exceeds 12, [`EduError::Gone`].
    pub async fn factorial(&mut self, n: u32) -> Result<u32, EduError> {
        if n > 12 {
            return Err(EduError::TooLarge { n });
        }
        self.until_computed().await?;
        self.shared.registers.write(&FACTORIAL, n);
        self.until_computed().await?;
        match self.shared.registers.read(&FACTORIAL) {
            // The device was removed after its status was read. No factorial has this value.
            u32::MAX => Err(self.shared.gone()),
            result => Ok(result),
        }
    }

    /// Waits until no factorial is being computed. The event has several causes, so the register is read again after each.
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
    /// Turns the interrupt off. The device has no reset; a copy in flight ends when the function is given back, since bus mastering is
    /// then disabled.
    fn drop(&mut self) {
        self.shared.registers.write(&STATUS, 0);
    }
}

/// The error of a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EduError {
    /// The result exceeds the 32 bits of the register.
    #[error("{n}! does not fit 32 bits, 12! is the largest that does")]
    TooLarge {
        /// The argument.
        n: u32,
    },
    /// The range is empty, or exceeds the device's buffer.
    #[error("{length} bytes at {offset} are no range of 1 to {BUFFER_SIZE} bytes within the buffer")]
    OutsideBuffer {
        /// The offset in the buffer, in bytes.
        offset: usize,
        /// The length in bytes.
        length: usize,
    },
    /// The device was removed: its registers read all ones.
    #[error("the device no longer answers")]
    Gone,
}
