//! One request to a block device: header, data, status (virtio 1.2, 5.2.6).

use switchboard::dma::{DmaBuffer, DmaPort};
use switchboard::driver::ProbeError;
use zerocopy::{Immutable, IntoBytes};

use super::config::Limits;
use crate::block::BlockError;
use crate::virtio::queue::{Chain, Segments};

/// What is asked of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `VIRTIO_BLK_T_IN`.
    Read,
    /// `VIRTIO_BLK_T_OUT`.
    Write,
    /// `VIRTIO_BLK_T_FLUSH`.
    Flush,
}

impl Kind {
    const fn code(self) -> u32 {
        match self {
            Self::Read => 0,
            Self::Write => 1,
            Self::Flush => 4,
        }
    }
}

/// The header, as the device reads it.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct Header {
    kind: u32,
    reserved: u32,
    sector: u64,
}

const HEADER: usize = size_of::<Header>();
const STATUS: usize = HEADER;

const STATUS_OK: u8 = 0;
const STATUS_UNSUPPORTED: u8 = 2;
/// None of the device's own: it has not said anything.
const STATUS_NONE: u8 = 0xff;

/// The memory of one request. Made once, used again and again: nothing is allocated for a request.
#[derive(Debug)]
pub(super) struct Request {
    /// Which of the device's requests it is.
    pub(super) slot: usize,
    /// Header and status.
    frame: DmaBuffer,
    /// Data on its way: callers' memory is not the device's to reach, nor sure to stay until it is done.
    pub(super) data: DmaBuffer,
    kind: Kind,
    length: usize,
    segment: usize,
}

impl Request {
    pub(super) fn new(slot: usize, dma: &DmaPort, limits: Limits) -> Result<Self, ProbeError> {
        let (frame, data) = (dma.buffer(HEADER + 1)?, dma.buffer(limits.request)?);
        Ok(Self { slot, frame, data, kind: Kind::Flush, length: 0, segment: limits.segment })
    }

    /// Makes it a request of `kind` for `length` bytes at `sector`.
    pub(super) fn prepare(&mut self, kind: Kind, sector: u64, length: usize) {
        let header = Header { kind: kind.code(), reserved: 0, sector };
        self.frame[..HEADER].copy_from_slice(header.as_bytes());
        self.frame[STATUS] = STATUS_NONE;
        (self.kind, self.length) = (kind, length);
    }

    /// What the device said, having written `written` bytes in all.
    pub(super) fn outcome(&self, sector: u64, written: u32) -> Result<(), BlockError> {
        // Status comes last: what was not written cannot be believed, least of all old data in the buffer.
        let wanted = if self.kind == Kind::Read { self.length + 1 } else { 1 };
        match self.frame[STATUS] {
            STATUS_OK if written as usize >= wanted => Ok(()),
            STATUS_UNSUPPORTED => Err(BlockError::Unsupported { sector }),
            _ => Err(BlockError::Io { sector }),
        }
    }
}

impl Chain for Request {
    fn describe(&self, segments: &mut Segments) {
        segments.readable(&self.frame, 0..HEADER);
        for start in (0..self.length).step_by(self.segment) {
            let range = start..self.length.min(start + self.segment);
            match self.kind {
                Kind::Read => segments.writable(&self.data, range),
                Kind::Write | Kind::Flush => segments.readable(&self.data, range),
            }
        }
        segments.writable(&self.frame, STATUS..STATUS + 1);
    }
}
