//! PCI Express native hot-plug: functions that come and go behind a port with a slot (PCIe 4.0, 6.7).
//!
//! The port announces what happens at its slot by an interrupt. A [`Runner`] reacts: it powers what was put in, passes
//! on requests, and [marks what was pulled as removed](switchboard::function::SecondaryBus::mark_removed), so that its drivers
//! get `Gone`. What there is to do about the functions themselves is left to the holder of the [`SlotMonitor`]: to
//! scan and probe what came, to drop the drivers of what is to go.

mod monitor;
mod policy;
mod runner;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU16, Ordering};

use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::{
    Function, HotPlugSlot, PortResources, Presence, SecondaryBus, SlotEventSource, SlotEvents,
};
use switchboard::interrupt::{Claim, InIsr, Interrupts, LineAsMessage, LineIsr, Live, Mode};
use switchboard::platform::Clock;
use switchboard::sync::IrqLock;

use monitor::Mailbox;
pub use monitor::{SlotChange, SlotMonitor};
pub use runner::Runner;

/// How long a request at the attention button can be taken back, in milliseconds (PCIe 4.0, 6.7.1.5: five seconds).
pub const GRACE_MS: u32 = 5_000;

/// What the handler shares with the runner.
#[derive(Debug)]
struct Shared {
    /// The handler and the runner look: one at a time, since what is cleared must be what was seen.
    signals: IrqLock<SlotEventSource>,
    /// Events that the runner has not seen.
    events: AtomicU16,
    mailbox: Arc<Mailbox>,
}

impl Shared {
    fn collect(&self) -> SlotEvents {
        let events = self.signals.lock().take();
        self.events.fetch_or(events.bits(), Ordering::AcqRel);
        // With no event, too: it may be the last call of a port that is gone.
        self.mailbox.runner.wake();
        events
    }

    fn has_events(&self) -> bool {
        self.events.load(Ordering::Acquire) & !SlotEvents::COMMAND_COMPLETED.bits() != 0
    }

    /// Takes those of `events` that have happened.
    fn take(&self, events: SlotEvents) -> SlotEvents {
        let found = self.events.fetch_and(!events.bits(), Ordering::AcqRel);
        SlotEvents::from_bits_truncate(found) & events
    }
}

/// The handler: one routine, whether the port has a line or a message, since its registers have to be read either way.
#[derive(Debug)]
struct Service(Arc<Shared>);

impl LineIsr for Service {
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        if self.0.collect().is_empty() { Claim::NotMine } else { Claim::Mine }
    }
}

/// A port with a slot, claimed and ready to run.
#[derive(Debug)]
pub struct HotplugPort {
    interrupts: Interrupts<1, LineAsMessage<Service>, Live>,
    shared: Arc<Shared>,
    slot: HotPlugSlot,
    bus: SecondaryBus,
    presence: Presence,
    clock: &'static dyn Clock,
}

impl Driver for HotplugPort {
    const NAME: &'static str = "hotplug";
    const MATCHES: &'static [Id] = &[Id::hot_plug_port()];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let clock = function.clock();
        let PortResources { irq, message, slot, bus, presence, .. } = function.claim_port()?;
        if bus.numbers().is_none() {
            return Err(ProbeError::Device("the buses behind the port have no numbers"));
        }
        // Where ACPI methods do the hot-plugging, as by default on QEMU's q35, ports do not tell what is in their slots.
        // Taken at its word, this one would be powered off with all that is behind it.
        if !slot.is_occupied() && !bus.functions().is_empty() {
            return Err(ProbeError::Device(
                "the slot reports to be empty, and is not: firmware does the hot-plugging here",
            ));
        }
        // By MSI the port takes the only message that it is granted; by MSI-X it names an entry, which may be another
        // than the first.
        let irq = if message == 0 { irq } else { irq.prefer(Mode::Msi) };
        let granted = irq.grant_service()?;
        if granted.mode() == Mode::Msix && message != 0 {
            let what = "MSI-X entry of a port's events";
            return Err(ProbeError::Unexpected { what, wanted: 0, found: message.into() });
        }
        let signals = IrqLock::new(slot.event_source());
        let shared = Arc::new(Shared { signals, events: AtomicU16::new(0), mailbox: Arc::default() });
        let interrupts = granted.register(Arc::new(LineAsMessage(Service(shared.clone())))).unmask();
        Ok(Self { interrupts, shared, slot, bus, presence, clock })
    }
}

impl HotplugPort {
    /// How the port interrupts.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.interrupts.mode()
    }

    /// What runs the port, to be spawned, and what its users hold. A request at the attention button can be taken back
    /// within `grace` milliseconds: [`GRACE_MS`], or less where there is no button that a person presses.
    #[must_use]
    pub fn split(self, grace: u32) -> (Runner, SlotMonitor) {
        let (mailbox, bus) = (self.shared.mailbox.clone(), self.bus.clone());
        let number = self.slot.capabilities().number();
        (Runner::new(self, grace), SlotMonitor { mailbox, bus, number })
    }
}
