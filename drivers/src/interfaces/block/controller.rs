//! The interface of controllers with any number of disks.

use core::task::{Context, Poll};

use super::BlockDevice;

/// A controller with disks of its own, which may come and go.
///
/// The driver finds the disks that are present in its probe. [`next_disk`](Self::next_disk) hands them out one by one, and those
/// that are added later. A disk that was removed has no [`geometry`](BlockDevice::geometry) any more.
///
/// ```
/// use core::task::{Context, Poll, Waker};
/// use switchboard_drivers::interfaces::block::{BlockDevice, DiskController};
///
/// /// Returns the capacity in sectors of all disks that a controller has now.
/// fn total<C: DiskController>(controller: &mut C) -> u64 {
///     core::iter::from_fn(|| controller.next_disk()).map(|disk| disk.capacity()).sum()
/// }
/// # use switchboard_drivers::interfaces::block::{BlockError, BlockRequest, Geometry, Ticket};
/// # struct Shelf(u64);
/// # struct Drive;
/// # impl BlockDevice for Drive {
/// #     fn geometry(&self) -> Option<Geometry> {
/// #         let (block_bytes, max_transfer_bytes) = (512, 512);
/// #         Some(Geometry { capacity: 100, block_bytes, is_read_only: true, max_transfer_bytes, max_discard_bytes: 0, max_write_zeroes_bytes: 0 })
/// #     }
/// #     fn poll_request(&self, _: &mut BlockRequest<'_>, _: &mut Context<'_>) -> Poll<Result<(), BlockError>> {
/// #         Poll::Ready(Ok(()))
/// #     }
/// #     fn abandon(&self, _ticket: &mut Ticket) {}
/// #     fn close(&self) {}
/// # }
/// # impl DiskController for Shelf {
/// #     type Disk = Drive;
/// #     fn next_disk(&mut self) -> Option<Drive> {
/// #         self.0 = self.0.checked_sub(1)?;
/// #         Some(Drive)
/// #     }
/// # }
/// assert_eq!(total(&mut Shelf(3)), 300);
/// ```
pub trait DiskController {
    /// A disk of the controller.
    type Disk: BlockDevice + 'static;

    /// Returns a disk that is present and was not returned before.
    fn next_disk(&mut self) -> Option<Self::Disk>;

    /// Waits until disks may have been added or removed: `Ready` with the nanoseconds after which
    /// [`next_disk`](Self::next_disk) should be called, 0 for at once. The default is for controllers whose disks stay.
    fn poll_change(&mut self, context: &mut Context<'_>) -> Poll<u64> {
        let _ = context;
        Poll::Pending
    }
}
