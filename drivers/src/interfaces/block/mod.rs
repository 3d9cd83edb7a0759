//! The interface of block devices, for drivers to implement and for users of a disk to call.

mod controller;
mod error;
mod request;

use core::pin::Pin;
use core::task::{Context, Poll};

pub use controller::DiskController;
pub use error::BlockError;
pub use request::{BlockRequest, Geometry, Ticket, Transfer};

/// Bytes in a sector, the unit of positions and capacities (virtio 1.2, 5.2: always 512).
pub const SECTOR_SIZE: usize = 512;

/// A disk. All methods take `&self`: any number of tasks may have requests in flight.
///
/// A driver implements the first four methods; the asynchronous ones, for users of a disk, are provided. The trait is
/// object-safe. The state of a request is with the task that waits for it, so that a `dyn BlockDevice` allocates nothing for a
/// request.
///
/// ```
/// use core::task::{Context, Poll};
/// use switchboard_drivers::interfaces::block::{BlockDevice, BlockError, BlockRequest, Geometry, Ticket, Transfer};
///
/// /// A read-only disk of zeros.
/// struct Zeros;
///
/// impl BlockDevice for Zeros {
///     fn geometry(&self) -> Option<Geometry> {
///         Some(Geometry { capacity: 2048, block_bytes: 512, is_read_only: true, max_transfer_bytes: 512, max_discard_bytes: 0, max_write_zeroes_bytes: 0 })
///     }
///
///     fn poll_request(&self, request: &mut BlockRequest<'_>, _: &mut Context<'_>) -> Poll<Result<(), BlockError>> {
///         if let Transfer::Read(take) = &mut request.transfer {
///             take(&[0; 512][..request.length]);
///         }
///         Poll::Ready(Ok(()))
///     }
///
///     fn abandon(&self, _ticket: &mut Ticket) {}
///
///     fn close(&self) {}
/// }
///
/// let mut buffer = [1; 1024];
/// embassy_futures::block_on(Zeros.read(7, &mut buffer))?;
/// assert_eq!(buffer, [0; 1024]);
/// # Ok::<(), BlockError>(())
/// ```
pub trait BlockDevice {
    /// Returns the present capacity and limits, or `None` after the disk was removed.
    fn geometry(&self) -> Option<Geometry>;

    /// Starts a request, or polls one that is pending. The caller has checked that it is within the
    /// [`geometry`](Self::geometry) and not longer than that allows for its kind. The task is woken when the request should be polled
    /// again.
    ///
    /// # Errors
    /// [`BlockError`], naming the sector of the request.
    fn poll_request(&self, request: &mut BlockRequest<'_>, context: &mut Context<'_>) -> Poll<Result<(), BlockError>>;

    /// Abandons a pending request, for which no task waits any more.
    fn abandon(&self, ticket: &mut Ticket);

    /// Ends all requests in flight, and all later ones, with [`BlockError::Gone`].
    fn close(&self);

    /// Allows [adaptive polling](crate::adaptive_polling): after a request, the tasks that wait poll the device for up to
    /// `poll_budget_ns` for the next one, while that is faster than interrupts. With 0, the default, the device is never polled.
    fn set_poll_budget_ns(&self, poll_budget_ns: u64) {
        let _ = poll_budget_ns;
    }

    /// Ends requests for which the device has taken too long, and returns the nanoseconds until this should be called again. `None`,
    /// the default, is for drivers without time limits.
    ///
    /// The image calls this; a driver has no timer of its own.
    fn check_timeouts(&self) -> Option<u64> {
        None
    }

    /// Returns the number of sectors, or 0 after the disk was removed.
    fn capacity(&self) -> u64 {
        self.geometry().map_or(0, |geometry| geometry.capacity)
    }

    /// Returns whether the disk refuses writes.
    fn is_read_only(&self) -> bool {
        self.geometry().is_none_or(|geometry| geometry.is_read_only)
    }

    /// Reads whole sectors into `buffer`, starting at `sector`. Position and length are multiples of the disk's
    /// [logical block](Geometry::block_bytes), which is larger than a sector on some disks.
    ///
    /// # Errors
    /// [`BlockError`], naming the first sector of the request. A large request is split; an error of the device names the first
    /// sector of the part that failed.
    fn read(&self, sector: u64, buffer: &mut [u8]) -> impl Future<Output = Result<(), BlockError>>
    where
        Self: Sized,
    {
        async move {
            let max_bytes = within(self.geometry(), sector, buffer.len())?.max_transfer_bytes;
            for (at, part) in parts(sector, max_bytes).zip(buffer.chunks_mut(max_bytes)) {
                let length = part.len();
                let take = &mut |data: &[u8]| part.copy_from_slice(data);
                carry_out(self, at, length, Transfer::Read(take)).await?;
            }
            Ok(())
        }
    }

