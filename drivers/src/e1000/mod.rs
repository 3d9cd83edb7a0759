//! Intel's 8254x gigabit network cards, as emulated by QEMU: two rings of legacy descriptors, and an interrupt line.
//!
//! Section numbers are those of Intel's PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual (317453).
//! These cards have no MSI that works, and no MSI-X: the driver asks for [the line](switchboard::interrupt::InterruptPort::grant_line).
//!
//! ```
//! use core::task::{Context, Waker};
//! use switchboard::driver::attach;
//! use switchboard_drivers::e1000::E1000;
//! use switchboard_drivers::interfaces::network::embassy_net_driver::{Driver, LinkState, TxToken};
//! # use switchboard::config::Address;
//! # use switchboard_testing::{FakeFunction, FakeMachine};
//! # let address = Address::new(0, 0, 3, 0);
//! # let function = FakeFunction::new(0x8086, 0x100e).at("00:03.0").bar(0, 0x20000).pin(1, 10);
//! # let fake: &FakeMachine = Box::leak(Box::new(FakeMachine::new([function])));
//! # let write = move |offset, value| fake.write_register(address, 0, offset, value);
//! # write(0x0008, 2);
//! # fake.on_access(address, move || {
//! #     write(0, fake.read_register(address, 0, 0) & !(1 << 26));
//! #     write(0x5400, 0x1200_5452);
//! #     write(0x5404, 0x8000_5634);
//! # });
//! # let function = fake.machine().take(address).expect("a function that no driver has");
//!
//! // `function` is a card; with QEMU: `-device e1000`.
//! let mut card: E1000 = attach(function)?;
//! assert_eq!(card.mac(), [0x52, 0x54, 0x00, 0x12, 0x34, 0x56]);
//! let mut context = Context::from_waker(Waker::noop());
//! assert!(card.link_state(&mut context) == LinkState::Up);
//! card.transmit(&mut context).expect("room").consume(60, |frame| frame.fill(0));
//!
//! // The counters of the driver can be read after a network stack has taken the card.
//! let counters = card.counters();
//! assert_eq!((counters.sent(), counters.received()), (1, 0));
//! # write(0x4010, 3); // MPC, "missed packets count"
//! // And the card has statistics of its own.
//! assert_eq!(card.statistics().missed, 3);
//! # Ok::<(), switchboard::driver::ProbeError>(())
//! ```

mod setup;
#[cfg(test)]
mod tests;

use core::fmt;

use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::{Function, Resources};
use switchboard::interrupt::{Line, Live};

use self::setup::{Model, read_mac, reset, start};
use crate::intel::card::{Link, RxRings};
use crate::intel::descriptors::Legacy;
use crate::intel::shared::{ONE_INTERRUPT, Shared};
use crate::intel::tx_ring::TxRing;
use crate::interfaces::network::CardStatistics;
use crate::ring_nic::{NicParts, RingNic, network_card};

/// One card, as a driver for [`embassy_net_driver`]. Frames are built and read in DMA memory, without a copy.
///
/// The [module](self) has an example.
pub struct E1000 {
    // Dropped first: no handler runs when the rings are freed.
    line: Line<Shared<Legacy>, Live>,
    nic: RingNic<Shared<Legacy>>,
}

network_card!(E1000, Shared<Legacy>);

impl Driver for E1000 {
    const NAME: &'static str = "e1000";
    /// 82540EM, 82544GC, 82545EM.
    const MATCHES: &'static [Id] = &[Id::new(0x8086, 0x100e), Id::new(0x8086, 0x100c), Id::new(0x8086, 0x100f)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let (clock, address, model) = (function.clock(), function.address(), Model::of(&function));
        let Resources { bar0, irq, dma, bus, presence, .. } = function.claim()?;
        let (shared, link_changed) = Shared::new(bar0.map()?, presence, ONE_INTERRUPT);
        reset(&shared.registers, clock)?;
        model.check(&shared.registers)?;
        let mac = read_mac(&shared.registers, clock, model)?;
        let (rx, tx) = (RxRings::new(&shared, &dma, 1)?, TxRing::of_card(&shared, &dma)?);
        let line = irq.grant_line()?.register(shared.clone()).unmask();
        start(&shared, model, mac, &rx);
        let link = Link::new(link_changed);
        Ok(Self { line, nic: RingNic::new(NicParts { shared, rx, tx, link, bus, name: Self::NAME, address, mac }) })
    }
}

impl E1000 {
    /// Returns the statistics that the card itself keeps, since the probe.
    pub fn statistics(&mut self) -> CardStatistics {
        self.nic.statistics()
    }
}

impl fmt::Debug for E1000 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("E1000").field("line", &self.line).field("nic", &self.nic).finish()
    }
}
