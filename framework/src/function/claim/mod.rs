//! Claiming: a function becomes quiet, and comes apart into resources.

mod bus;
mod claimed;
mod config;

pub use bus::BusPort;
pub use config::Config;

pub(crate) use claimed::Claimed;

use alloc::sync::Arc;

use crate::bar::BarSlot;
use crate::config::{Address, Class, HeaderKind, update_command};
use crate::dma::DmaPort;
use crate::function::inventory::{Gone, Presence, Record, Taken};
use crate::function::power::{BarLost, PowerState, SettleError, Settling, restore_bars};
use crate::interrupt::{InterruptPort, Offers};
use crate::machine::Machine;

/// A function that was found and that nobody drives. There is one of these for each function at a time.
#[derive(Debug)]
pub struct Function {
    taken: Taken,
}

impl Function {
    pub(crate) fn new(taken: Taken) -> Self {
        Self { taken }
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> Address {
        self.record().address()
    }

    /// Vendor ID and Device ID.
    #[must_use]
    pub fn id(&self) -> (u16, u16) {
        (self.record().header().vendor, self.record().header().device)
    }

    /// Class code.
    #[must_use]
    pub fn class(&self) -> Class {
        self.record().header().class
    }

    /// Returns the subsystem's vendor and device, where the function has them.
    #[must_use]
    pub fn subsystem(&self) -> Option<(u16, u16)> {
        self.record().facts.subsystem
    }

    /// The interrupt modes that it offers.
    #[must_use]
    pub fn offers(&self) -> Offers {
        self.record().offers()
    }

    /// The machine that it is part of.
    #[must_use]
    pub fn machine(&self) -> &'static Machine {
        self.taken.machine()
    }

    /// Whether it is still there, for whoever wants to know later.
    #[must_use]
    pub fn presence(&self) -> Presence {
        Presence::new(self.machine(), self.record())
    }

    /// Makes the function quiet and hands out its resources: no interrupt in any mode, no bus mastering,
    /// decoding on. One that sleeps is woken first, which takes some 20 ms.
    ///
    /// # Errors
    /// [`ClaimError`] for bridges, for functions that no longer answer, and for those that do not wake.
    pub fn claim(self) -> Result<Resources, ClaimError> {
        let record = self.taken.record();
        if record.header().kind != HeaderKind::Endpoint {
            return Err(ClaimError::NotAnEndpoint { address: record.address() });
        }
        let claimed = self.into_claimed()?;
        let decode = claimed.record().decodable();
        update_command(claimed.space(), |command| command | decode);
        let bar = |index| BarSlot::new(claimed.clone(), index);
        Ok(Resources {
            bar0: bar(0),
            bar1: bar(1),
            bar2: bar(2),
            bar3: bar(3),
            bar4: bar(4),
            bar5: bar(5),
            irq: InterruptPort::new(claimed.clone()),
            dma: DmaPort::new(claimed.clone()),
            bus: BusPort::new(claimed.clone()),
            presence: claimed.presence(),
            config: Config::new(claimed),
        })
    }

    /// Claims the function, whatever it is: awake, its BARs in their place, and quiet.
    pub(super) fn into_claimed(self) -> Result<Arc<Claimed>, ClaimError> {
        self.machine().confirm(self.record())?;
        let this = match self.power_state() {
            PowerState::D0 => self,
            _ => Settling::wake(self).wait()?,
        };
        restore_bars(this.record())?;
        Ok(Arc::new(Claimed::new(this.taken)))
    }

    pub(crate) fn record(&self) -> &Arc<Record> {
        self.taken.record()
    }
}

/// What a claimed function consists of. Each part moves out once; the function stays claimed while any part,
/// or anything made from one, lives.
#[derive(Debug)]
pub struct Resources {
    /// Base address register 0.
    pub bar0: BarSlot,
    /// Base address register 1.
    pub bar1: BarSlot,
    /// Base address register 2.
    pub bar2: BarSlot,
    /// Base address register 3.
    pub bar3: BarSlot,
    /// Base address register 4.
    pub bar4: BarSlot,
    /// Base address register 5.
    pub bar5: BarSlot,
    /// Its interrupts, to be granted as a line or as messages.
    pub irq: InterruptPort,
    /// Memory that it can reach.
    pub dma: DmaPort,
    /// Its way onto the bus, to be cut if it breaks the rules.
    pub bus: BusPort,
    /// Its configuration space, to read.
    pub config: Config,
    /// Whether it is still there.
    pub presence: Presence,
}

/// Why a function was not claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// Only functions with a type 0 header have what a driver claims.
    #[error("{address} is a bridge, not an endpoint")]
    NotAnEndpoint {
        /// The function.
        address: Address,
    },
    /// It is no PCI Express port with a slot.
    #[error("{address} has no slot")]
    NoSlot {
        /// The function.
        address: Address,
    },
    /// It answers no longer, or as something else.
    #[error(transparent)]
    Gone(#[from] Gone),
    /// It sleeps, and does not wake.
    #[error(transparent)]
    Settle(#[from] SettleError),
    /// It does not answer where it is to.
    #[error(transparent)]
    Lost(#[from] BarLost),
}
