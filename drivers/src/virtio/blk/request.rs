//! One request to a block device: header, data, status (virtio 1.2, 5.2.6).

#![expect(clippy::vec_box, reason = "requests are large, and moved with each use")]

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::num::NonZeroU64;

use switchboard::dma::{DmaBuffer, DmaError, DmaPort};
use zerocopy::{Immutable, IntoBytes};

use super::config::Limits;
use crate::interfaces::block::BlockError;
use crate::requests::{Indexed, RequestQueue};
use crate::virtio::queue::{Chain, Queue, QueueError, Segments};

/// The operation of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestKind {
    /// `VIRTIO_BLK_T_IN`.
    Read,
    /// `VIRTIO_BLK_T_OUT`.
    Write,
    /// `VIRTIO_BLK_T_FLUSH`.
    Flush,
    /// `VIRTIO_BLK_T_DISCARD`.
    Discard,
    /// `VIRTIO_BLK_T_WRITE_ZEROES`.
    WriteZeroes,
}

impl RequestKind {
    const fn code(self) -> u32 {
        match self {
            Self::Read => 0,
            Self::Write => 1,
            Self::Flush => 4,
            Self::Discard => 11,
            Self::WriteZeroes => 13,
        }
    }
}

/// The header, as the device reads it (5.2.6).
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct Header {
    kind: u32,
    reserved: u32,
    sector: u64,
}

/// The data of a request for a range of sectors (5.2.6). No flags: zeroes stay allocated.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
pub(super) struct SectorRange {
    pub(super) sector: u64,
    pub(super) sectors: u32,
    pub(super) flags: u32,
}

const HEADER: usize = size_of::<Header>();
const STATUS: usize = HEADER;

const STATUS_OK: u8 = 0;
const STATUS_UNSUPPORTED: u8 = 2;
/// A status that the device does not use: it has written none.
const STATUS_NOT_WRITTEN: u8 = 0xff;

/// The memory of one request, which is reused for others.
#[derive(Debug)]
pub(crate) struct Request {
    /// The index of the request.
    index: usize,
    /// Header and status.
    frame: DmaBuffer,
    /// The buffer for data. It is not the caller's, which may be freed while the device has the request. Allocated on first use, since
    /// most disks never have all of their requests in flight.
    data: Option<DmaBuffer>,
    kind: RequestKind,
    length: usize,
    segment_bytes: usize,
}

impl Request {
    /// Allocates `count` requests.
    pub(super) fn allocate(count: usize, dma: &DmaPort, limits: Limits) -> Result<Vec<Box<Self>>, DmaError> {
        let frames = dma.buffers(count, HEADER + 1)?.into_iter().take(count).enumerate();
        let request = |(index, frame)| Self {
            index,
            frame,
            data: None,
            kind: RequestKind::Flush,
            length: 0,
            segment_bytes: limits.segment_bytes,
        };
        Ok(frames.map(request).map(Box::new).collect())
    }

    /// Prepares a request of `kind` for `length` bytes at `sector`. `max_bytes` is the size of its buffer, if it has none yet.
    #[inline]
    pub(super) fn prepare(
        &mut self,
        kind: RequestKind,
        sector: u64,
        length: usize,
        dma: &DmaPort,
        max_bytes: usize,
    ) -> Result<(), DmaError> {
        if self.data.is_none() && length > 0 {
            self.data = Some(dma.buffer(max_bytes)?);
        }
        let header = Header { kind: kind.code(), reserved: 0, sector };
        self.frame[..HEADER].copy_from_slice(header.as_bytes());
        self.frame[STATUS] = STATUS_NOT_WRITTEN;
        (self.kind, self.length) = (kind, length);
        Ok(())
    }

    /// Returns its data.
    pub(super) fn data(&mut self) -> &mut [u8] {
        self.data.as_mut().map_or(&mut [], |data| &mut data[..self.length])
    }

    /// Returns the result that the device reports, after it wrote `written` bytes in all.
    pub(super) fn outcome(&self, sector: u64, written: u32) -> Result<(), BlockError> {
        // The status is the last byte written. With fewer bytes written, the buffer may have data of an earlier request.
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
            let end = self.length.min(start + self.segment_bytes);
            match self.kind {
                RequestKind::Read => segments.writable(data, start..end),
                _ => segments.readable(data, start..end),
            }
            start = end;
        }
        segments.writable(&self.frame, STATUS..STATUS + 1);
    }

    /// Requests with the same index, kind and length have the same segments.
    #[inline]
    fn key(&self) -> Option<NonZeroU64> {
        NonZeroU64::new((self.index as u64 + 1) << 40 | u64::from(self.kind.code()) << 32 | self.length as u64)
    }
}

impl Indexed for Request {
    fn index(&self) -> usize {
        self.index
    }
}

impl<R: Indexed> RequestQueue for Queue<Box<R>>
where
    Box<R>: Chain,
{
    type Request = R;
    /// The number of bytes that the device wrote.
    type Report = u32;
    type Error = QueueError;

    #[inline]
    fn submit(&mut self, request: Box<R>) -> Result<(), (QueueError, Box<R>)> {
        self.submit(request)
    }

    #[inline]
    fn complete(&mut self) -> Result<Option<(Box<R>, u32)>, QueueError> {
        self.complete()
    }

    #[inline]
    fn has_used(&self) -> bool {
        self.has_used()
    }

    #[inline]
    fn kick(&mut self) {
        self.kick();
    }

    #[inline]
    fn unkicked(&self) -> u16 {
        self.unkicked()
    }

    #[inline]
    fn in_flight(&self) -> u16 {
        self.in_flight()
    }

    #[inline]
    fn enable_notifications(&mut self) -> bool {
        self.enable_notifications()
    }

    #[inline]
    fn disable_notifications(&mut self) {
        self.disable_notifications();
    }

    #[inline]
    fn mark_taken(&mut self) {
        self.mark_taken();
    }

    fn abandon(&mut self) {
        self.abandon();
    }
}
