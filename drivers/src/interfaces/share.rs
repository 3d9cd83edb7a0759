//! The interface of devices that carry the messages of a file-sharing protocol: 9P.

use core::task::{Context, Poll};

/// A device that sends a request to a file server and returns its reply, one at a time.
///
/// ```
/// use core::future::poll_fn;
/// use core::task::{Context, Poll};
/// use switchboard_drivers::interfaces::share::{Exchange, ShareDevice, ShareError, ShareLimits};
///
/// /// A server that returns each request.
/// struct Mirror;
///
/// impl ShareDevice for Mirror {
///     fn tag(&self) -> &str {
///         "mirror"
///     }
///
///     fn limits(&self) -> ShareLimits {
///         ShareLimits { request_bytes: 64, reply_bytes: 64 }
///     }
///
///     fn poll_exchange(
///         &self,
///         _exchange: &mut Exchange,
///         request: &[u8],
///         take: &mut dyn FnMut(&[u8]),
///         _context: &mut Context<'_>,
///     ) -> Poll<Result<(), ShareError>> {
///         take(request);
///         Poll::Ready(Ok(()))
///     }
///
///     fn close(&self) {}
/// }
///
/// let (mut exchange, mut reply) = (Exchange::default(), Vec::new());
/// let poll = poll_fn(|context| {
///     Mirror.poll_exchange(&mut exchange, b"hello", &mut |bytes| reply.extend_from_slice(bytes), context)
/// });
/// assert_eq!(embassy_futures::block_on(poll), Ok(()));
/// assert_eq!(reply, b"hello");
/// ```
pub trait ShareDevice {
    /// Returns the name of the share, which the host gave it.
    fn tag(&self) -> &str;

    /// Returns the sizes of the largest messages.
    fn limits(&self) -> ShareLimits;

    /// Sends a request, or polls the one of `exchange` that was sent, and passes the reply to `take`.
    ///
    /// The caller passes the same exchange and request until it is ready, and polls no other one meanwhile. The future may be
    /// dropped: the reply is received and discarded before the next exchange.
    ///
    /// # Errors
    /// [`ShareError`].
    fn poll_exchange(
        &self,
        exchange: &mut Exchange,
        request: &[u8],
        take: &mut dyn FnMut(&[u8]),
        context: &mut Context<'_>,
    ) -> Poll<Result<(), ShareError>>;

    /// Ends the exchange in flight, and all later ones, with [`ShareError::Gone`].
    fn close(&self);
}

/// The state of an exchange. A new one is made for each request.
#[derive(Debug, Default)]
pub struct Exchange {
    pub(crate) is_sent: bool,
}

/// The sizes of the largest messages of a device, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShareLimits {
    /// A request.
    pub request_bytes: usize,
    /// A reply.
    pub reply_bytes: usize,
}

/// An error of a share's device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShareError {
    /// The request is larger than the device takes.
    #[error("a request of {bytes} bytes, the device takes {limit}")]
    TooLong {
        /// The bytes of the request.
        bytes: usize,
        /// The most that there may be.
        limit: usize,
    },
    /// The device was removed or closed.
    #[error("the device was removed")]
    Gone,
    /// The device violated its protocol, and is isolated from the bus.
    #[error("the device violated its protocol and is quarantined")]
    Quarantined,
}
