//! The control queues of a console with several ports (virtio 1.2, 5.3.6.2).

use alloc::vec::Vec;

use switchboard::dma::DmaBuffer;

use super::ConsoleFault;
use super::port::Outgoing;
use crate::virtio::queue::{Queue, QueueError, QueueWatch};

/// The bytes of a message without what follows it.
const HEADER_BYTES: usize = 8;
/// The bytes of a buffer: a message with a long name.
pub(super) const CONTROL_BYTES: usize = 128;
/// The descriptors of each control queue, and the buffers for either direction.
pub(super) const CONTROL_BUFFERS: u16 = 16;
/// The most messages that are sent for one that was received.
const MAX_REPLIES: usize = 1;

/// The kinds of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    DeviceReady = 0,
    DeviceAdd = 1,
    DeviceRemove = 2,
    PortReady = 3,
    ConsolePort = 4,
    Resize = 5,
    PortOpen = 6,
    PortName = 7,
}

impl Event {
    const ALL: [Self; 8] = [
        Self::DeviceReady,
        Self::DeviceAdd,
        Self::DeviceRemove,
        Self::PortReady,
        Self::ConsolePort,
        Self::Resize,
        Self::PortOpen,
        Self::PortName,
    ];
}

/// A message of the device.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub(super) port: u32,
    /// `None` for a kind that the specification does not have.
    pub(super) event: Option<Event>,
    pub(super) value: u16,
    /// What follows: a name, or a size.
    pub(super) rest: &'a [u8],
}

impl<'a> Message<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        let [p0, p1, p2, p3, e0, e1, v0, v1] = *header;
        let event = usize::from(u16::from_le_bytes([e0, e1]));
        let (port, value) = (u32::from_le_bytes([p0, p1, p2, p3]), u16::from_le_bytes([v0, v1]));
        Some(Self { port, event: Event::ALL.get(event).copied(), value, rest })
    }
}

/// The control queues.
#[derive(Debug)]
pub(super) struct Control {
    receive: Queue<DmaBuffer>,
    transmit: Queue<Outgoing>,
    idle: Vec<DmaBuffer>,
}

impl Control {
    /// Submits the buffers for receiving; `idle` are those for sending.
    pub(super) fn new(
        mut receive: Queue<DmaBuffer>,
        transmit: Queue<Outgoing>,
        receiving: Vec<DmaBuffer>,
        idle: Vec<DmaBuffer>,
    ) -> Self {
        for buffer in receiving {
            // Where the device has fewer descriptors, there are fewer buffers.
            drop(receive.submit(buffer));
        }
        Self { receive, transmit, idle }
    }

    /// Returns views of the queues, for the interrupt handlers.
    pub(super) fn watches(&self) -> [QueueWatch; 2] {
        [self.receive.watch(), self.transmit.watch()]
    }

    /// Notifies the device of the buffers for receiving.
    pub(super) fn kick(&mut self) {
        self.receive.kick();
    }

    /// Sends a message; returns `false` while the device has all buffers.
    pub(super) fn send(&mut self, port: u32, event: Event, value: u16) -> Result<bool, QueueError> {
        if !self.has_room(1)? {
            return Ok(false);
        }
        let Some(buffer) = self.idle.pop() else { return Ok(false) };
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&port.to_le_bytes());
        bytes[4..6].copy_from_slice(&(event as u16).to_le_bytes());
        bytes[6..].copy_from_slice(&value.to_le_bytes());
        match self.transmit.submit(Outgoing::new(buffer, &bytes)) {
            Ok(()) => {
                self.transmit.kick();
                Ok(true)
            }
            Err((QueueError::Full { .. }, outgoing)) => {
                self.idle.push(outgoing.buffer);
                Ok(false)
            }
            Err((error, _)) => Err(error),
        }
    }

    /// Passes the next message to `handle`, if there is one, and room for a reply.
    pub(super) fn receive<R>(
        &mut self,
        handle: impl FnOnce(&Message<'_>) -> Result<R, ConsoleFault>,
    ) -> Result<Option<R>, ConsoleFault> {
        if !self.has_room(MAX_REPLIES)? {
            return Ok(None);
        }
        let Some((buffer, length)) = self.receive.complete()? else { return Ok(None) };
        // Not longer than the buffer: the queue has checked it.
        let message = Message::parse(&buffer[..length as usize]).ok_or(ConsoleFault::Short { bytes: length })?;
        let result = handle(&message)?;
        self.receive.submit(buffer).map_err(|(error, _)| error)?;
        self.receive.kick();
        Ok(Some(result))
    }

    /// Requests an interrupt for the next message; returns whether there is one already that can be received.
    pub(super) fn enable_notifications(&mut self) -> Result<bool, QueueError> {
        loop {
            if self.has_room(MAX_REPLIES)? {
                return Ok(self.receive.enable_notifications());
            }
            if !self.transmit.enable_notifications() {
                return Ok(false);
            }
        }
    }

    fn has_room(&mut self, messages: usize) -> Result<bool, QueueError> {
        while let Some((outgoing, _)) = self.transmit.complete()? {
            self.idle.push(outgoing.buffer);
        }
        Ok(self.idle.len() >= messages)
    }

    pub(super) fn abandon(&mut self) {
        self.receive.abandon();
        self.transmit.abandon();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_parsed() {
        let message = Message { port: 3, event: Some(Event::PortName), value: 1, rest: b"name" };
        assert_eq!(Message::parse(b"\x03\0\0\0\x07\0\x01\0name"), Some(message));
        let unknown = Message { port: u32::MAX, event: None, value: 0, rest: b"" };
        assert_eq!(Message::parse(b"\xff\xff\xff\xff\x08\0\0\0"), Some(unknown));
        assert_eq!(Message::parse(&[0; 7]), None);
    }
}
