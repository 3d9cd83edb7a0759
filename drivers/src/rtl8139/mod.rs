//! Realtek's RTL8139C+ 100 Mbit/s network card, as emulated by QEMU: two rings of descriptors, and an interrupt line.
//!
//! The older RTL8139, with the same ids and without rings, is left alone. Cards with rings have a revision from 0x20 on.
//!
//! ```
//! use switchboard::driver::attach;
//! use switchboard_drivers::rtl8139::Rtl8139;
//! # use switchboard::config::Address;
//! # use switchboard_testing::{FakeFunction, FakeMachine};
//! # let address = Address::new(0, 0, 3, 0);
//! # let function = FakeFunction::new(0x10ec, 0x8139).at("00:03.0").byte(8, 0x20).bar(1, 0x100).pin(1, 10);
//! # let fake: &FakeMachine = Box::leak(Box::new(FakeMachine::new([function])));
//! # fake.on_access(address, move || {
//! #     fake.write_register(address, 1, 0x00, 0x1200_5452);
//! #     fake.write_register(address, 1, 0x04, 0x5634);
//! #     fake.write_register_u8(address, 1, 0x37, fake.read_register_u8(address, 1, 0x37) & !0x10);
//! # });
//! # let function = fake.machine().take(address).expect("a function that no driver has");
//!
//! // `function` is a card; with QEMU: `-device rtl8139`.
//! let card: Rtl8139 = attach(function)?;
//! assert_eq!(card.mac(), [0x52, 0x54, 0x00, 0x12, 0x34, 0x56]);
//! # Ok::<(), switchboard::driver::ProbeError>(())
//! ```

mod net;
mod registers;
mod ring;
mod shared;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use core::fmt;

use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::event::event;
use switchboard::function::{Function, Resources};
use switchboard::interrupt::{Line, Live};
use switchboard::mmio::Bar;
use switchboard::platform::Clock;

use self::registers::{
    CPCR, CPCR_RINGS, CR, CR_RECEIVER, CR_RESET, CR_TRANSMITTER, Causes, IDR0, IDR4, ISR, MAR0, MAR4, RCR, RCR_FILTER,
    RDSAR, Registers, TCR, TCR_STANDARD, TNPDS,
};
use self::ring::{RxRing, TxRing};
use self::shared::{Shared, quiesce};
use crate::ring_nic::{NicParts, RingNic, network_card, unicast};

/// The limit for a reset, which takes microseconds.
const RESET_TIMEOUT_NS: u64 = 10_000_000;
/// The first revision with rings of descriptors.
const FIRST_WITH_RINGS: u8 = 0x20;
/// The offset of Revision ID in configuration space.
const REVISION: u16 = 0x08;

/// One card, as a driver for [`embassy_net_driver`]. Frames are built and read in DMA memory, without a copy.
///
/// The [module](self) has an example.
pub struct Rtl8139 {
    // Dropped first: no handler runs when the rings are freed.
    line: Line<Shared, Live>,
    nic: RingNic<Shared>,
}

network_card!(Rtl8139, Shared);

impl Driver for Rtl8139 {
    const NAME: &'static str = "rtl8139";
    const MATCHES: &'static [Id] = &[Id::new(0x10ec, 0x8139)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let (clock, address) = (function.clock(), function.address());
        let Resources { bar1, irq, dma, bus, presence, config, .. } = function.claim()?;
        let [revision, ..] = config.read_u16(REVISION).to_le_bytes();
        if revision < FIRST_WITH_RINGS {
            return Err(ProbeError::LeftAlone("an RTL8139 without the rings of the RTL8139C+ is not driven"));
        }
        let registers = bar1.map()?;
        reset(&registers, clock)?;
        let mac = unicast(registers.read(&IDR0), registers.read(&IDR4))?;
        let (rx, tx) = (RxRing::new(&dma)?, TxRing::new(&dma)?);
        let (link_change, link_changed) = event();
        let shared = Arc::new(Shared::new(registers, presence, link_change));
        let line = irq.grant_line()?.register(shared.clone()).unmask();
        start(&shared, &rx, &tx);
        let nic = NicParts { shared, rx, tx, link: link_changed, bus, name: Self::NAME, address, mac };
        Ok(Self { line, nic: RingNic::new(nic) })
    }
}

/// Resets the card and waits until it is done.
fn reset(registers: &Bar<Registers>, clock: &dyn Clock) -> Result<(), ProbeError> {
    quiesce(registers);
    let mut command = 0;
    let is_done = clock.wait_until(RESET_TIMEOUT_NS, || {
        command = registers.read(&CR);
        command == u8::MAX || command & CR_RESET == 0
    });
    match command {
        u8::MAX => Err(ProbeError::Device("the card does not respond")),
        _ if !is_done => Err(ProbeError::Device("the reset does not complete")),
        _ => Ok(()),
    }
}

/// Starts the card: the mode with rings, which comes before their addresses (datasheet, 6.33), rings, engines, interrupts.
fn start(shared: &Shared, rx: &RxRing, tx: &TxRing) {
    let registers = &shared.registers;
    registers.write(&CPCR, CPCR_RINGS);
    registers.write_address_pair(&RDSAR, rx.bus());
    registers.write_address_pair(&TNPDS, tx.bus());
    registers.write(&CR, CR_RECEIVER | CR_TRANSMITTER);
    registers.write(&TCR, TCR_STANDARD);
    // All multicast frames: the interface of the stack has no multicast filter, and the stack filters by itself.
    registers.write(&MAR0, u32::MAX);
    registers.write(&MAR4, u32::MAX);
    registers.write(&RCR, RCR_FILTER);
    registers.write(&ISR, u16::MAX);
    shared.enable(Causes::RECEIVE | Causes::LINK);
    shared.read_link();
}

impl fmt::Debug for Rtl8139 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rtl8139").field("line", &self.line).field("nic", &self.nic).finish()
    }
}
