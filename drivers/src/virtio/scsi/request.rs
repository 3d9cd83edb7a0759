//! One request: command, data, response (virtio 1.2, 5.6.6.1).

#![expect(clippy::vec_box, reason = "requests are large, and moved with each use")]

use alloc::boxed::Box;
use alloc::vec::Vec;

use switchboard::dma::{DmaBuffer, DmaError, DmaPort};

use super::lun::Lun;
use crate::requests::Indexed;
use crate::scsi::{Cdb, Sense};
use crate::virtio::queue::{Chain, Segments};

/// The most bytes of data in one request: the size of its buffer.
pub(super) const MAX_REQUEST_BYTES: usize = 32 * 1024;
/// The command: address, tag, attributes, and 32 bytes for the SCSI command. The response: 12 bytes, and 96 for sense data.
const COMMAND_BYTES: usize = 51;
const CDB: usize = 19;
const RESPONSE: usize = 64;
const RESPONSE_BYTES: usize = 108;
const SENSE: usize = RESPONSE + 12;

/// Responses (5.6.6.1), and SCSI statuses (SAM-5, 5.3).
const BAD_TARGET: u8 = 3;
const BUSY: u8 = 5;
const CHECK_CONDITION: u8 = 0x02;
const UNIT_BUSY: u8 = 0x08;
const TASK_SET_FULL: u8 = 0x28;

/// The end of a command that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum CommandError {
    #[error("there is no such unit")]
    NoUnit,
    #[error("the unit is busy")]
    Busy,
    #[error(transparent)]
    Sense(Sense),
    #[error("response {response}, status {status:#04x}")]
    Other { response: u8, status: u8 },
    #[error("the device has written too few bytes")]
    Short,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    In,
    Out,
}

/// The memory of one request, which is reused for others.
#[derive(Debug)]
pub(crate) struct Request {
    index: usize,
    /// Command and response.
    frame: DmaBuffer,
    /// The buffer for data. Not the caller's, which may be freed while the device has the request. Allocated on first use.
    data: Option<DmaBuffer>,
    direction: Direction,
    length: usize,
}

impl Request {
    pub(super) fn allocate(count: usize, dma: &DmaPort) -> Result<Vec<Box<Self>>, DmaError> {
        let frames = dma.buffers(count, RESPONSE + RESPONSE_BYTES)?.into_iter().take(count).enumerate();
        let request = |(index, frame)| Self { index, frame, data: None, direction: Direction::In, length: 0 };
        Ok(frames.map(request).map(Box::new).collect())
    }

    /// Prepares a command with `length` bytes of data.
    pub(super) fn prepare(
        &mut self,
        lun: Lun,
        cdb: &Cdb,
        direction: Direction,
        length: usize,
        dma: &DmaPort,
    ) -> Result<(), DmaError> {
        if self.data.is_none() && length > 0 {
            self.data = Some(dma.buffer(MAX_REQUEST_BYTES)?);
        }
        self.frame.fill(0);
        self.frame[..8].copy_from_slice(&lun.bytes());
        self.frame[8..16].copy_from_slice(&(self.index as u64).to_le_bytes());
        self.frame[CDB..CDB + cdb.len()].copy_from_slice(cdb);
        // A response that the device has not written is none of those that it writes.
        self.frame[RESPONSE + 11] = 0xff;
        (self.direction, self.length) = (direction, length);
        Ok(())
    }

    /// Returns its data.
    pub(super) fn data(&mut self) -> &mut [u8] {
        self.data.as_mut().map_or(&mut [], |data| &mut data[..self.length])
    }

    /// Returns the number of bytes of data that were transferred, after the device has written `written` bytes in all.
    pub(super) fn outcome(&self, written: u32) -> Result<usize, CommandError> {
        let word = |at: usize| {
            let bytes = [0, 1, 2, 3].map(|index| self.frame[RESPONSE + at + index]);
            u32::from_le_bytes(bytes) as usize
        };
        match (self.frame[RESPONSE + 11], self.frame[RESPONSE + 10]) {
            (0, 0) => {}
            (0, CHECK_CONDITION) => {
                let length = word(0).min(RESPONSE_BYTES - 12);
                return Err(CommandError::Sense(Sense::parse(&self.frame[SENSE..SENSE + length])));
            }
            (BAD_TARGET, _) => return Err(CommandError::NoUnit),
            (BUSY, _) | (0, UNIT_BUSY | TASK_SET_FULL) => return Err(CommandError::Busy),
            (response, status) => return Err(CommandError::Other { response, status }),
        }
        let transferred = self.length.saturating_sub(word(4));
        // With fewer bytes, the buffer has data of an earlier request.
        let wanted = if self.direction == Direction::In { 12 + transferred } else { 12 };
        if (written as usize) < wanted { Err(CommandError::Short) } else { Ok(transferred) }
    }
}

impl Chain for Box<Request> {
    fn describe(&self, segments: &mut Segments) {
        segments.readable(&self.frame, 0..COMMAND_BYTES);
        let data = self.data.as_ref().filter(|_| self.length > 0);
        if let (Some(data), Direction::Out) = (data, self.direction) {
            segments.readable(data, 0..self.length);
            segments.accept_excess(self.length);
        }
        segments.writable(&self.frame, RESPONSE..RESPONSE + RESPONSE_BYTES);
        if let (Some(data), Direction::In) = (data, self.direction) {
            segments.writable(data, 0..self.length);
        }
    }
}

impl Indexed for Request {
    fn index(&self) -> usize {
        self.index
    }
}
