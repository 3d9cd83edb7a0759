//! The interface of block devices: what a driver implements, and what users of a disk call.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

/// Bytes in a sector, the unit of every position here (virtio 1.2, 5.2: always 512).
pub const SECTOR_SIZE: usize = 512;

/// A disk. All methods take `&self`: any number of tasks may have requests under way.
///
/// A driver implements the first few methods; the asynchronous ones, for the users of a disk, come with them. The trait is
/// object-safe, and a request keeps its state with the task that waits for it, so a `dyn BlockDevice` allocates nothing for
/// one.
///
/// ```
/// use core::task::{Context, Poll};
/// use switchboard_drivers::interfaces::block::{BlockDevice, BlockError, BlockRequest, Geometry, Ticket, Transfer};
///
/// /// Reads as zeros, and takes no writes.
/// struct Zeros;
///
/// impl BlockDevice for Zeros {
///     fn geometry(&self) -> Option<Geometry> {
///         Some(Geometry { capacity: 2048, is_read_only: true, max_transfer_bytes: 512 })
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
    /// Returns what the disk is like at present; `None` once it was taken away.
    fn geometry(&self) -> Option<Geometry>;

    /// Begins a request, or goes on with one that was pending. It lies within the [`geometry`](Self::geometry), and its
    /// length is at most `max_transfer_bytes`. Wakes the task when there is something to go on with.
    ///
    /// # Errors
    /// [`BlockError`], naming the sector of the request.
    fn poll_request(&self, request: &mut BlockRequest<'_>, context: &mut Context<'_>) -> Poll<Result<(), BlockError>>;

    /// Forgets a request that is pending: no task waits for it any more.
    fn abandon(&self, ticket: &mut Ticket);

    /// Lets no request begin any more, and ends those that are under way: each ends with [`BlockError::Gone`].
    fn close(&self);

    /// Allows polling: once a request is done, for so many nanoseconds for the next, by the tasks that wait, while that is
    /// faster than interrupts. With 0, as it is at first, never.
    fn set_poll_budget_ns(&self, poll_budget_ns: u64) {
        let _ = poll_budget_ns;
    }

    /// Returns the number of sectors; 0 once the disk was taken away.
    fn capacity(&self) -> u64 {
        self.geometry().map_or(0, |geometry| geometry.capacity)
    }

    /// Returns whether the disk refuses writes.
    fn is_read_only(&self) -> bool {
        self.geometry().is_none_or(|geometry| geometry.is_read_only)
    }

    /// Reads whole sectors into `buffer`, from `sector` on.
    ///
    /// # Errors
    /// [`BlockError`], naming the first sector of the request; for an error of the device, of the part that failed,
    /// since a large request is cut into several.
    fn read(&self, sector: u64, buffer: &mut [u8]) -> impl Future<Output = Result<(), BlockError>>
    where
        Self: Sized,
    {
        async move {
            let most = within(self.geometry(), sector, buffer.len())?.max_transfer_bytes;
            for (at, piece) in pieces(sector, most).zip(buffer.chunks_mut(most)) {
                let length = piece.len();
                let take = &mut |data: &[u8]| piece.copy_from_slice(data);
                carry_out(self, at, length, Transfer::Read(take)).await?;
            }
            Ok(())
        }
    }

    /// Reads `length` bytes, whole sectors, from `sector` on, and hands them to `take` where the device has put them: in
    /// order, in one piece or several.
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
            let most = within(self.geometry(), sector, length)?.max_transfer_bytes;
            let (mut at, mut rest) = (sector, length);
            while rest > 0 {
                let piece = most.min(rest);
                carry_out(self, at, piece, Transfer::Read(&mut take)).await?;
                (at, rest) = (at + (piece / SECTOR_SIZE) as u64, rest - piece);
            }
            Ok(())
        }
    }

    /// Writes whole sectors.
    ///
    /// # Errors
    /// [`BlockError`], naming the first sector of the request; for an error of the device, of the part that failed,
    /// since a large request is cut into several.
    fn write(&self, sector: u64, buffer: &[u8]) -> impl Future<Output = Result<(), BlockError>>
    where
        Self: Sized,
    {
        async move {
            let geometry = within(self.geometry(), sector, buffer.len())?;
            if geometry.is_read_only {
                return Err(BlockError::ReadOnly { sector });
            }
            let most = geometry.max_transfer_bytes;
            for (at, piece) in pieces(sector, most).zip(buffer.chunks(most)) {
                carry_out(self, at, piece.len(), Transfer::Write(piece)).await?;
            }
            Ok(())
        }
    }

    /// Makes what was written durable.
    ///
    /// # Errors
    /// [`BlockError::Io`] when the device could not.
    fn flush(&self) -> impl Future<Output = Result<(), BlockError>>
    where
        Self: Sized,
    {
        carry_out(self, 0, 0, Transfer::Flush)
    }
}

/// What a disk is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Sectors on the disk.
    pub capacity: u64,
    /// Whether the device refuses writes.
    pub is_read_only: bool,
    /// Bytes of one request at the most; whole sectors, and at least one.
    pub max_transfer_bytes: usize,
}

