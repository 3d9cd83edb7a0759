//! A volume as a device of the crate `hadris-fat`.

use core::mem;
use core::ops::Range;
use core::task::{Context, Poll, ready};

use hadris_io::{Error, ErrorType};
use hadris_storage::async_::BlockDevice;
use hadris_storage::{BlockIndex, BlockSize};
use switchboard_drivers::interfaces::block::{
    BlockDevice as _, BlockError, BlockRequest, Geometry, SECTOR_SIZE, Ticket, Transfer,
};

use crate::filesystem::FileSystemError;
use crate::volume::Volume;

/// The largest logical block that `hadris-fat` works with.
const MAX_BLOCK_BYTES: usize = 4096;

/// A volume whose requests go to the disk as they are, in their order.
#[derive(Debug)]
pub(super) struct Device {
    volume: Volume,
    block_bytes: BlockSize,
    blocks: u64,
    is_writable: bool,
}

/// A request: how far it is, and the driver's state of the part that is pending.
#[derive(Debug, Default)]
pub(super) struct DeviceState {
    done: usize,
    ticket: Ticket,
}

impl Device {
    pub(super) fn new(volume: &Volume) -> Result<Self, FileSystemError> {
        let geometry = volume.disk().geometry().ok_or(FileSystemError::gone(volume.start() / SECTOR_SIZE as u64))?;
        let bytes = geometry.block_bytes;
        if bytes > MAX_BLOCK_BYTES || !volume.start().is_multiple_of(bytes as u64) {
            return Err(FileSystemError::Unsupported(
                "FAT that does not begin at a logical block of at most 4096 bytes is",
            ));
        }
        let block_bytes = u32::try_from(bytes).ok().and_then(BlockSize::new);
        Ok(Self {
            volume: volume.clone(),
            block_bytes: block_bytes.ok_or(FileSystemError::Unsupported("the disk's logical block is"))?,
            blocks: volume.size_bytes() / bytes as u64,
            is_writable: !geometry.is_read_only,
        })
    }

    /// Returns the next part of a request of `length` bytes: its sector, and the range of the buffer.
    fn part(&self, first: BlockIndex, done: usize, length: usize) -> Result<(u64, Range<usize>), BlockError> {
        let at = self.volume.start() + first.get() * u64::from(self.block_bytes.get()) + done as u64;
        let sector = at / SECTOR_SIZE as u64;
        let Geometry { capacity, max_transfer_bytes, .. } =
            self.volume.disk().geometry().ok_or(BlockError::Gone { sector })?;
        let end = length.min(done + max_transfer_bytes);
        let sectors = ((end - done) / SECTOR_SIZE) as u64;
        // The disk may have become smaller.
        if sector.checked_add(sectors).is_none_or(|end| end > capacity) {
            return Err(BlockError::PastEnd { sector, sectors, capacity });
        }
        Ok((sector, done..end))
    }

    fn poll_part(
        &self,
        ticket: &mut Ticket,
        context: &mut Context<'_>,
        (sector, length): (u64, usize),
        transfer: Transfer<'_>,
    ) -> Poll<Result<(), Error<BlockError>>> {
        let mut request = BlockRequest { sector, length, transfer, ticket: mem::take(ticket) };
        let result = self.volume.disk().poll_request(&mut request, context);
        *ticket = request.ticket;
        result.map_err(device_error)
    }
}

fn device_error(error: BlockError) -> Error<BlockError> {
    Error::device(error, "the disk failed")
}

impl ErrorType for Device {
    type Error = BlockError;
}

impl BlockDevice for Device {
    type State = DeviceState;

    fn block_size(&self) -> BlockSize {
        self.block_bytes
    }

    fn block_count(&self) -> u64 {
        self.blocks
    }

    fn writable(&self) -> bool {
        self.is_writable
    }

    fn poll_read_blocks(
        &mut self,
        state: &mut DeviceState,
        context: &mut Context<'_>,
        first: BlockIndex,
        buffer: &mut [u8],
    ) -> Poll<Result<(), Error<BlockError>>> {
        while state.done < buffer.len() {
            let (sector, range) = self.part(first, state.done, buffer.len()).map_err(device_error)?;
            let out = &mut buffer[range.clone()];
            let mut take = |data: &[u8]| out.copy_from_slice(data);
            let place = (sector, range.len());
            ready!(self.poll_part(&mut state.ticket, context, place, Transfer::Read(&mut take)))?;
            state.done = range.end;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_blocks(
        &mut self,
        state: &mut DeviceState,
        context: &mut Context<'_>,
        first: BlockIndex,
        buffer: &[u8],
    ) -> Poll<Result<(), Error<BlockError>>> {
        while state.done < buffer.len() {
            let (sector, range) = self.part(first, state.done, buffer.len()).map_err(device_error)?;
            let place = (sector, range.len());
            self.volume.empty_cache();
            ready!(self.poll_part(&mut state.ticket, context, place, Transfer::Write(&buffer[range.clone()])))?;
            self.volume.empty_cache();
            state.done = range.end;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_flush(
        &mut self,
        state: &mut DeviceState,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Error<BlockError>>> {
        self.poll_part(&mut state.ticket, context, (0, 0), Transfer::Flush)
    }

    fn cancel(&mut self, state: &mut DeviceState) {
        self.volume.disk().abandon(&mut state.ticket);
    }
}
