//! One request to a disk: its command and its data.

#![expect(clippy::vec_box, reason = "requests are moved with each use")]

use alloc::boxed::Box;
use alloc::vec::Vec;

use switchboard::dma::{BusAddress, DmaBuffer, DmaError, DmaPort};

use super::command::Command;
use crate::requests::Indexed;

/// The most bytes of data in one request: the size of its buffer.
pub(super) const MAX_REQUEST_BYTES: usize = 64 * 1024;

/// The memory of one request, which is reused for others. Its index is its slot in the command list.
#[derive(Debug)]
pub(crate) struct Request {
    index: usize,
    pub(super) command: Command,
    /// The buffer for data. Not the caller's, which may be freed while the HBA has the request. Allocated on first use.
    data: Option<DmaBuffer>,
    length: usize,
    /// How often it was submitted again, since another request failed.
    pub(super) retries: u8,
    /// It is submitted alone, so that an error is its own.
    pub(super) is_alone: bool,
    /// How often the time limit was checked while the device had it.
    pub(super) age: u8,
}

impl Request {
    pub(super) fn allocate(count: usize) -> Vec<Box<Self>> {
        let request = |index| Self {
            index,
            command: Command::Packet([0; 12]),
            data: None,
            length: 0,
            retries: 0,
            is_alone: false,
            age: 0,
        };
        (0..count).map(request).map(Box::new).collect()
    }

    /// Prepares a request with `length` bytes of data.
    pub(super) fn prepare(&mut self, command: Command, length: usize, dma: &DmaPort) -> Result<(), DmaError> {
        if self.data.is_none() && length > 0 {
            self.data = Some(dma.buffer(MAX_REQUEST_BYTES)?);
        }
        (self.command, self.length, self.retries, self.is_alone) = (command, length, 0, false);
        Ok(())
    }

    /// Returns its data.
    pub(super) fn data(&mut self) -> &mut [u8] {
        self.data.as_mut().map_or(&mut [], |data| &mut data[..self.length])
    }

    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Returns the address and the length of its data.
    pub(super) fn region(&self) -> Option<(BusAddress, usize)> {
        self.data.as_ref().filter(|_| self.length > 0).map(|data| (data.bus(), self.length))
    }
}

impl Indexed for Request {
    fn index(&self) -> usize {
        self.index
    }
}