/// One request to a disk, in the hands of the task that waits for it.
pub struct BlockRequest<'a> {
    /// Where it begins.
    pub sector: u64,
    /// Bytes; whole sectors.
    pub length: usize,
    /// What is to be done with them.
    pub transfer: Transfer<'a>,
    /// The driver's own note, for as long as it is pending.
    pub ticket: Ticket,
}

/// What a request does.
pub enum Transfer<'a> {
    /// Reads: the function is called once with the bytes, when they are there.
    Read(&'a mut dyn FnMut(&[u8])),
    /// Writes these bytes.
    Write(&'a [u8]),
    /// Makes what was written durable.
    Flush,
}

/// What a driver keeps of a request between two polls. What it means is up to the driver.
#[derive(Debug, Default)]
pub struct Ticket {
    /// The number of the request at the device, once it has one.
    pub number: Option<usize>,
    /// The waker of the task in a list of the driver.
    pub waker: Option<Waker>,
}

impl Ticket {
    /// Returns whether there is something in it, so that the driver has to be called when it is abandoned.
    const fn is_used(&self) -> bool {
        self.number.is_some() || self.waker.is_some()
    }
}

/// Checks the place of a request on a disk.
#[inline]
fn within(geometry: Option<Geometry>, sector: u64, length: usize) -> Result<Geometry, BlockError> {
    let geometry = geometry.ok_or(BlockError::Gone { sector })?;
    if length == 0 || !length.is_multiple_of(SECTOR_SIZE) {
        return Err(BlockError::NotSectors { sector, length });
    }
    let (sectors, capacity) = ((length / SECTOR_SIZE) as u64, geometry.capacity);
    match sector.checked_add(sectors) {
        Some(end) if end <= capacity => Ok(geometry),
        _ => Err(BlockError::PastEnd { sector, sectors, capacity }),
    }
}

/// The first sector of each piece of a request that is cut into pieces of so many bytes.
fn pieces(sector: u64, most: usize) -> impl Iterator<Item = u64> {
    (sector..).step_by(most / SECTOR_SIZE)
}

/// Waits until a disk has carried out a request.
fn carry_out<'a, D: BlockDevice>(device: &'a D, sector: u64, length: usize, transfer: Transfer<'a>) -> UnderWay<'a, D> {
    UnderWay { device, request: BlockRequest { sector, length, transfer, ticket: Ticket::default() } }
}

/// A request that a task waits for. Dropped early, it is abandoned.
struct UnderWay<'a, D: BlockDevice> {
    device: &'a D,
    request: BlockRequest<'a>,
}

impl<D: BlockDevice> Future for UnderWay<'_, D> {
    type Output = Result<(), BlockError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { device, request } = self.get_mut();
        device.poll_request(request, context)
    }
}

impl<D: BlockDevice> Drop for UnderWay<'_, D> {
    #[inline]
    fn drop(&mut self) {
        if self.request.ticket.is_used() {
            self.device.abandon(&mut self.request.ticket);
        }
    }
}

impl fmt::Debug for BlockRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sector, length, transfer, ticket } = self;
        write!(f, "{transfer:?} of {length} bytes at {sector}, {ticket:?}")
    }
}

impl fmt::Debug for Transfer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read(_) => "Read",
            Self::Write(_) => "Write",
            Self::Flush => "Flush",
        })
    }
}

/// Why a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// The buffer is not a whole number of sectors, or empty.
    #[error("{length} bytes at sector {sector} are not whole sectors of 512")]
    NotSectors {
        /// First sector of the request.
        sector: u64,
        /// Bytes in the buffer.
        length: usize,
    },
    /// The request reaches past the end of the disk.
    #[error("{sectors} sectors at {sector} reach past the end of a disk of {capacity}")]
    PastEnd {
        /// First sector of the request.
        sector: u64,
        /// Sectors wanted.
        sectors: u64,
        /// Sectors there are.
        capacity: u64,
    },
    /// The disk is read-only.
    #[error("sector {sector} cannot be written: the disk is read-only")]
    ReadOnly {
        /// First sector of the request.
        sector: u64,
    },
    /// The device reported an error.
    #[error("the device reported an I/O error at sector {sector}")]
    Io {
        /// First sector of the request.
        sector: u64,
    },
    /// The device does not know the request.
    #[error("the device does not support the request at sector {sector}")]
    Unsupported {
        /// First sector of the request.
        sector: u64,
    },
    /// There is no memory to bring the data to.
    #[error("no memory for a request at sector {sector}")]
    NoMemory {
        /// First sector of the request.
        sector: u64,
    },
    /// The device was taken out of the machine; nothing can be asked of it any more.
    #[error("the device is gone (request at sector {sector})")]
    Gone {
        /// First sector of the request.
        sector: u64,
    },
    /// The device broke its own rules and was quarantined; nothing more will be asked of it.
    #[error("the device misbehaved and was quarantined (request at sector {sector})")]
    Quarantined {
        /// First sector of the request.
        sector: u64,
    },
}
