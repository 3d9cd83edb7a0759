//! One request to a block device: header, data, status (virtio 1.2, 5.2.6).

#![expect(clippy::vec_box, reason = "requests change hands with each use, and are large")]

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::num::NonZeroU64;

use switchboard::dma::{DmaBuffer, DmaError, DmaPort};
use zerocopy::{Immutable, IntoBytes};

use super::config::Limits;
use crate::interfaces::block::BlockError;
use crate::virtio::queue::{Chain, Segments};

/// What is asked of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestKind {
    /// `VIRTIO_BLK_T_IN`.
    Read,
    /// `VIRTIO_BLK_T_OUT`.
    Write,
    /// `VIRTIO_BLK_T_FLUSH`.
    Flush,
}

impl RequestKind {
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
    /// Data on its way: callers' memory is not the device's to reach, nor sure to stay until it is done. Most requests
    /// of most disks are never used, so it is made for the first.
    data: Option<DmaBuffer>,
    kind: RequestKind,
    length: usize,
    segment: usize,
}

impl Request {
    /// So many requests, each of which has its number. Boxed: they change hands with each use.
    pub(super) fn several(count: usize, dma: &DmaPort, limits: Limits) -> Result<Vec<Box<Self>>, DmaError> {
        let frames = dma.buffers(count, HEADER + 1)?.into_iter().take(count).enumerate();
        let request = |(slot, frame)| Self {
            slot,
            frame,
            data: None,
            kind: RequestKind::Flush,
            length: 0,
            segment: limits.segment,
        };
        Ok(frames.map(request).map(Box::new).collect())
    }

    /// Makes it a request of `kind` for `length` bytes at `sector`; `most` bytes are the most there are.
    pub(super) fn prepare(
        &mut self,
        kind: RequestKind,
        sector: u64,
        length: usize,
        dma: &DmaPort,
        most: usize,
    ) -> Result<(), DmaError> {
        if self.data.is_none() && length > 0 {
            self.data = Some(dma.buffer(most)?);
        }
        let header = Header { kind: kind.code(), reserved: 0, sector };
        self.frame[..HEADER].copy_from_slice(header.as_bytes());
        self.frame[STATUS] = STATUS_NONE;
        (self.kind, self.length) = (kind, length);
        Ok(())
    }

    /// Its data.
    pub(super) fn data(&mut self) -> &mut [u8] {
        self.data.as_mut().map_or(&mut [], |data| &mut data[..self.length])
    }

    /// What the device said, having written `written` bytes in all.
    pub(super) fn outcome(&self, sector: u64, written: u32) -> Result<(), BlockError> {
        // Status comes last: what was not written cannot be believed, least of all old data in the buffer.
        let wanted = if self.kind == RequestKind::Read { self.length + 1 } else { 1 };
        match self.frame[STATUS] {
            STATUS_OK if written as usize >= wanted => Ok(()),
            STATUS_UNSUPPORTED => Err(BlockError::Unsupported { sector }),
            _ => Err(BlockError::Io { sector }),
        }
    }
}

impl Chain for Box<Request> {
    fn describe(&self, segments: &mut Segments) {
        segments.readable(&self.frame, 0..HEADER);
        let Some(data) = &self.data else { return segments.writable(&self.frame, STATUS..STATUS + 1) };
        let mut start = 0;
        while start < self.length {
            let end = self.length.min(start + self.segment);
            match self.kind {
                RequestKind::Read => segments.writable(data, start..end),
                RequestKind::Write | RequestKind::Flush => segments.readable(data, start..end),
            }
            start = end;
        }
        segments.writable(&self.frame, STATUS..STATUS + 1);
    }

    /// Its buffers are always the same, and so are their ranges for the same kind and length.
    #[inline]
    fn key(&self) -> Option<NonZeroU64> {
        NonZeroU64::new((self.slot as u64 + 1) << 40 | u64::from(self.kind.code()) << 32 | self.length as u64)
    }
}
