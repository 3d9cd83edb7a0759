//! The slot behind a PCI Express port: what it announces, and what it is told (PCIe 4.0, 6.7 and 7.5.3.9 to 11).
//!
//! Slot Status is cleared by writing ones and lies beside Slot Control in a dword, so each is accessed by its own 16
//! bits, and what is cleared is what was seen. A write to Slot Control is a command, of which there is one at a time:
//! the next may follow once the port has announced [`SlotEvents::COMMAND_COMPLETED`].

use alloc::sync::Arc;

use bitflags::bitflags;

use crate::config::SlotCapabilities;
use crate::ownership::Claimed;

const LINK_CAPABILITIES: u16 = 0x0c;
const LINK_STATUS: u16 = 0x12;
const SLOT_CONTROL: u16 = 0x18;
const SLOT_STATUS: u16 = 0x1a;

/// Link Capabilities: the port says whether its link is up.
const REPORTS_LINK: u32 = 1 << 20;
/// Link Status: it is.
const LINK_ACTIVE: u16 = 1 << 13;
/// Slot Status: something is in the slot.
const OCCUPIED: u16 = 1 << 6;

/// Slot Control: events interrupt.
const INTERRUPT: u16 = 1 << 5;
const ATTENTION_INDICATOR: u16 = 6;
const POWER_INDICATOR: u16 = 8;
const POWER_OFF: u16 = 1 << 10;
/// Slot Control: changes of the link interrupt; the other events have the bits that they have in Slot Status.
const LINK_ENABLE: u16 = 1 << 12;

/// Reads of Slot Status in one call of a handler, while new events keep coming.
const ROUNDS: usize = 8;

bitflags! {
    /// What a port announces of its slot, as in Slot Status.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct SlotEvents: u16 {
        /// Somebody pressed the attention button.
        const ATTENTION_BUTTON = 1;
        /// The power controller found a fault.
        const POWER_FAULT = 1 << 1;
        /// The retention latch was opened or closed.
        const LATCH = 1 << 2;
        /// Something came into the slot, or left it.
        const PRESENCE = 1 << 3;
        /// The last command was carried out.
        const COMMAND_COMPLETED = 1 << 4;
        /// The link came up, or went down.
        const LINK = 1 << 8;
    }
}

/// A light at the slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndicatorState {
    /// Lit. At the power indicator: do not pull.
    On,
    /// Blinking. At the power indicator: about to change.
    Blinking,
    /// Dark. At the power indicator: may be pulled.
    Off,
}

impl IndicatorState {
    const fn bits(self) -> u16 {
        match self {
            Self::On => 1,
            Self::Blinking => 2,
            Self::Off => 3,
        }
    }
}

/// What a slot is told; `None` leaves a thing as it is. What the slot does not have is left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SlotCommand {
    /// Whether what is in it is powered.
    pub power: Option<bool>,
    /// The light that says whether it may be pulled.
    pub power_indicator: Option<IndicatorState>,
    /// The light that calls for attention.
    pub attention_indicator: Option<IndicatorState>,
}

/// When the next command may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a slot takes one command at a time"]
pub enum CommandCompletion {
    /// At once: nothing was to change, or the slot needs no time.
    Immediate,
    /// When the port announces [`SlotEvents::COMMAND_COMPLETED`]; it has a second for that.
    Signaled,
}

/// A slot, to be commanded. Dropping it ends its interrupts; its power stays as it is.
#[derive(Debug)]
pub struct HotPlugSlot {
    registers: SlotEventSource,
    capabilities: SlotCapabilities,
}

impl HotPlugSlot {
    pub(crate) fn new(claimed: Arc<Claimed>, offset: u16, capabilities: SlotCapabilities) -> Self {
        Self { registers: SlotEventSource { claimed, offset }, capabilities }
    }

    /// What it can do.
    #[must_use]
    pub fn capabilities(&self) -> SlotCapabilities {
        self.capabilities
    }

    /// The handler's side.
    #[must_use]
    pub fn event_source(&self) -> SlotEventSource {
        self.registers.clone()
    }

    /// Whether something is in it. Without a sensor of its own the link tells (PCIe 4.0, 7.5.3.11).
    #[must_use]
    pub fn is_occupied(&self) -> bool {
        self.registers.read(SLOT_STATUS).is_some_and(|status| status & OCCUPIED != 0)
    }

    /// Whether the link to what is in it works; `None` where the port does not say.
    #[must_use]
    pub fn is_link_active(&self) -> Option<bool> {
        let capabilities = self.registers.claimed.space().read_u32(self.registers.offset + LINK_CAPABILITIES);
        if capabilities & REPORTS_LINK == 0 {
            return None;
        }
        Some(self.registers.read(LINK_STATUS).is_some_and(|status| status & LINK_ACTIVE != 0))
    }

    /// Whether what is in it is powered; always, where power cannot be switched.
    #[must_use]
    pub fn is_powered(&self) -> bool {
        let control = self.registers.read(SLOT_CONTROL);
        !self.capabilities.has_power_controller() || control.is_some_and(|control| control & POWER_OFF == 0)
    }

    /// Tells the slot something.
    pub fn command(&mut self, command: SlotCommand) -> CommandCompletion {
        self.control(|mut control| {
            let can = self.capabilities;
            if let Some(power) = command.power.filter(|_| can.has_power_controller()) {
                control = control & !POWER_OFF | if power { 0 } else { POWER_OFF };
            }
            let lights = [
                (command.power_indicator.filter(|_| can.has_power_indicator()), POWER_INDICATOR),
                (command.attention_indicator.filter(|_| can.has_attention_indicator()), ATTENTION_INDICATOR),
            ];
            for (light, shift) in lights {
                if let Some(light) = light {
                    control = control & !(3 << shift) | light.bits() << shift;
                }
            }
            control
        })
    }

    /// Has exactly `events` interrupt.
    pub fn enable_events(&mut self, events: SlotEvents) -> CommandCompletion {
        let same = SlotEvents::all() - SlotEvents::LINK;
        let link = if events.contains(SlotEvents::LINK) { LINK_ENABLE } else { 0 };
        let interrupt = if events.is_empty() { 0 } else { INTERRUPT };
        let all = same.bits() | LINK_ENABLE | INTERRUPT;
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

/// The announcements of a slot, for the handler of its port.
#[derive(Debug, Clone)]
pub struct SlotEventSource {
    claimed: Arc<Claimed>,
    offset: u16,
}

impl SlotEventSource {
    /// Takes what was announced since the last time; empty when it was nothing. Looks again after each clearing: a
    /// port sends its next message only once all of its events were clear (PCIe 4.0, 6.7.3.4).
    pub fn take(&self) -> SlotEvents {
        let mut taken = SlotEvents::empty();
        for _ in 0..ROUNDS {
            let Some(status) = self.read(SLOT_STATUS) else { break };
            let found = SlotEvents::from_bits_truncate(status);
            if found.is_empty() {
                break;
            }
            // Ones clear: only what was seen.
            self.write(SLOT_STATUS, found.bits());
            taken |= found;
        }
        taken
    }

    /// Reads a register of the port. `None` when nothing answers any more: none of them can hold all ones.
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
