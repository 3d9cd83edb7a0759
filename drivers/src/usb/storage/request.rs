//! One request to a disk: its command and its data.

#![expect(clippy::vec_box, reason = "requests are moved with each use")]

use alloc::boxed::Box;
use alloc::vec::Vec;

use switchboard::dma::DmaBuffer;

use super::transport::Data;
use crate::requests::Indexed;
use crate::scsi::Cdb;

/// The most bytes of data in one request: the size of its buffer.
pub(super) const MAX_REQUEST_BYTES: usize = 64 * 1024;

/// The direction of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    None,
    In,
    Out,
}

/// The memory of one request, which is reused for others.
#[derive(Debug)]
pub(crate) struct Request {
    index: usize,
    pub(super) cdb: Cdb,
    direction: Direction,
    /// The buffer for data. Not the caller's, which may be freed while the controller has the request.
    buffer: Option<DmaBuffer>,
    length: usize,
}

impl Request {
    pub(super) fn allocate(count: usize) -> Vec<Box<Self>> {
        let request = |index| Self { index, cdb: [0; 16], direction: Direction::None, buffer: None, length: 0 };
        (0..count).map(request).map(Box::new).collect()
    }

    /// Prepares a request with `length` bytes of data.
    pub(super) fn prepare<E>(
        &mut self,
        cdb: Cdb,
        direction: Direction,
        length: usize,
        allocate: impl FnOnce(usize) -> Result<DmaBuffer, E>,
    ) -> Result<(), E> {
        if self.buffer.is_none() && length > 0 {
            self.buffer = Some(allocate(MAX_REQUEST_BYTES)?);
        }
        (self.cdb, self.direction, self.length) = (cdb, direction, length);
        Ok(())
    }

    /// Returns its data.
    pub(super) fn data(&mut self) -> &mut [u8] {
        let length = self.length;
        self.buffer.as_mut().and_then(|buffer| buffer.get_mut(..length)).unwrap_or(&mut [])
    }

    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Takes the data for the transfer.
    pub(super) fn take_data(&mut self) -> Data {
        match (self.direction, self.buffer.take()) {
            (Direction::In, Some(buffer)) if self.length > 0 => Data::In(buffer, self.length),
            (Direction::Out, Some(buffer)) if self.length > 0 => Data::Out(buffer, self.length),
            (_, buffer) => {
                self.buffer = buffer;
                Data::None
            }
        }
    }

    /// Puts the buffer back.
    pub(super) fn put_back(&mut self, buffer: DmaBuffer) {
        self.buffer = Some(buffer);
    }
}

impl Indexed for Request {
    fn index(&self) -> usize {
        self.index
    }
}
