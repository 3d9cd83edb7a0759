//! What the library's own tests stand on.

use alloc::vec::Vec;
use core::cell::RefCell;
use core::task::{Context, Poll};

use switchboard_drivers::block::{BlockDevice, BlockError, BlockRequest, Geometry, SECTOR_SIZE, Ticket, Transfer};

/// A disk in memory.
pub(crate) struct MemoryDisk {
    sectors: RefCell<Vec<u8>>,
}

impl MemoryDisk {
    pub(crate) fn new(image: &[u8]) -> Self {
        Self { sectors: RefCell::new(image.to_vec()) }
    }
}

impl BlockDevice for MemoryDisk {
    fn geometry(&self) -> Option<Geometry> {
        let capacity = (self.sectors.borrow().len() / SECTOR_SIZE) as u64;
        Some(Geometry { capacity, is_read_only: false, max_transfer_bytes: 2 * SECTOR_SIZE })
    }

    fn poll_request(&self, request: &mut BlockRequest<'_>, _context: &mut Context<'_>) -> Poll<Result<(), BlockError>> {
        let start = usize::try_from(request.sector).unwrap() * SECTOR_SIZE;
        let place = start..start + request.length;
        match &mut request.transfer {
            Transfer::Read(take) => take(&self.sectors.borrow()[place]),
            Transfer::Write(data) => self.sectors.borrow_mut()[place].copy_from_slice(data),
            Transfer::Flush => {}
        }
        Poll::Ready(Ok(()))
    }

    fn abandon(&self, _ticket: &mut Ticket) {}

    fn close(&self) {}
}
