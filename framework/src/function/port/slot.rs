//! The slot behind a PCI Express port: its events and commands (PCIe 4.0, 6.7 and 7.5.3.9 to 11).
//!
//! Slot Status is cleared by writing ones, and is in one dword with Slot Control. So each is accessed by its own 16 bits, and
//! only events that were read are cleared. A write to Slot Control is a command. There is one command at a time: the next may
//! follow after the port has reported [`SlotEvents::COMMAND_COMPLETED`].

use alloc::sync::Arc;

use bitflags::bitflags;

use super::command::{CommandCompletion, SlotCommand};
use crate::config::SlotCapabilities;
use crate::ownership::Claimed;

const LINK_CAPABILITIES: u16 = 0x0c;
const LINK_STATUS: u16 = 0x12;
const SLOT_CONTROL: u16 = 0x18;
const SLOT_STATUS: u16 = 0x1a;

/// Link Capabilities: the port reports whether its data link layer is active.
const LINK_ACTIVE_REPORTING: u32 = 1 << 20;
/// Link Status: the data link layer is active.
const LINK_ACTIVE: u16 = 1 << 13;
/// Slot Status: a card is in the slot.
const PRESENCE_DETECT: u16 = 1 << 6;

/// Slot Control: the enabled events raise an interrupt.
const INTERRUPT_ENABLE: u16 = 1 << 5;
const ATTENTION_INDICATOR: u16 = 6;
const POWER_INDICATOR: u16 = 8;
const POWER_OFF: u16 = 1 << 10;
/// Slot Control: enables interrupts for link changes. The enable bits of the other events are their bits in Slot Status.
const LINK_CHANGED_ENABLE: u16 = 1 << 12;

/// The most reads of Slot Status in one call of a handler, while new events arrive.
const MAX_STATUS_READS: usize = 8;

bitflags! {
    /// The events of a slot, as in Slot Status.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct SlotEvents: u16 {
        /// The attention button was pressed.
        const ATTENTION_BUTTON = 1;
        /// The power controller detected a fault.
        const POWER_FAULT = 1 << 1;
        /// The retention latch was opened or closed.
        const LATCH = 1 << 2;
        /// A card was inserted or removed.
        const PRESENCE = 1 << 3;
        /// The last command is completed.
        const COMMAND_COMPLETED = 1 << 4;
        /// The link came up or went down.
        const LINK = 1 << 8;
    }
}

/// A hot-plug slot; a field of [`PortResources`](crate::function::PortResources). Dropping it disables its interrupts and leaves
/// its power unchanged.
///
/// ```
/// use switchboard::function::{CommandCompletion, IndicatorState, SlotCommand, SlotEvents};
/// # use switchboard_testing::{FakeFunction, FakeMachine};
///
/// # let fake = FakeMachine::new([FakeFunction::new(0x1b36, 0x000c).at("00:02.0").root_port(1, 0x5b)]);
/// # let mut slot = fake.machine().take_all().remove(0).claim_port()?.slot;
/// let completion = slot.enable_events(SlotEvents::PRESENCE | SlotEvents::COMMAND_COMPLETED);
/// assert_eq!(completion, CommandCompletion::Signaled);
/// // .. and after the event:
/// let (power, power_indicator) = (Some(false), Some(IndicatorState::Off));
/// let completion = slot.command(SlotCommand { power, power_indicator, ..SlotCommand::default() });
/// assert_eq!(completion, CommandCompletion::Signaled);
/// assert!(!slot.is_powered());
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
#[derive(Debug)]
pub struct HotPlugSlot {
    registers: SlotEventSource,
    capabilities: SlotCapabilities,
}

impl HotPlugSlot {
    pub(crate) fn new(claimed: Arc<Claimed>, offset: u16, capabilities: SlotCapabilities) -> Self {
        Self { registers: SlotEventSource { claimed, offset }, capabilities }
    }

    /// Returns the capabilities of the slot.
    #[must_use]
    pub fn capabilities(&self) -> SlotCapabilities {
        self.capabilities
    }

    /// Returns access to the events of the slot, for the interrupt handler of the port.
    #[must_use]
    pub fn event_source(&self) -> SlotEventSource {
        self.registers.clone()
    }

    /// Returns whether a card is in the slot. Ports without a presence sensor report the state of the link (PCIe 4.0, 7.5.3.11).
    #[must_use]
    pub fn is_occupied(&self) -> bool {
        self.registers.read(SLOT_STATUS).is_some_and(|status| status & PRESENCE_DETECT != 0)
    }

    /// Returns whether the link to the card is active, or `None` when the port does not report that.
    #[must_use]
    pub fn is_link_active(&self) -> Option<bool> {
        let capabilities = self.registers.claimed.space().read_u32(self.registers.offset + LINK_CAPABILITIES);
        if capabilities & LINK_ACTIVE_REPORTING == 0 {
            return None;
        }
        Some(self.registers.read(LINK_STATUS).is_some_and(|status| status & LINK_ACTIVE != 0))
    }

