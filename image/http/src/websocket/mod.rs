//! WebSocket (RFC 6455), above the frames of `edge-ws`.

mod assembler;
mod handshake;
mod message;
mod socket;
#[cfg(test)]
mod tests;

pub use handshake::WebSocketUpgrade;
pub use message::{CloseCode, Message, WebSocketError};
pub use socket::WebSocket;
