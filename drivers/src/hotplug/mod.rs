//! PCI Express native hot-plug: functions that are added and removed behind a port with a slot (PCIe 4.0, 6.7).
//!
//! The port interrupts for events at its slot. A [`Runner`] handles them: it turns on the power of a card that was added, passes
//! requests for removal on, and [marks functions that were removed](switchboard::function::SecondaryBus::mark_removed), so that
//! their drivers get `Gone`. The holder of the [`SlotMonitor`] handles the functions themselves: it scans for those that were
//! added and probes them, and drops the drivers of those to be removed.
//!
//! ```
//! use core::pin::pin;
//! use core::task::{Context, Poll, Waker};
//! use switchboard::driver::attach;
//! use switchboard_drivers::hotplug::{GRACE_MS, HotplugPort, SlotChange};
//! # use switchboard::config::Address;
//! # use switchboard_testing::{FakeFunction, FakeMachine};
//! # struct Delay;
//! # impl embedded_hal_async::delay::DelayNs for Delay {
//! #     async fn delay_ns(&mut self, _: u32) {}
//! # }
//! # let address = Address::new(0, 0, 4, 0);
//! # let port = FakeFunction::new(0x1b36, 0x000c).at("00:04.0").pin(1, 10).msi(1);
//! # // Slot 7, with a power controller and surprise removal, whose commands complete at once.
//! # let fake = FakeMachine::new([port.root_port(1, 7 << 19 | 1 << 18 | 0b010_0010)]);
//! # let express = fake.find_capability(address, 0x10).expect("a port");
//! # fake.insert(FakeFunction::new(0x1234, 0x11e8).at("01:00.0"));
//! # fake.machine().scan();
//! # fake.set_config(address, express + 0x12, 1 << 13);
//! # fake.set_config(address, express + 0x1a, 1 << 6);
//! # let function = fake.machine().take(address).expect("a function that no driver has");
//!
//! // `function` is a port with a slot; with QEMU: `-device pcie-root-port,chassis=1,slot=7`.
//! let port: HotplugPort = attach(function)?;
//! let (runner, mut monitor) = port.split(GRACE_MS);
//! assert_eq!(monitor.number(), 7);
//!
//! // An executor polls the runner.
//! let mut context = Context::from_waker(Waker::noop());
//! let mut runner = pin!(runner.run(Delay));
//! assert!(runner.as_mut().poll(&mut context).is_pending());
//! # fake.remove(Address::new(0, 1, 0, 0));
//! # fake.set_config(address, express + 0x12, 0);
//! # fake.set_config(address, express + 0x1a, 1 << 3 | 1 << 8);
//! # fake.send(address, 0);
//! // The card in the slot is pulled: the port interrupts, and the runner reports it.
//! assert!(runner.as_mut().poll(&mut context).is_pending());
//! assert_eq!(pin!(monitor.next()).poll(&mut context), Poll::Ready(Some(SlotChange::Gone)));
//! # Ok::<(), switchboard::driver::ProbeError>(())
//! ```

mod commands;
mod monitor;
mod policy;
mod runner;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU16, Ordering};

use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::{
    Function, HotPlugSlot, PortResources, Presence, SecondaryBus, SlotEventSource, SlotEvents,
};
use switchboard::interrupt::{Activity, Claim, InIsr, Interrupts, LineAsMessage, LineIsr, Live, Mode};
use switchboard::platform::Clock;
use switchboard::sync::IrqLock;

use monitor::Mailbox;
pub use monitor::{SlotChange, SlotMonitor};
pub use runner::Runner;

/// The milliseconds in which a request at the attention button can be cancelled (PCIe 4.0, 6.7.1.5: five seconds).
pub const GRACE_MS: u32 = 5_000;

/// State that the handler shares with the runner.
#[derive(Debug)]
struct Shared {
    /// Locked, since the handler and the runner read it: only events that were read may be cleared.
    source: IrqLock<SlotEventSource>,
    /// Events that the runner has not handled yet.
    events: AtomicU16,
    mailbox: Arc<Mailbox>,
}

impl Shared {
    /// Moves events from the port to `events`, and wakes the runner.
    fn collect(&self) -> SlotEvents {
        let events = self.source.lock().take();
        self.events.fetch_or(events.bits(), Ordering::AcqRel);
        // Also without an event: this may be the last call, after the port was removed.
        self.mailbox.runner.wake();
        events
    }

    /// Returns whether there are events other than the completion of a command.
    fn has_events(&self) -> bool {
        self.events.load(Ordering::Acquire) & !SlotEvents::COMMAND_COMPLETED.bits() != 0
    }

    /// Returns and clears those of `events` that have occurred.
    fn take(&self, events: SlotEvents) -> SlotEvents {
        let found = self.events.fetch_and(!events.bits(), Ordering::AcqRel);
        SlotEvents::from_bits_truncate(found) & events
    }
}

/// The handler: one for a line and for a message, since the registers of the port have to be read either way.
#[derive(Debug)]
struct Service(Arc<Shared>);

impl LineIsr for Service {
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        if self.0.collect().is_empty() { Claim::NotMine } else { Claim::Mine }
    }

    fn activity(&self) -> Activity {
        Activity::pending_if(self.0.source.lock().is_pending().then_some(0))
    }
}

/// A port with a slot, claimed and ready to be run. The [module](self) has an example.
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
        // Where firmware does the hot-plugging by ACPI, as by default on QEMU's q35, ports report empty slots. Such a port would be
        // powered off with the functions behind it.
        if !slot.is_occupied() && !bus.functions().is_empty() {
            return Err(ProbeError::LeftAlone(
                "the slot is reported as empty, but is not: firmware does the hot-plugging",
            ));
        }
        // By MSI the port uses the only message that it is granted. By MSI-X its registers select the entry, which may not be the
        // first.
        let irq = if message == 0 { irq } else { irq.prefer(Mode::Msi) };
        let granted = irq.grant_service()?;
        if granted.mode() == Mode::Msix && message != 0 {
            let what = "MSI-X entry of a port's events";
            return Err(ProbeError::Unexpected { what, wanted: 0, found: message.into() });
        }
        let source = IrqLock::new(slot.event_source());
        let shared = Arc::new(Shared { source, events: AtomicU16::new(0), mailbox: Arc::default() });
        let interrupts = granted.register(Arc::new(LineAsMessage(Service(shared.clone())))).unmask();
        Ok(Self { interrupts, shared, slot, bus, presence, clock })
    }
}

impl HotplugPort {
    /// Returns the interrupt mode of the port.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.interrupts.mode()
    }

    /// Returns the runner, to be spawned as a task, and the monitor for its users. A request at the attention button can be cancelled
    /// within `grace_ms`: [`GRACE_MS`], or less when no person presses the button.
    #[must_use]
    pub fn split(self, grace_ms: u32) -> (Runner, SlotMonitor) {
        let (mailbox, bus) = (self.shared.mailbox.clone(), self.bus.clone());
        let number = self.slot.capabilities().number();
        (Runner::new(self, grace_ms), SlotMonitor { mailbox, bus, number })
    }
}