    /// Reads `length` bytes, whole sectors, starting at `sector`, and calls `take` with them in the memory where the device has put
    /// them: in order, in one part or several.
    ///
    /// ```
    /// # use core::task::{Context, Poll};
    /// # use switchboard_drivers::interfaces::block::{BlockDevice, BlockError, BlockRequest, Geometry, Ticket, Transfer};
    /// # struct Zeros;
    /// # impl BlockDevice for Zeros {
    /// #     fn geometry(&self) -> Option<Geometry> {
    /// #         Some(Geometry { capacity: 2048, block_bytes: 512, is_read_only: true, max_transfer_bytes: 512, max_discard_bytes: 0, max_write_zeroes_bytes: 0 })
    /// #     }
    /// #     fn poll_request(&self, request: &mut BlockRequest<'_>, _: &mut Context<'_>) -> Poll<Result<(), BlockError>> {
    /// #         if let Transfer::Read(take) = &mut request.transfer {
    /// #             take(&[0; 512][..request.length]);
    /// #         }
    /// #         Poll::Ready(Ok(()))
    /// #     }
    /// #     fn abandon(&self, _ticket: &mut Ticket) {}
    /// #     fn close(&self) {}
    /// # }
    /// # let disk = Zeros;
    /// let mut parts = Vec::new();
    /// embassy_futures::block_on(disk.read_in_place(0, 1536, |part| parts.push(part.len())))?;
    /// assert_eq!(parts, [512, 512, 512], "the disk takes 512 bytes in a request");
    /// # Ok::<(), BlockError>(())
    /// ```
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn read_in_place(
        &self,
        sector: u64,
        length: usize,
        mut take: impl FnMut(&[u8]),
    ) -> impl Future<Output = Result<(), BlockError>>
    where
        Self: Sized,
    {
        async move {
            let max_bytes = within(self.geometry(), sector, length)?.max_transfer_bytes;
            let (mut at, mut rest) = (sector, length);
            while rest > 0 {
                let part = max_bytes.min(rest);
                carry_out(self, at, part, Transfer::Read(&mut take)).await?;
                (at, rest) = (at + (part / SECTOR_SIZE) as u64, rest - part);
            }
            Ok(())
        }
    }

    /// Writes whole sectors, starting at `sector`.
    ///
    /// # Errors
    /// As [`read`](Self::read), and [`BlockError::ReadOnly`].
    fn write(&self, sector: u64, buffer: &[u8]) -> impl Future<Output = Result<(), BlockError>>
    where
        Self: Sized,
    {
        async move {
            let geometry = within(self.geometry(), sector, buffer.len())?;
            if geometry.is_read_only {
                return Err(BlockError::ReadOnly { sector });
            }
            let max_bytes = geometry.max_transfer_bytes;
            for (at, part) in parts(sector, max_bytes).zip(buffer.chunks(max_bytes)) {
                carry_out(self, at, part.len(), Transfer::Write(part)).await?;
            }
            Ok(())
        }
    }

    /// Declares that the content of `sectors` sectors from `sector` on is not needed any more (TRIM, deallocate, UNMAP). A disk may
    /// free the room; what is read from there afterwards is not defined.
    ///
    /// # Errors
    /// As [`write`](Self::write), and [`BlockError::Unsupported`] where the disk cannot discard.
    fn discard(&self, sector: u64, sectors: u64) -> impl Future<Output = Result<(), BlockError>>
    where
        Self: Sized,
    {
        async move { without_data(self, sector, sectors, |it| it.max_discard_bytes, || Transfer::Discard).await }
    }

