//! A received packet with its reply.

use core::net::IpAddr;

use smoltcp::phy::{Device, DeviceCapabilities, TxToken};
use smoltcp::time::Instant;

use super::{PacketToken, write_frame, write_packet};
use crate::link::{Link, ReplySender};
use crate::stack::tcp::Connection;

/// A device that has received one packet, and can send one in reply.
pub(in crate::stack) struct IngressDevice<'a, 'r> {
    pub(in crate::stack) packet: Option<&'a [u8]>,
    /// The connection that a reply belongs to.
    pub(in crate::stack) connection: Option<&'a mut Connection>,
    /// The sender of the packet, to which a reply goes.
    pub(in crate::stack) source: IpAddr,
    pub(in crate::stack) link: &'a mut Link,
    pub(in crate::stack) reply: &'a mut ReplySender<'r>,
    /// Checksums of TCP and UDP are computed [in software](checksum).
    pub(in crate::stack) software_checksums: bool,
    pub(in crate::stack) now: Instant,
}

/// Room for one packet in reply.
pub(in crate::stack) struct ReplyToken<'t, 'r> {
    source: IpAddr,
    connection: Option<&'t mut Connection>,
    link: &'t mut Link,
    reply: &'t mut ReplySender<'r>,
    software_checksums: bool,
    now: Instant,
}

impl TxToken for ReplyToken<'_, '_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let Self { source, connection, link, reply, software_checksums, now } = self;
        let hop_limit = link.ipv6.hop_limit();
        let write = |packet: &mut [u8]| write_packet(packet, connection, hop_limit, software_checksums, write);
        match link.resolve_ip(source, now) {
            Some(next_hop) => write_frame(link, next_hop, length, write, |length, fill| reply.send(length, fill)),
            None => link.with_scratch(length, write, |link, packet| link.queue(packet, reply.traffic, now)),
        }
    }
}

impl<'r> Device for IngressDevice<'_, 'r> {
    type RxToken<'t>
        = PacketToken<'t>
    where
        Self: 't;
    type TxToken<'t>
        = ReplyToken<'t, 'r>
    where
        Self: 't;

    fn receive(&mut self, _now: Instant) -> Option<(PacketToken<'_>, ReplyToken<'_, 'r>)> {
        let Self { packet, connection, source, link, reply, software_checksums, now } = self;
        let connection = connection.as_deref_mut();
        let (source, software_checksums, now) = (*source, *software_checksums, *now);
        Some((PacketToken(packet.take()?), ReplyToken { source, connection, link, reply, software_checksums, now }))
    }

    fn transmit(&mut self, _now: Instant) -> Option<ReplyToken<'_, 'r>> {
        None
    }

    /// Unused: an interface has those of [`CapabilitiesDevice`].
    fn capabilities(&self) -> DeviceCapabilities {
        DeviceCapabilities::default()
    }
}
