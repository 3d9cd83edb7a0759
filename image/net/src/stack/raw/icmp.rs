//! ICMP sockets: ping and traceroute.

use core::cell::Cell;
use core::fmt;
use core::future::poll_fn;
use core::net::IpAddr;
use core::task::Poll;

use embassy_time::{Duration, Instant, with_timeout};

use super::table::{Filter, RawId};
use crate::ipv6;
use crate::link::icmp::{self, ICMP_HEADER, IcmpError};
use crate::link::ipv4::{PROTOCOL_ICMP, TIME_TO_LIVE};
use crate::stack::udp::register;
use crate::stack::{SendError, SocketError, Stack};

/// Answers that are buffered, and bytes for them: one of the longest.
const REPLIES: usize = 4;
const REPLY_BYTES: usize = 64 * 1024;

/// The answer to an echo request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct EchoReply {
    /// The host that answered.
    pub from: IpAddr,
    /// The number of the request.
    pub sequence: u16,
    /// The bytes that came back.
    pub payload_bytes: usize,
    /// Whether they are those that were sent.
    pub is_intact: bool,
    /// The time from the request to the answer.
    pub time: Duration,
}

/// Why an echo request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PingError {
    /// No answer has arrived in time.
    #[error("no answer")]
    TimedOut,
    /// A router, or the host, has reported an error. [`TimeExceeded`](crate::IcmpErrorKind::TimeExceeded) comes from the
    /// router that the request has reached with its last hop: that is how traceroute finds it.
    #[error("{}", .0.kind)]
    Reported(IcmpError),
    /// The request could not be sent.
    #[error(transparent)]
    Unsent(#[from] SendError),
}

/// A socket that sends echo requests over IPv4 and IPv6 (RFC 792; RFC 4443, 4.1), with an identifier of its own.
///
/// ```
/// use embassy_time::Duration;
/// use switchboard_net::IcmpSocket;
/// use switchboard_net_testing::TestNetwork;
///
/// let mut network = TestNetwork::new();
/// let socket = IcmpSocket::new(network.stack())?;
/// let reply = network.wait(async move { socket.ping([10, 0, 0, 2].into(), b"hello", Duration::from_secs(1)).await });
/// let reply = reply.expect("an answer");
/// assert!(reply.is_intact && reply.payload_bytes == 5);
/// # Ok::<_, switchboard_net::SocketError>(())
/// ```
pub struct IcmpSocket {
    stack: Stack,
    id: RawId,
    identifier: u16,
    sequence: Cell<u16>,
}

impl IcmpSocket {
    /// Creates a socket.
    ///
    /// # Errors
    /// [`SocketError`] when the stack has its maximum of sockets, or no memory.
    pub fn new(stack: &Stack) -> Result<Self, SocketError> {
        let mut engine = stack.borrow_mut();
        let start = Instant::now().as_ticks().to_le_bytes();
        let identifier = engine.raw.free_identifier(u16::from_le_bytes([start[0], start[1]]));
        let id = engine.raw.add(Filter::Echo(identifier), REPLIES, REPLY_BYTES)?;
        drop(engine);
        Ok(Self { stack: stack.clone(), id, identifier, sequence: Cell::new(0) })
    }

    /// Sends an echo request with this payload, of up to 65,507 bytes, and waits for the answer.
    ///
    /// # Errors
    /// [`PingError`] when none arrives within `timeout`, or an error is reported instead.
    pub async fn ping(&self, address: IpAddr, payload: &[u8], timeout: Duration) -> Result<EchoReply, PingError> {
        let max_hops = match address {
            IpAddr::V4(_) => TIME_TO_LIVE,
            IpAddr::V6(_) => self.stack.borrow_mut().link.ipv6.hop_limit(),
        };
        self.ping_with_hops(address, payload, timeout, max_hops).await
    }

    /// As [`ping`](Self::ping), with a request that passes at most so many routers: with 1, 2 and so on, the routers on
    /// the way report themselves.
    ///
    /// # Errors
    /// As [`ping`](Self::ping).
    pub async fn ping_with_hops(
        &self,
        address: IpAddr,
        payload: &[u8],
        timeout: Duration,
        max_hops: u8,
    ) -> Result<EchoReply, PingError> {
        let sequence = self.sequence.get();
        self.sequence.set(sequence.wrapping_add(1));
        let (protocol, kind) = match address {
            IpAddr::V4(_) => (PROTOCOL_ICMP, icmp::ECHO_REQUEST),
            IpAddr::V6(_) => (ipv6::ICMPV6, ipv6::ECHO_REQUEST),
        };
        let request = icmp::echo_request(kind, self.identifier, sequence, payload).ok_or(SendError::NoRoom)?;
        self.stack.borrow_mut().send_raw(address, protocol, max_hops, &request)?;
        let sent_at = Instant::now();
        let answer = poll_fn(|context| {
            let engine = &mut *self.stack.borrow_mut();
            let Some(entry) = engine.raw.get(self.id) else { return Poll::Pending };
            while let Ok((from, message)) = entry.received.dequeue() {
                if message.get(6..ICMP_HEADER) == Some(&sequence.to_be_bytes()) {
                    let (bytes, time) = (message.len() - ICMP_HEADER, Instant::now() - sent_at);
                    let is_intact = message[ICMP_HEADER..] == *payload;
                    return Poll::Ready(Ok(EchoReply { from, sequence, payload_bytes: bytes, is_intact, time }));
                }
            }
            if let Some(error) = entry.error.take().filter(|error| error.sequence == u32::from(sequence)) {
                return Poll::Ready(Err(PingError::Reported(error)));
            }
            register(&mut entry.waker, context);
            Poll::Pending
        });
        with_timeout(timeout, answer).await.unwrap_or(Err(PingError::TimedOut))
    }
}

impl Drop for IcmpSocket {
    fn drop(&mut self) {
        self.stack.borrow_mut().raw.remove(self.id);
    }
}

impl fmt::Debug for IcmpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IcmpSocket").field("identifier", &self.identifier).finish_non_exhaustive()
    }
}
