//! A DHCP client for IPv4 (RFC 2131), as a state machine without sockets and clocks.
//!
//! [`Client`] is given the time, the payloads of received datagrams and the changes of the link, and returns
//! [`Action`]s: what to send, which configuration to take, which to give up. It sends at most two messages a second on
//! average, whatever servers answer.

mod client;
mod domains;
mod lease;
mod message;
mod options;
mod pacer;
mod status;
#[cfg(test)]
mod tests;

pub(crate) use self::client::{Action, Client, Datagram};
pub use self::status::{DhcpLease, DhcpState, DhcpStatus};
