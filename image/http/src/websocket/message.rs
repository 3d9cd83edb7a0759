//! Messages, and why a WebSocket ends.

use alloc::string::String;
use alloc::vec::Vec;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
}

/// The code with which a WebSocket is closed (RFC 6455, 7.4).
///
/// ```
/// use switchboard_http::CloseCode;
///
/// assert_eq!(CloseCode::new(1000), Some(CloseCode::NORMAL));
/// assert_eq!(CloseCode::new(1005), None, "it stands for no code, and is never sent");
/// assert_eq!(CloseCode::new(4000).map(CloseCode::code), Some(4000));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose was fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the server goes down, or the page was left.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: a frame was invalid.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a type of message that cannot be accepted.
    pub const UNSUPPORTED: Self = Self(1003);
    /// 1007: text that is not UTF-8.
    pub const INVALID_DATA: Self = Self(1007);
    /// 1008: a message that violates a policy.
    pub const POLICY: Self = Self(1008);
    /// 1009: a message that is too long.
    pub const TOO_LARGE: Self = Self(1009);
    /// 1011: an unexpected condition.
    pub const INTERNAL_ERROR: Self = Self(1011);

    /// Returns a code that may be sent: 1000 to 1003, 1007 to 1014, 3000 to 4999.
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// Returns the number.
    #[must_use]
    pub const fn code(self) -> u16 {
        self.0
    }
}

/// The error of a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebSocketError {
    /// The connection was reset, or ended without a closing handshake.
    #[error("disconnected")]
    Disconnected,
    /// The peer broke the protocol, and was sent this code.
    #[error("the peer broke the protocol: {}", .0.code())]
    Protocol(CloseCode),
}

impl From<switchboard_net::Disconnected> for WebSocketError {
    fn from(_: switchboard_net::Disconnected) -> Self {
        Self::Disconnected
    }
}
