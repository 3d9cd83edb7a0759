//! Claiming: a function is quiesced and comes apart into its resources.

use alloc::sync::Arc;

use super::bus::BusPort;
use super::config::Config;
use super::handle::Function;
use super::power::{BarNotRestored, PowerState, SettleError, Settling, restore_bars};
use crate::config::{Address, HeaderKind, update_command};
use crate::dma::DmaPort;
use crate::interrupt::InterruptPort;
use crate::mmio::UnmappedBar;
use crate::ownership::{Claimed, Gone, Presence};

impl Function {
    /// Makes the function quiet and hands out its resources: no interrupt in any mode, no bus mastering,
    /// decoding on. One that sleeps is woken first, which takes some 20 ms.
    ///
    /// # Errors
    /// [`ClaimError`] for bridges, for functions that no longer answer, and for those that do not wake.
    pub fn claim(self) -> Result<Resources, ClaimError> {
        let record = self.record();
        if record.header().kind != HeaderKind::Endpoint {
            return Err(ClaimError::NotAnEndpoint { address: record.address() });
        }
        let claimed = self.into_claimed()?;
        let decode = claimed.record().decodable();
        update_command(claimed.space(), |command| command | decode);
        let bar = |index| UnmappedBar::new(claimed.clone(), index);
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
        self.presence().confirm()?;
        let this = match self.power_state() {
            PowerState::D0 => self,
            _ => Settling::wake(self).wait()?,
        };
        restore_bars(this.record())?;
        Ok(Arc::new(Claimed::new(this.into_taken())))
    }
}

/// What a claimed function consists of. Each part moves out once; the function stays claimed while any part,
/// or anything made from one, lives.
#[derive(Debug)]
pub struct Resources {
    /// Base address register 0.
    pub bar0: UnmappedBar,
    /// Base address register 1.
    pub bar1: UnmappedBar,
    /// Base address register 2.
    pub bar2: UnmappedBar,
    /// Base address register 3.
    pub bar3: UnmappedBar,
    /// Base address register 4.
    pub bar4: UnmappedBar,
    /// Base address register 5.
    pub bar5: UnmappedBar,
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
    Bar(#[from] BarNotRestored),
}