    /// Returns whether the slot is powered; always `true` without a power controller.
    #[must_use]
    pub fn is_powered(&self) -> bool {
        let control = self.registers.read(SLOT_CONTROL);
        !self.capabilities.has_power_controller() || control.is_some_and(|control| control & POWER_OFF == 0)
    }

    /// Sends a command to the slot.
    pub fn command(&mut self, command: SlotCommand) -> CommandCompletion {
        self.control(|mut control| {
            let can = self.capabilities;
            if let Some(power) = command.power.filter(|_| can.has_power_controller()) {
                control = control & !POWER_OFF | if power { 0 } else { POWER_OFF };
            }
            let indicators = [
                (command.power_indicator.filter(|_| can.has_power_indicator()), POWER_INDICATOR),
                (command.attention_indicator.filter(|_| can.has_attention_indicator()), ATTENTION_INDICATOR),
            ];
            for (indicator, shift) in indicators {
                if let Some(indicator) = indicator {
                    control = control & !(3 << shift) | indicator.bits() << shift;
                }
            }
            control
        })
    }

    /// Enables the interrupt for exactly these events.
    pub fn enable_events(&mut self, events: SlotEvents) -> CommandCompletion {
        let same = SlotEvents::all() - SlotEvents::LINK;
        let link = if events.contains(SlotEvents::LINK) { LINK_CHANGED_ENABLE } else { 0 };
        let interrupt = if events.is_empty() { 0 } else { INTERRUPT_ENABLE };
        let all = same.bits() | LINK_CHANGED_ENABLE | INTERRUPT_ENABLE;
        self.control(|control| control & !all | (events & same).bits() | link | interrupt)
    }

    fn control(&self, change: impl FnOnce(u16) -> u16) -> CommandCompletion {
        let Some(before) = self.registers.read(SLOT_CONTROL) else { return CommandCompletion::Immediate };
        let after = change(before);
        if after == before {
            return CommandCompletion::Immediate;
        }
        self.registers.write(SLOT_CONTROL, after);
        if self.capabilities.has_no_command_completed() {
            CommandCompletion::Immediate
        } else {
            CommandCompletion::Signaled
        }
    }
}

impl Drop for HotPlugSlot {
    fn drop(&mut self) {
        let _ = self.enable_events(SlotEvents::empty());
    }
}

/// The events of a slot, for the interrupt handler of its port.
///
/// ```
/// use switchboard::function::SlotEvents;
/// # use switchboard_testing::{FakeFunction, FakeMachine};
///
/// # let fake = FakeMachine::new([FakeFunction::new(0x1b36, 0x000c).at("00:02.0").root_port(1, 0x5b)]);
/// # let function = fake.machine().take_all().remove(0);
/// # let (address, express) = (function.address(), fake.find_capability(function.address(), 0x10).unwrap());
/// # let slot = function.claim_port()?.slot;
/// let source = slot.event_source();
/// // A card is inserted.
/// # fake.set_config(address, express + 0x1a, 1 << 3);
/// assert_eq!(source.take(), SlotEvents::PRESENCE);
/// assert_eq!(source.take(), SlotEvents::empty());
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
#[derive(Debug, Clone)]
pub struct SlotEventSource {
    claimed: Arc<Claimed>,
    offset: u16,
}

impl SlotEventSource {
    /// Reads and clears the events since the last call. Reads again after each clear: a port sends its next message only after
    /// all of its events were clear at once (PCIe 4.0, 6.7.3.4).
    pub fn take(&self) -> SlotEvents {
        let mut taken = SlotEvents::empty();
        for _ in 0..MAX_STATUS_READS {
            let Some(status) = self.read(SLOT_STATUS) else { break };
            let found = SlotEvents::from_bits_truncate(status);
            if found.is_empty() {
                break;
            }
            // Writing ones clears, so only the events that were read are cleared.
            self.write(SLOT_STATUS, found.bits());
            taken |= found;
        }
        taken
    }

    /// Returns whether an event for which the port interrupts has not been [taken](Self::take). Changes nothing.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        let read = |register| self.claimed.space().read_u16(self.offset + register);
        let (control, status) = (read(SLOT_CONTROL), read(SLOT_STATUS));
        let found = SlotEvents::from_bits_truncate(status);
        let link = control & LINK_CHANGED_ENABLE != 0 && found.contains(SlotEvents::LINK);
        let others = (found - SlotEvents::LINK).bits() & control != 0;
        control & INTERRUPT_ENABLE != 0 && status != u16::MAX && (link || others)
    }

    /// Reads a register of the port. Returns `None` when the port was removed: none of the registers can hold all ones.
    fn read(&self, register: u16) -> Option<u16> {
        if self.claimed.is_gone() {
            return None;
        }
        let value = self.claimed.space().read_u16(self.offset + register);
        (value != u16::MAX || self.claimed.confirm().is_ok()).then_some(value)
    }

    fn write(&self, register: u16, value: u16) {
        self.claimed.space().write_u16(self.offset + register, value);
    }
}
