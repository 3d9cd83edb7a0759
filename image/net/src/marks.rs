//! The marks of this crate: see [`switchboard_runtime::mark`].

/// An interface has its IPv4 address: the instructions up to here, from the image's first, are the cost of starting.
pub const READY: u16 = 3;
/// A UDP packet was echoed.
pub const UDP_ECHO: u16 = 31;
/// Bytes of a TCP connection were echoed.
pub const TCP_ECHO: u16 = 32;
/// An app sent a frame back on the card itself.
pub const FRAME: u16 = 33;