    /// Writes zeroes to `sectors` sectors from `sector` on, without a transfer of zeroes.
    ///
    /// ```
    /// use switchboard_drivers::interfaces::block::{BlockDevice, BlockError};
    /// # use core::task::{Context, Poll};
    /// # use switchboard_drivers::interfaces::block::{BlockRequest, Geometry, Ticket};
    /// # struct Zeros;
    /// # impl BlockDevice for Zeros {
    /// #     fn geometry(&self) -> Option<Geometry> {
    /// #         let (capacity, block_bytes, limit) = (2048, 512, 512 * 1000);
    /// #         Some(Geometry { capacity, block_bytes, is_read_only: false, max_transfer_bytes: 512, max_discard_bytes: 0, max_write_zeroes_bytes: limit })
    /// #     }
    /// #     fn poll_request(&self, _: &mut BlockRequest<'_>, _: &mut Context<'_>) -> Poll<Result<(), BlockError>> {
    /// #         Poll::Ready(Ok(()))
    /// #     }
    /// #     fn abandon(&self, _ticket: &mut Ticket) {}
    /// #     fn close(&self) {}
    /// # }
    /// # let disk = Zeros;
    /// # embassy_futures::block_on(async {
    /// disk.write_zeroes(0, 2048).await?;
    /// assert_eq!(disk.discard(0, 8).await, Err(BlockError::Unsupported { sector: 0 }), "this disk only writes zeroes");
    /// # Ok::<(), BlockError>(())
    /// # })?;
    /// # Ok::<(), BlockError>(())
    /// ```
    ///
    /// # Errors
    /// As [`write`](Self::write), and [`BlockError::Unsupported`] where the disk has no such request.
    fn write_zeroes(&self, sector: u64, sectors: u64) -> impl Future<Output = Result<(), BlockError>>
    where
        Self: Sized,
    {
        async move { without_data(self, sector, sectors, |it| it.max_write_zeroes_bytes, || Transfer::WriteZeroes).await }
    }

    /// Makes completed writes durable.
    ///
    /// # Errors
    /// [`BlockError::Io`] when the device fails to.
    fn flush(&self) -> impl Future<Output = Result<(), BlockError>>
    where
        Self: Sized,
    {
        carry_out(self, 0, 0, Transfer::Flush)
    }
}

/// Checks that a request is within a disk.
#[inline]
fn within(geometry: Option<Geometry>, sector: u64, length: usize) -> Result<Geometry, BlockError> {
    let geometry = geometry.ok_or(BlockError::Gone { sector })?;
    if length == 0 || !length.is_multiple_of(SECTOR_SIZE) {
        return Err(BlockError::NotSectors { sector, length });
    }
    let (sectors, capacity) = ((length / SECTOR_SIZE) as u64, geometry.capacity);
    match sector.checked_add(sectors) {
        Some(end) if end <= capacity => {}
        _ => return Err(BlockError::PastEnd { sector, sectors, capacity }),
    }
    let block_bytes = geometry.block_bytes;
    if block_bytes > SECTOR_SIZE
        && (!length.is_multiple_of(block_bytes) || !sector.is_multiple_of((block_bytes / SECTOR_SIZE) as u64))
    {
        return Err(BlockError::NotBlocks { sector, length, block_bytes });
    }
    Ok(geometry)
}

/// Carries out a request that changes sectors without a transfer of data, in parts as long as the disk allows.
async fn without_data<'a, D: BlockDevice>(
    device: &'a D,
    sector: u64,
    sectors: u64,
    limit: impl Fn(&Geometry) -> usize,
    transfer: impl Fn() -> Transfer<'a>,
) -> Result<(), BlockError> {
    // Beyond the range of `usize` it is past the end of any disk, too.
    let length = usize::try_from(sectors).unwrap_or(usize::MAX).saturating_mul(SECTOR_SIZE);
    let geometry = within(device.geometry(), sector, length - length % SECTOR_SIZE)?;
    if geometry.is_read_only {
        return Err(BlockError::ReadOnly { sector });
    }
    let max_bytes = limit(&geometry);
    if max_bytes == 0 {
        return Err(BlockError::Unsupported { sector });
    }
    let (mut at, mut rest) = (sector, length);
    while rest > 0 {
        let part = max_bytes.min(rest);
        carry_out(device, at, part, transfer()).await?;
        (at, rest) = (at + (part / SECTOR_SIZE) as u64, rest - part);
    }
    Ok(())
}

/// Returns the first sector of each part of a request that is split into parts of `part_bytes`.
fn parts(sector: u64, part_bytes: usize) -> impl Iterator<Item = u64> {
    (sector..).step_by(part_bytes / SECTOR_SIZE)
}

/// Returns a future that carries out a request.
fn carry_out<'a, D: BlockDevice>(
    device: &'a D,
    sector: u64,
    length: usize,
    transfer: Transfer<'a>,
) -> RequestFuture<'a, D> {
    RequestFuture { device, request: BlockRequest { sector, length, transfer, ticket: Ticket::default() } }
}

/// A request that a task waits for. Dropping it before it is done abandons it.
struct RequestFuture<'a, D: BlockDevice> {
    device: &'a D,
    request: BlockRequest<'a>,
}

impl<D: BlockDevice> Future for RequestFuture<'_, D> {
    type Output = Result<(), BlockError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { device, request } = self.get_mut();
        device.poll_request(request, context)
    }
}

impl<D: BlockDevice> Drop for RequestFuture<'_, D> {
    #[inline]
    fn drop(&mut self) {
        if self.request.ticket.is_used() {
            self.device.abandon(&mut self.request.ticket);
        }
    }
}
