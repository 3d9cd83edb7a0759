//! The Internet control message protocol (RFC 792; RFC 1122, 3.2.2): answers to echo requests, errors that are sent and
//! received.

mod error;

use core::net::Ipv4Addr;

use alloc::vec::Vec;

use super::ipv4::{self, IPV4_HEADER, Ipv4Header, PROTOCOL_ICMP};
use crate::checksum::{Sum, checksum};

pub(crate) use self::error::Flow;
pub use self::error::{IcmpError, IcmpErrorKind};

/// Bytes of the header of a message.
pub(crate) const ICMP_HEADER: usize = 8;

/// Types of messages.
pub(crate) const ECHO_REPLY: u8 = 0;
pub(crate) const UNREACHABLE: u8 = 3;
pub(crate) const ECHO_REQUEST: u8 = 8;
pub(crate) const TIME_EXCEEDED: u8 = 11;
pub(crate) const PARAMETER_PROBLEM: u8 = 12;

/// Codes of unreachable messages that this host sends.
pub(crate) const PROTOCOL_UNREACHABLE: u8 = 2;
pub(crate) const PORT_UNREACHABLE: u8 = 3;

/// The most bytes of an error message (RFC 1812, 4.3.2.3).
const MAX_ERROR: usize = 576;

/// Returns whether a message is whole and has the right checksum.
pub(crate) fn is_valid(message: &[u8]) -> bool {
    message.len() >= ICMP_HEADER && checksum(message) == [0; 2]
}

/// Writes the answer to an echo request into `packet`, which has the length of [`echo_reply_length`].
pub(crate) fn write_echo_reply(packet: &mut [u8], source: Ipv4Addr, destination: Ipv4Addr, request: &[u8]) {
    let (header, message) = packet.split_at_mut(IPV4_HEADER);
    message.copy_from_slice(request);
    message[0] = ECHO_REPLY;
    write_checksum(message);
    ipv4::write_header(header, message.len(), PROTOCOL_ICMP, source, destination);
}

/// Returns the length of a packet that answers an echo request.
pub(crate) fn echo_reply_length(request: &[u8]) -> usize {
    IPV4_HEADER + request.len()
}

/// Writes the checksum of a message.
pub(crate) fn write_checksum(message: &mut [u8]) {
    message[2..4].fill(0);
    let sum = checksum(message);
    message[2..4].copy_from_slice(&sum);
}

/// Returns whether an error may be sent about a packet (RFC 1122, 3.2.2): not about an error, a packet to several hosts,
/// or a fragment that is not the first.
pub(crate) fn may_report(packet: &[u8], header: &Ipv4Header) -> bool {
    let is_error = header.protocol == PROTOCOL_ICMP
        && packet.get(header.header_length).is_none_or(|kind| !matches!(*kind, ECHO_REPLY | ECHO_REQUEST));
    !is_error && header.fragment & 0x1fff == 0
}

/// Returns the length of a packet with an error about `about`.
pub(crate) fn error_length(about: &[u8]) -> usize {
    IPV4_HEADER + ICMP_HEADER + about.len().min(MAX_ERROR - IPV4_HEADER - ICMP_HEADER)
}

/// Writes an error about the packet `about` to its sender; `packet` has the length of [`error_length`].
pub(crate) fn write_unreachable(packet: &mut [u8], source: Ipv4Addr, destination: Ipv4Addr, code: u8, about: &[u8]) {
    let (header, message) = packet.split_at_mut(IPV4_HEADER);
    let (start, quoted) = message.split_at_mut(ICMP_HEADER);
    start.copy_from_slice(&[UNREACHABLE, code, 0, 0, 0, 0, 0, 0]);
    quoted.copy_from_slice(&about[..quoted.len()]);
    write_checksum(message);
    ipv4::write_header(header, message.len(), PROTOCOL_ICMP, source, destination);
}

/// Returns the echo request of this identifier and number, whose type is `kind`.
pub(crate) fn echo_request(kind: u8, identifier: u16, sequence: u16, payload: &[u8]) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    message.try_reserve_exact(ICMP_HEADER + payload.len()).ok()?;
    message.extend([kind, 0, 0, 0]);
    message.extend(identifier.to_be_bytes());
    message.extend(sequence.to_be_bytes());
    message.extend_from_slice(payload);
    let sum = Sum::default().add(&message).checksum();
    message[2..4].copy_from_slice(&sum);
    Some(message)
}
