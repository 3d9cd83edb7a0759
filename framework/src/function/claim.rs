//! Claiming a function: quiescing it, and splitting it into its resources.

use alloc::sync::Arc;

use super::bus::BusPort;
use super::config::Config;
use super::details::Details;
use super::handle::Function;
use super::power::{BarNotRestored, PowerState, SettleError, Settling, restore_bars};
use super::sriov::SriovPort;
use crate::config::{Address, HeaderKind, update_command};
use crate::dma::DmaPort;
use crate::interrupt::InterruptPort;
use crate::mmio::UnmappedBar;
use crate::ownership::{Claimed, Gone, Presence};

impl Function {
    /// Quiesces the function and returns its resources: interrupts of all modes and bus mastering are off, decoding of its BARs
    /// is on. A function in a low-power state is woken first, which takes about 20 ms.
    ///
    /// # Errors
    /// [`ClaimError`] for bridges, for functions that no longer respond, and for those that do not wake.
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
            sriov: SriovPort::new(&claimed),
            details: Details::new(claimed.clone()),
            presence: claimed.presence(),
            config: Config::new(claimed),
        })
    }

    /// Claims an endpoint or a bridge: in D0, with its BARs at their addresses, and quiesced.
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

/// The resources of a claimed function. Each can be moved out once; the function stays claimed while any resource, or anything
/// made from one, lives.
///
/// ```
/// use switchboard::function::Resources;
/// # use switchboard_testing::{FakeFunction, FakeMachine};
///
/// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).bar(0, 0x1000).pin(1, 11)]);
/// # let function = fake.machine().take_all().remove(0);
/// # let address = function.address();
/// let Resources { bar0, irq, dma, .. } = function.claim()?;
/// assert_eq!(bar0.facts().map(|facts| facts.size), Some(0x1000));
/// assert_eq!(irq.offers().to_string(), "INTA, MSI 0, MSI-X 0");
/// assert!(fake.machine().take(address).is_none(), "the function is claimed");
///
/// drop((bar0, irq, dma));
/// assert!(fake.machine().take(address).is_some(), "the last resource was dropped");
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
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
    /// The interrupts, to be granted as a line or as messages.
    pub irq: InterruptPort,
    /// The allocator of DMA memory.
    pub dma: DmaPort,
    /// Control over bus mastering, to isolate the function.
    pub bus: BusPort,
    /// The configuration space, read-only.
    pub config: Config,
    /// The virtual functions, which are disabled; `None` for a function that has none.
    pub sriov: Option<SriovPort>,
    /// What the driver reports of its device.
    pub details: Details,
    /// The presence of the function.
    pub presence: Presence,
}

/// The reason why a function was not claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClaimError {
    /// The function is a bridge. Only functions with a type 0 header can be claimed.
    #[error("{address} is a bridge, not an endpoint")]
    NotAnEndpoint {
        /// The function.
        address: Address,
    },
    /// The function is not a PCI Express port with a slot.
    #[error("{address} has no slot")]
    NoSlot {
        /// The function.
        address: Address,
    },
    /// The function does not respond, or another one does at its address.
    #[error(transparent)]
    Gone(#[from] Gone),
    /// The function is in a low-power state and does not wake.
    #[error(transparent)]
    Settle(#[from] SettleError),
    /// A BAR does not take its address.
    #[error(transparent)]
    Bar(#[from] BarNotRestored),
}
