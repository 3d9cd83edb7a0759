//! What a connection reports about itself.

use core::time::Duration;

use smoltcp::socket::tcp::{Socket, State};

use super::connection::Connection;

/// The state of a connection (RFC 9293, 3.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TcpState {
    /// There is no connection.
    #[default]
    Closed,
    /// A SYN was sent.
    SynSent,
    /// A SYN was received.
    SynReceived,
    /// Both directions are open.
    Established,
    /// A FIN was sent.
    FinWait1,
    /// The FIN was acknowledged.
    FinWait2,
    /// The peer has sent a FIN.
    CloseWait,
    /// Both have sent a FIN at the same time.
    Closing,
    /// The peer has sent a FIN, and this side after it.
    LastAck,
    /// Both directions are closed.
    TimeWait,
}

impl TcpState {
    pub(super) fn of(connection: &Connection, socket: Option<&Socket<'_>>) -> Self {
        let Some(socket) = socket else {
            return if connection.error.is_some() { Self::Closed } else { Self::Established };
        };
        match socket.state() {
            State::Closed | State::Listen => Self::Closed,
            State::SynSent => Self::SynSent,
            State::SynReceived => Self::SynReceived,
            State::Established => Self::Established,
            State::FinWait1 => Self::FinWait1,
            State::FinWait2 => Self::FinWait2,
            State::CloseWait => Self::CloseWait,
            State::Closing => Self::Closing,
            State::LastAck => Self::LastAck,
            State::TimeWait => Self::TimeWait,
        }
    }
}

/// The state and the counters of a connection.
///
/// ```
/// use switchboard_net::{TcpConfig, TcpListener, TcpState};
/// use switchboard_net_testing::TestNetwork;
///
/// let mut network = TestNetwork::new();
/// let listener = TcpListener::bind(network.stack(), 4000, TcpConfig::new(1024, 1024))?;
/// network.group().add(async move {
///     let stream = listener.accept().await;
///     let _ = stream.write(b"hello\n").await;
///     stream.flush().await;
///     let statistics = stream.statistics();
///     assert_eq!(statistics.sent_bytes, 6);
///     assert_eq!(statistics.state, TcpState::CloseWait, "the peer has closed its side");
///     assert_eq!((statistics.unacknowledged_bytes, statistics.retransmissions), (0, 0));
/// });
/// assert_eq!(network.exchange(4000, b""), b"hello\n");
/// # Ok::<_, switchboard_net::SocketError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TcpStatistics {
    /// The state.
    pub state: TcpState,
    /// Bytes that have arrived in order.
    pub received_bytes: u64,
    /// Bytes that were written to the stream.
    pub sent_bytes: u64,
    /// How many of them were not acknowledged yet.
    pub unacknowledged_bytes: usize,
    /// Segments that were sent again.
    pub retransmissions: u64,
    /// How long the handshake took, if no segment of it was repeated: the round-trip time then.
    pub handshake: Option<Duration>,
}
