//! Intel's 82576 network card (igb): a receive and a transmit ring of advanced descriptors, with a message each.
//!
//! Section numbers are those of Intel's 82576 datasheet (2.63), where no other document is named. With MSI-X, each ring and all
//! other causes have a message of their own; by MSI or by the line, one interrupt serves all causes. Of the card's sixteen rings
//! of each direction one is used, and none of its virtual functions.
//!
//! ```
//! use core::task::{Context, Waker};
//! use switchboard::driver::attach;
//! use switchboard::interrupt::Mode;
//! use switchboard_drivers::igb::Igb;
//! use switchboard_drivers::interfaces::network::embassy_net_driver::{Driver, LinkState, TxToken};
//! # use switchboard::config::Address;
//! # use switchboard_testing::{FakeFunction, FakeMachine};
//! # let address = Address::new(0, 0, 3, 0);
//! # let function = FakeFunction::new(0x8086, 0x10c9).at("00:03.0").bar(0, 0x20000).bar(3, 0x4000).msix(10, 3, 0, 0x2000);
//! # let fake: &FakeMachine = Box::leak(Box::new(FakeMachine::new([function])));
//! # let write = move |offset, value| fake.write_register(address, 0, offset, value);
//! # fake.on_access(address, move || {
//! #     write(0, fake.read_register(address, 0, 0) & !(1 << 26));
//! #     write(0x0008, 2);
//! #     write(0x0020, fake.read_register(address, 0, 0x20) | 1 << 28);
//! #     write(0x5400, 0x1200_5452);
//! #     write(0x5404, 0x8000_5634);
//! # });
//! # let function = fake.machine().take(address).expect("a function that no driver has");
//!
//! // `function` is a card; with QEMU: `-device igb`.
//! let mut card: Igb = attach(function)?;
//! assert_eq!((card.mode(), card.mac()), (Mode::Msix, [0x52, 0x54, 0x00, 0x12, 0x34, 0x56]));
//! let mut context = Context::from_waker(Waker::noop());
//! assert!(card.link_state(&mut context) == LinkState::Up);
//! card.transmit(&mut context).expect("room").consume(60, |frame| frame.fill(0));
//! assert_eq!(card.counters().sent(), 1);
//! # Ok::<(), switchboard::driver::ProbeError>(())
//! ```

mod interrupt;
mod registers;
mod setup;
#[cfg(test)]
mod tests;

use core::fmt;

use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::{Function, Resources};
use switchboard::interrupt::{Interrupts, Live, Mode};

use self::interrupt::Entries;
pub use self::interrupt::IgbMessage;
use self::setup::{reset, start};
use crate::intel::card::{Link, RxRings};
use crate::intel::descriptors::Advanced;
use crate::intel::mac;
use crate::intel::shared::{ONE_INTERRUPT, Shared};
use crate::intel::tx_ring::TxRing;
use crate::interfaces::network::CardStatistics;
use crate::ring_nic::{NicParts, RingNic, network_card};

/// One card, as a driver for [`embassy_net_driver`]. Frames are built and read in DMA memory, without a copy.
///
/// The [module](self) has an example.
pub struct Igb {
    // Dropped first: no handler runs when the rings are freed.
    interrupts: Interrupts<3, Shared<Advanced>, Live>,
    nic: RingNic<Shared<Advanced>>,
}

network_card!(Igb, Shared<Advanced>);

impl Driver for Igb {
    const NAME: &'static str = "igb";
    /// 82576.
    const MATCHES: &'static [Id] = &[Id::new(0x8086, 0x10c9)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let (clock, address) = (function.clock(), function.address());
        let Resources { bar0, irq, dma, bus, presence, .. } = function.claim()?;
        let registers = bar0.map()?;
        reset(&registers, clock)?;
        let mac = mac::from_filter(&registers)?;
        let interrupts: Interrupts<3, Shared<Advanced>> = irq.grant()?;
        let entries = match interrupts.mode() {
            Mode::Msix => Entries::of(|message| interrupts.entry(message)),
            _ => None,
        };
        let sources = entries.map_or(ONE_INTERRUPT, Entries::sources);
        let (shared, link_changed) = Shared::new(registers, presence, sources);
        let (rx, tx) = (RxRings::new(&shared, &dma, 1)?, TxRing::of_card(&shared, &dma)?);
        let interrupts = interrupts.register(shared.clone()).unmask();
        start(&shared, mac, &rx, entries, clock).inspect_err(|_| shared.quiesce())?;
        let link = Link::new(link_changed);
        let nic = RingNic::new(NicParts { shared, rx, tx, link, bus, name: Self::NAME, address, mac });
        Ok(Self { interrupts, nic })
    }
}

impl Igb {
    /// Returns the interrupt mode that was granted.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.interrupts.mode()
    }

    /// Returns the statistics that the card itself keeps, since the probe.
    pub fn statistics(&mut self) -> CardStatistics {
        self.nic.statistics()
    }
}

impl fmt::Debug for Igb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Igb").field("interrupts", &self.interrupts).field("nic", &self.nic).finish()
    }
}
