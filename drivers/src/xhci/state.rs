//! What the driver keeps of a running controller, under one lock: rings, slots, ports that have changed.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::context::{CONTEXTS, CONTROL_ENDPOINT, Contexts};
use super::endpoint::EndpointQueue;
use super::events::EventRing;
use super::memory::ControllerMemory;
use super::ring::{RING_TRBS, Ring};
use super::trb::{Code, Entry, Event};
use crate::usb::UsbError;

/// The life of a controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Running,
    /// It has to be reset.
    Failed(&'static str),
    Quarantined,
    Gone,
}

/// The end of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Completion {
    pub(super) code: Code,
    /// Of the command that enables a slot: the slot.
    pub(super) slot: u8,
}

/// The command ring, and what is known of its commands.
#[derive(Debug)]
pub(super) struct Commands {
    pub(super) ring: Ring,
    /// By index in the ring.
    entries: Box<[CommandEntry]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CommandEntry {
    Free,
    Pending,
    Done(Completion),
}

impl Commands {
    pub(super) fn new(ring: Ring) -> Self {
        Self { ring, entries: alloc::vec![CommandEntry::Free; RING_TRBS.into()].into() }
    }

    pub(super) fn reset(&mut self) {
        self.ring.reset();
        self.entries.fill(CommandEntry::Free);
    }

    /// Adds a command. Returns its index, or `None` while the ring is full. The end of a command whose task was dropped is not taken,
    /// and forgotten a round later.
    pub(super) fn push(&mut self, command: &Entry) -> Option<u16> {
        let index = self.ring.next();
        if self.entries[usize::from(index)] == CommandEntry::Pending {
            return None;
        }
        self.entries[usize::from(index)] = CommandEntry::Pending;
        Some(self.ring.push(&[*command]))
    }

    /// Takes the end of a command.
    pub(super) fn take(&mut self, index: u16) -> Option<Completion> {
        let entry = &mut self.entries[usize::from(index)];
        let CommandEntry::Done(completion) = *entry else { return None };
        *entry = CommandEntry::Free;
        Some(completion)
    }
}

/// A device slot that is enabled.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) contexts: Contexts,
    /// By number of the context.
    pub(super) endpoints: [Option<Box<EndpointQueue>>; CONTEXTS],
    /// Distinguishes the devices that have had the slot.
    pub(super) generation: u32,
    pub(super) is_gone: bool,
}

/// The state.
#[derive(Debug)]
pub(super) struct State {
    pub(super) events: EventRing,
    pub(super) commands: Commands,
    pub(super) memory: ControllerMemory,
    /// By number.
    pub(super) slots: Vec<Option<Slot>>,
    /// The generation of the slot that is enabled next.
    pub(super) generation: u32,
    /// The ports that have changed, by number.
    pub(super) changed_ports: [u64; 4],
    pub(super) life: Life,
}

impl State {
    /// Declares the controller unusable until it is reset.
    pub(super) fn fail(&mut self, reason: &'static str) {
        if self.life == Life::Running {
            self.life = Life::Failed(reason);
        }
    }

    /// Returns the error of requests that cannot be carried out.
    pub(super) const fn check(&self) -> Result<(), UsbError> {
        match self.life {
            Life::Running => Ok(()),
            Life::Quarantined => Err(UsbError::Quarantined),
            Life::Failed(_) | Life::Gone => Err(UsbError::Gone),
        }
    }

    /// Returns a slot that is still the same device's.
    pub(super) fn slot(&mut self, number: u8, generation: u32) -> Result<&mut Slot, UsbError> {
        self.check()?;
        match self.slots.get_mut(usize::from(number)) {
            Some(Some(slot)) if slot.generation == generation && !slot.is_gone => Ok(slot),
            _ => Err(UsbError::Gone),
        }
    }

    /// Returns the queue of an endpoint.
    pub(super) fn endpoint(&mut self, slot: u8, generation: u32, number: u8) -> Result<&mut EndpointQueue, UsbError> {
        let slot = self.slot(slot, generation)?;
        let endpoint = slot.endpoints.get_mut(usize::from(number)).and_then(Option::as_mut);
        endpoint.map(|it| &mut **it).ok_or(UsbError::Protocol("the interface has no such endpoint"))
    }

    pub(super) fn note_port(&mut self, port: u8) {
        self.changed_ports[usize::from(port / 64)] |= 1 << (port % 64);
    }

    /// Takes the next port that has changed.
    pub(super) fn take_port(&mut self) -> Option<u8> {
        let port = (1..=u8::MAX).find(|port| self.changed_ports[usize::from(port / 64)] >> (port % 64) & 1 != 0)?;
        self.changed_ports[usize::from(port / 64)] &= !(1 << (port % 64));
        Some(port)
    }

    /// Processes an event. Returns the number of the waker to be woken: that of a slot, or 0.
    pub(super) fn dispatch(&mut self, event: Event) -> usize {
        match event {
            Event::Command { pointer, code, slot } => {
                // After an abort, it has the address of the command that would have been next.
                if code != Code::COMMAND_RING_STOPPED {
                    let entry =
                        self.commands.ring.index_of(pointer).map(|it| &mut self.commands.entries[usize::from(it)]);
                    match entry {
                        Some(entry @ CommandEntry::Pending) => *entry = CommandEntry::Done(Completion { code, slot }),
                        _ => self.fail("it reports the end of a command that was not sent"),
                    }
                }
                // Commands of drivers, such as that after a stall, are few.
                usize::MAX
            }
            Event::Transfer { slot, endpoint, pointer, code, residual } => {
                let queue = self.slots.get_mut(usize::from(slot)).and_then(Option::as_mut);
                let queue = queue.and_then(|slot| slot.endpoints[usize::from(endpoint)].as_mut());
                // A transfer of a device that is gone meanwhile has no queue.
                if let Some(queue) = queue
                    && let Err(violation) = queue.complete(pointer, code, residual)
                {
                    self.fail(violation);
                }
                slot.into()
            }
            Event::Port(port) => {
                self.note_port(port);
                0
            }
            Event::Controller(_) => {
                // The event ring was full, for example.
                self.fail("it reports an error of its own");
                0
            }
            Event::Other => 0,
        }
    }
}

impl State {
    /// Enables a slot that the controller has chosen. Returns its generation.
    pub(super) fn enable(&mut self, slot: u8, contexts: Contexts, control: EndpointQueue) -> Result<u32, UsbError> {
        self.check()?;
        let Some(entry @ None) = self.slots.get_mut(usize::from(slot)).filter(|_| slot > 0) else {
            self.fail("it enables a slot that is enabled, or that there is not");
            return Err(UsbError::Gone);
        };
        self.generation = self.generation.wrapping_add(1);
        self.memory.set(slot, Some(contexts.device()));
        let mut endpoints = [const { None }; CONTEXTS];
        endpoints[usize::from(CONTROL_ENDPOINT)] = Some(Box::new(control));
        *entry = Some(Slot { contexts, endpoints, generation: self.generation, is_gone: false });
        Ok(self.generation)
    }

    /// Frees the memory of a slot that the controller has disabled.
    pub(super) fn disable(&mut self, slot: u8) {
        self.memory.set(slot, None);
        if let Some(entry) = self.slots.get_mut(usize::from(slot)) {
            *entry = None;
        }
    }
}
