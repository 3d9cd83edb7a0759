//! The settings of listeners and connections.

use core::time::Duration;

/// The settings of a TCP listener, and of the connections that it accepts or that [`TcpStream`](crate::TcpStream) opens.
///
/// ```
/// use core::time::Duration;
/// use switchboard_net::TcpConfig;
///
/// let mut config = TcpConfig::new(4096, 16 * 1024);
/// config.zero_window_timeout = Duration::from_secs(60);
/// assert_eq!((config.receive_bytes, config.backlog), (4096, 128));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TcpConfig {
    /// Bytes of the receive buffer, which is the window.
    pub receive_bytes: usize,
    /// Bytes of the transmit buffer.
    pub transmit_bytes: usize,
    /// The connections of a listener that wait to be accepted. When there are more, their segments are dropped, and the
    /// peers repeat them.
    pub backlog: usize,
    /// The connections that a listener has accepted and that still exist. When there are more, the one that is
    /// [idle](crate::TcpStream::idle) for longest is closed to make room, and no peer may have more than half.
    pub max_connections: usize,
    /// After how long without a segment from an idle peer it is probed; `None` for never (RFC 9293, 3.8.4).
    pub keep_alive: Option<Duration>,
    /// After how long without an answer a peer is given up (RFC 1122, 4.2.3.5: R2, at least 100 s).
    pub peer_timeout: Duration,
    /// How long a peer may answer that its window is closed, before it is given up.
    pub zero_window_timeout: Duration,
    /// How long to wait for a connection to be opened.
    pub connect_timeout: Duration,
}

impl TcpConfig {
    /// Creates the default settings with buffers of so many bytes.
    #[must_use]
    pub const fn new(receive_bytes: usize, transmit_bytes: usize) -> Self {
        Self {
            receive_bytes,
            transmit_bytes,
            backlog: 128,
            max_connections: usize::MAX,
            keep_alive: Some(Duration::from_secs(60)),
            peer_timeout: Duration::from_secs(130),
            zero_window_timeout: Duration::from_secs(300),
            connect_timeout: Duration::from_secs(30),
        }
    }

    /// Returns how much the window is scaled (RFC 7323, 2.3), as smoltcp computes it.
    pub(super) fn window_scale(&self) -> u8 {
        let bits = usize::BITS - self.receive_bytes.leading_zeros();
        u8::try_from(bits.saturating_sub(16)).unwrap_or_default()
    }

    /// Returns the window of a SYN, which is never scaled.
    pub(super) fn syn_window(&self) -> u16 {
        u16::try_from(self.receive_bytes).unwrap_or(u16::MAX)
    }
}

impl Default for TcpConfig {
    /// Returns settings with a receive buffer of 4 KiB and a transmit buffer of 16 KiB.
    fn default() -> Self {
        Self::new(4 * 1024, 16 * 1024)
    }
}
