//! The state of the console under its lock: ports, and the control messages that add, change and remove them.

use alloc::string::String;
use alloc::vec::Vec;

use switchboard::dma::DmaPort;

use super::ConsoleFault;
use super::control::{Control, Event, Message};
use super::interrupt::Shared;
use super::port::Port;
use crate::interfaces::console::ConsoleSize;
use crate::virtio::queue::QueueError;

/// The longest name of a port that is kept.
const MAX_NAME_BYTES: usize = 64;

/// The most messages that are carried out at a time.
const MAX_MESSAGES: usize = 64;

/// The ports, and what was agreed with the device about them.
#[derive(Debug)]
pub(super) struct Ports {
    pub(super) dma: DmaPort,
    pub(super) list: Vec<Port>,
    /// The number of ports that the device may have: it may be more than the driver uses.
    pub(super) max_ports: u32,
    /// `None` for a device with one port.
    pub(super) control: Option<Control>,
    pub(super) has_changed: bool,
}

impl Ports {
    /// Returns a port that the device has.
    pub(super) fn port(&mut self, id: u32) -> Option<&mut Port> {
        self.list.get_mut(usize::try_from(id).ok()?).filter(|port| port.is_present)
    }

    /// Carries out the messages of the device, and sends those that are due. Returns with an interrupt requested for the next.
    pub(super) fn update(&mut self, shared: &Shared) -> Result<(), ConsoleFault> {
        let Self { dma, list, max_ports, control: Some(control), has_changed } = self else { return Ok(()) };
        for _ in 0..MAX_MESSAGES {
            for (id, port) in (0..).zip(list.iter_mut()) {
                if port.is_present
                    && port.wants_open != port.sent_open
                    && control.send(id, Event::PortOpen, port.wants_open.into())?
                {
                    port.sent_open = port.wants_open;
                }
            }
            let mut reply = None;
            let handle = |message: &Message<'_>| {
                let id = message.port;
                if message.event.is_some() && id >= *max_ports {
                    return Err(ConsoleFault::Port { id, max_ports: *max_ports });
                }
                let index = usize::try_from(id).unwrap_or(usize::MAX);
                match (list.get_mut(index), message.event) {
                    (Some(port), Some(event)) => {
                        reply = carry_out(port, event, message, dma)?.map(|is_ready| (id, is_ready));
                        // Whatever changes wakes the tasks of the port.
                        shared.ports.get(index).inspect(|wakers| wakers.wake());
                        *has_changed = true;
                    }
                    (None, Some(Event::DeviceAdd)) => {
                        log::warn!("virtio-console: port {id} is not used: {} ports are supported", shared.ports.len());
                        reply = Some((id, false));
                    }
                    _ => {}
                }
                Ok(())
            };
            let received = control.receive(handle)?;
            if let Some((id, is_ready)) = reply {
                // There is room for it.
                control.send(id, Event::PortReady, is_ready.into())?;
                if let Some(port) = list.get_mut(usize::try_from(id).unwrap_or(usize::MAX)) {
                    port.kick();
                }
            }
            if received.is_none() && !control.enable_notifications()? {
                return Ok(());
            }
        }
        // Others run meanwhile: a device that sends messages all the time must not keep this loop busy.
        shared.changes.wake();
        Ok(())
    }

    /// Ends the use of all queues.
    pub(super) fn abandon(&mut self) {
        self.list.iter_mut().for_each(Port::abandon);
        self.control.as_mut().into_iter().for_each(Control::abandon);
    }
}

/// Carries out a message about a port; returns whether the port is ready, for a reply.
fn carry_out(port: &mut Port, event: Event, message: &Message<'_>, dma: &DmaPort) -> Result<Option<bool>, QueueError> {
    match event {
        Event::DeviceAdd => {
            port.is_present = port.allocate(dma).is_ok();
            return Ok(Some(port.is_present));
        }
        Event::DeviceRemove => port.remove()?,
        Event::ConsolePort => port.is_console = message.value != 0,
        Event::PortOpen => port.is_host_open = message.value != 0,
        Event::Resize => {
            if let Some([c0, c1, r0, r1]) = message.rest.first_chunk() {
                let (columns, rows) = (u16::from_le_bytes([*c0, *c1]), u16::from_le_bytes([*r0, *r1]));
                port.size = (columns > 0 && rows > 0).then_some(ConsoleSize { columns, rows });
            }
        }
        Event::PortName => {
            let name = message.rest.split(|byte| *byte == 0).next().unwrap_or_default();
            port.name = String::from_utf8_lossy(&name[..name.len().min(MAX_NAME_BYTES)]).into_owned();
        }
        // Messages of drivers.
        Event::DeviceReady | Event::PortReady => {}
    }
    Ok(None)
}
