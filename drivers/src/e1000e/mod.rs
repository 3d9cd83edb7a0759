//! Intel's 82574L network card (e1000e): receive and transmit rings of extended descriptors, with a message each.
//!
//! Section numbers are those of Intel's 82574 datasheet (2.5), where no other document is named. With MSI-X, each ring and all other
//! causes have a message of their own, and received frames are spread over two rings by a hash of their addresses (receive side
//! scaling); by MSI or by the line, one interrupt serves all causes, and one receive ring is used. The second transmit ring is
//! not used: frames of a connection in two rings could overtake each other.
//!
//! ```
//! use core::task::{Context, Waker};
//! use switchboard::driver::attach;
//! use switchboard::interrupt::Mode;
//! use switchboard_drivers::e1000e::E1000e;
//! use switchboard_drivers::interfaces::network::embassy_net_driver::{Driver, LinkState, TxToken};
//! # use switchboard::config::Address;
//! # use switchboard_testing::{FakeFunction, FakeMachine};
//! # let address = Address::new(0, 0, 3, 0);
//! # let function = FakeFunction::new(0x8086, 0x10d3).at("00:03.0").bar(0, 0x20000).bar(3, 0x4000).msix(5, 3, 0, 0x2000);
//! # let fake: &FakeMachine = Box::leak(Box::new(FakeMachine::new([function])));
//! # let write = move |offset, value| fake.write_register(address, 0, offset, value);
//! # fake.on_access(address, move || {
//! #     write(0, fake.read_register(address, 0, 0) & !(1 << 26));
//! #     write(0x0008, 2);
//! #     write(0x5400, 0x1200_5452);
//! #     write(0x5404, 0x8000_5634);
//! # });
//! # let function = fake.machine().take(address).expect("a function that no driver has");
//!
//! // `function` is a card; with QEMU: `-device e1000e`.
//! let mut card: E1000e = attach(function)?;
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
use switchboard::platform::Clock;

pub use self::interrupt::E1000eMessage;
use self::interrupt::OWN_MESSAGES;
use self::setup::{reset, start};
use crate::intel::card::{Link, RxRings};
use crate::intel::descriptors::Extended;
use crate::intel::mac;
use crate::intel::registers::RX_RINGS;
use crate::intel::shared::{ONE_INTERRUPT, Shared};
use crate::intel::tx_ring::TxRing;
use crate::interfaces::network::CardStatistics;
use crate::ring_nic::{NicParts, RingNic, network_card};

/// The time after which no interval between two interrupts runs. QEMU's is 128 us at least.
const LAST_INTERVAL_NS: u64 = 150_000;

/// One card, as a driver for [`embassy_net_driver`]. Frames are built and read in DMA memory, without a copy.
///
/// The [module](self) has an example.
pub struct E1000e {
    // Dropped in this order, after the card was stopped: no handler runs when the rings are freed.
    _last_interval: LastInterval,
    interrupts: Interrupts<4, Shared<Extended>, Live>,
    nic: RingNic<Shared<Extended>>,
}

network_card!(E1000e, Shared<Extended>);

impl Driver for E1000e {
    const NAME: &'static str = "e1000e";
    /// 82574L.
    const MATCHES: &'static [Id] = &[Id::new(0x8086, 0x10d3)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let (clock, address) = (function.clock(), function.address());
        let Resources { bar0, irq, dma, bus, presence, .. } = function.claim()?;
        let registers = bar0.map()?;
        reset(&registers, clock)?;
        let mac = mac::from_filter(&registers)?;
        let interrupts: Interrupts<4, Shared<Extended>> = irq.grant()?;
        let (sources, receive_rings) = match interrupts.mode() {
            Mode::Msix => (OWN_MESSAGES, RX_RINGS.len()),
            _ => (ONE_INTERRUPT, 1),
        };
        let (shared, link_changed) = Shared::new(registers, presence, sources);
        let (rx, tx) = (RxRings::new(&shared, &dma, receive_rings)?, TxRing::of_card(&shared, &dma)?);
        let interrupts = interrupts.register(shared.clone()).unmask();
        start(&shared, mac, &rx, |message| interrupts.entry(message));
        let link = Link::new(link_changed);
        let nic = RingNic::new(NicParts { shared, rx, tx, link, bus, name: Self::NAME, address, mac });
        Ok(Self { _last_interval: LastInterval { clock, mode: interrupts.mode() }, interrupts, nic })
    }
}

impl E1000e {
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

/// Waits for the end of the last interval when it is dropped: QEMU 7.2 aborts when MSI-X is turned off while the interval after a
/// message runs.
struct LastInterval {
    clock: &'static dyn Clock,
    mode: Mode,
}

impl Drop for LastInterval {
    fn drop(&mut self) {
        if self.mode == Mode::Msix {
            self.clock.wait_until(LAST_INTERVAL_NS, || false);
        }
    }
}

impl fmt::Debug for E1000e {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("E1000e").field("interrupts", &self.interrupts).field("nic", &self.nic).finish()
    }
}
