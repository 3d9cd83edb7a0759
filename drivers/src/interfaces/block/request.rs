//! Requests to block devices, as drivers see them.

use core::fmt;
use core::task::Waker;

/// The capacity of a disk, and its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Sectors on the disk: whole logical blocks.
    pub capacity: u64,
    /// The size of a logical block in bytes: a power of two, at least a sector. A request begins at a block and is whole
    /// blocks.
    pub block_bytes: usize,
    /// Whether the disk refuses writes.
    pub is_read_only: bool,
    /// The most bytes of one read or write: whole logical blocks, and at least one.
    pub max_transfer_bytes: usize,
    /// The most bytes of one discard: whole logical blocks; 0 for a disk that cannot discard.
    pub max_discard_bytes: usize,
    /// The most bytes of one request that writes zeroes without their transfer: whole logical blocks; 0 for a disk that cannot.
    pub max_write_zeroes_bytes: usize,
}

/// One request to a disk, owned by the task that waits for it.
pub struct BlockRequest<'a> {
    /// The first sector.
    pub sector: u64,
    /// The length in bytes: whole sectors, or 0 for a flush.
    pub length: usize,
    /// The operation, with its data.
    pub transfer: Transfer<'a>,
    /// State of the driver, while the request is pending.
    pub ticket: Ticket,
}

/// The operation of a request.
pub enum Transfer<'a> {
    /// Reads. The function is called once, with the bytes that were read.
    Read(&'a mut dyn FnMut(&[u8])),
    /// Writes these bytes.
    Write(&'a [u8]),
    /// Makes completed writes durable.
    Flush,
    /// Declares that the content is not needed any more. What is read from there afterwards is not defined.
    Discard,
    /// Writes zeroes.
    WriteZeroes,
}

/// State that a driver keeps in a pending request between two polls. Users of a disk leave it alone; the driver finds in it what
/// it put there.
///
/// ```
/// use core::task::{Context, Poll, Waker};
/// use switchboard_drivers::interfaces::block::{BlockDevice, BlockError, BlockRequest, Geometry, Ticket};
///
/// /// A disk that takes two polls for each request.
/// struct Slow;
///
/// impl BlockDevice for Slow {
///     fn geometry(&self) -> Option<Geometry> {
///         Some(Geometry { capacity: 8, block_bytes: 512, is_read_only: false, max_transfer_bytes: 4096, max_discard_bytes: 0, max_write_zeroes_bytes: 0 })
///     }
///
///     fn poll_request(&self, request: &mut BlockRequest<'_>, context: &mut Context<'_>) -> Poll<Result<(), BlockError>> {
///         if request.ticket.number.take().is_some() {
///             return Poll::Ready(Ok(()));
///         }
///         request.ticket.number = Some(0);
///         context.waker().wake_by_ref();
///         Poll::Pending
///     }
///
///     fn abandon(&self, ticket: &mut Ticket) {
///         ticket.number = None;
///     }
///
///     fn close(&self) {}
/// }
///
/// let mut write = core::pin::pin!(Slow.write(0, &[1; 512]));
/// let mut context = Context::from_waker(Waker::noop());
/// assert!(write.as_mut().poll(&mut context).is_pending());
/// assert_eq!(write.as_mut().poll(&mut context), Poll::Ready(Ok(())));
/// ```
#[derive(Debug, Default)]
pub struct Ticket {
    /// The number of the request in the device, once it was submitted.
    pub number: Option<usize>,
    /// The waker that the driver has in a list, while the request waits to be submitted.
    pub waker: Option<Waker>,
}

impl Ticket {
    /// Returns whether the driver has state for the request, and has to be called when it is abandoned.
    pub(super) const fn is_used(&self) -> bool {
        self.number.is_some() || self.waker.is_some()
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
            Self::Discard => "Discard",
            Self::WriteZeroes => "WriteZeroes",
        })
    }
}
