//! VMware's paravirtual network card, vmxnet3: one transmit and one receive queue, with a message each by MSI-X, and one for
//! events; by MSI or the line, one interrupt for all. Pass-through (UPT) features and offloads are off.
//!
//! ```
//! use switchboard::driver::attach;
//! use switchboard::interrupt::Mode;
//! use switchboard_drivers::vmxnet3::Vmxnet3;
//! # use switchboard::config::Address;
//! # use switchboard_testing::{FakeFunction, FakeMachine};
//! # let address = Address::new(0, 0, 3, 0);
//! # let function = FakeFunction::new(0x15ad, 0x07b0).at("00:03.0").bar(0, 0x1000).bar(1, 0x1000).bar(2, 0x2000);
//! # let fake: &FakeMachine = Box::leak(Box::new(FakeMachine::new([function.msix(25, 2, 0, 0x1000)])));
//! # for (offset, value) in [(0x00, 1), (0x08, 1), (0x28, 0x1200_5452), (0x30, 0x5634)] {
//! #     fake.write_register(address, 1, offset, value);
//! # }
//! # fake.on_read(address, 1, |read| if read.offset == 0x20 { 0 } else { read.value });
//! # let function = fake.machine().take(address).expect("a function that no driver has");
//!
//! // `function` is a card; with QEMU: `-device vmxnet3`.
//! let card: Vmxnet3 = attach(function)?;
//! assert_eq!((card.mode(), card.mac()), (Mode::Msix, [0x52, 0x54, 0x00, 0x12, 0x34, 0x56]));
//! # Ok::<(), switchboard::driver::ProbeError>(())
//! ```

mod net;
mod registers;
mod ring;
mod shared;
mod structures;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use core::fmt;

use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::{Function, Resources};
use switchboard::interrupt::{Interrupts, Live, Mode};
use switchboard::mmio::Bar;

use self::net::Link;
use self::registers::{ACTIVATE, CMD, DSA, MACH, MACL, RESET, RXPROD, Registers, UPDATE_RX_MODE, UVRS, VRRS};
use self::ring::{RxRing, TxRing};
use self::shared::Shared;
pub use self::shared::Vmxnet3Message;
use self::structures::{InterruptNumbers, REVISION_1, Structures};
use crate::ring_nic::{NicParts, RingNic, network_card, unicast};

/// One card, as a driver for [`embassy_net_driver`]. Frames are built and read in DMA memory, without a copy.
///
/// The [module](self) has an example.
pub struct Vmxnet3 {
    // Dropped first: no handler runs when the rings are freed.
    interrupts: Interrupts<3, Shared, Live>,
    nic: RingNic<Shared>,
}

network_card!(Vmxnet3, Shared);

impl Driver for Vmxnet3 {
    const NAME: &'static str = "vmxnet3";
    const MATCHES: &'static [Id] = &[Id::new(0x15ad, 0x07b0)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let address = function.address();
        let Resources { bar0, bar1, irq, dma, bus, presence, .. } = function.claim()?;
        let registers = bar1.map()?;
        reset(&registers)?;
        let mac = unicast(registers.read(&MACL), registers.read(&MACH))?;
        let (rx, tx) = (RxRing::new(&dma)?, TxRing::new(&dma)?);
        let interrupts: Interrupts<3, Shared> = irq.grant()?;
        let numbers = numbers(&interrupts);
        let structures = Structures::new(&dma, &rx, &tx, numbers)?;
        let shared = Arc::new(Shared::new(registers, bar0.map()?, presence, numbers, [rx.watch(), tx.watch()]));
        let interrupts = interrupts.register(shared.clone()).unmask();
        start(&shared, &structures, mac, &rx)?;
        let link = Link { is_up: shared.is_link_up(), structures };
        let nic = NicParts { shared, rx, tx, link, bus, name: Self::NAME, address, mac };
        Ok(Self { interrupts, nic: RingNic::new(nic) })
    }
}

/// Returns the numbers of the interrupts: the entries of their messages by MSI-X, else one for all.
fn numbers(interrupts: &Interrupts<3, Shared>) -> InterruptNumbers {
    let number = |message| match interrupts.mode() {
        Mode::Msix => interrupts.entry(message).and_then(|entry| u8::try_from(entry).ok()).unwrap_or(0),
        _ => 0,
    };
    let [received, sent, event] = [Vmxnet3Message::Rx, Vmxnet3Message::Tx, Vmxnet3Message::Event].map(number);
    InterruptNumbers { received, sent, event, count: 1 + received.max(sent).max(event) }
}

/// Resets the device, and selects the revision that the driver supports.
fn reset(registers: &Bar<Registers>) -> Result<(), ProbeError> {
    let (device, upt) = (registers.read(&VRRS), registers.read(&UVRS));
    if device == u32::MAX {
        return Err(ProbeError::Device("the device does not respond"));
    }
    if device & upt & REVISION_1 == 0 {
        return Err(ProbeError::Device("the device does not have revision 1 of its interface"));
    }
    registers.write(&VRRS, REVISION_1);
    registers.write(&UVRS, REVISION_1);
    registers.write(&CMD, RESET);
    Ok(())
}

/// Activates the device with its structures, and unmasks its interrupts but that of sent frames.
fn start(shared: &Shared, structures: &Structures, mac: [u8; 6], rx: &RxRing) -> Result<(), ProbeError> {
    let Shared { registers, doorbells, numbers, .. } = shared;
    let [a, b, c, d, e, f] = mac;
    registers.write(&MACL, u32::from_le_bytes([a, b, c, d]));
    registers.write(&MACH, u32::from_le_bytes([e, f, 0, 0]));
    registers.write_address_pair(&DSA, structures.bus());
    registers.write(&CMD, ACTIVATE);
    if registers.read(&CMD) != 0 {
        shared.quiesce();
        return Err(ProbeError::Device("the device refuses its configuration"));
    }
    doorbells.write(&RXPROD, rx.producer().into());
    registers.write(&CMD, UPDATE_RX_MODE);
    shared.set_mask(numbers.sent, true);
    shared.set_mask(numbers.received, false);
    shared.set_mask(numbers.event, false);
    Ok(())
}

impl Vmxnet3 {
    /// Returns the interrupt mode that was granted.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.interrupts.mode()
    }
}

impl fmt::Debug for Vmxnet3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vmxnet3").field("interrupts", &self.interrupts).field("nic", &self.nic).finish()
    }
}
