//! smoltcp's view of the link layer, as three devices: one received packet with its reply, the send side, and the
//! capabilities.

use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

use smoltcp::phy::{Checksum, ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

use super::checksum;
use super::tcp::{self, Connection};
use crate::link::ethernet::ETHERNET_HEADER;
use crate::link::{FrameSender, Link, ReplySender};
use crate::mac::Mac;
use crate::nic::Nic;

/// Returns the maximum length of a packet on this card, in bytes.
pub(super) fn mtu(nic: &dyn Nic) -> usize {
    Nic::capabilities(nic).max_transmission_unit.saturating_sub(ETHERNET_HEADER)
}

/// Translates a card's capabilities to smoltcp's.
pub(super) fn capabilities(nic: &dyn Nic) -> DeviceCapabilities {
    let card = Nic::capabilities(nic);
    let checksum = |direction| match direction {
        embassy_net_driver::Checksum::Both => Checksum::Both,
        embassy_net_driver::Checksum::Tx => Checksum::Tx,
        embassy_net_driver::Checksum::Rx => Checksum::Rx,
        embassy_net_driver::Checksum::None => Checksum::None,
    };
    let mut checksums = ChecksumCapabilities::default();
    checksums.ipv4 = Checksum::None;
    if checksum::are_in_software(&card.checksum) {
        (checksums.udp, checksums.tcp) = (Checksum::None, Checksum::None);
    } else {
        (checksums.udp, checksums.tcp) = (checksum(card.checksum.udp), checksum(card.checksum.tcp));
    }
    checksums.icmpv4 = checksum(card.checksum.icmpv4);
    let mut capabilities = DeviceCapabilities::default();
    capabilities.medium = Medium::Ip;
    capabilities.max_transmission_unit = mtu(nic);
    capabilities.max_burst_size = card.max_burst_size;
    capabilities.checksum = checksums;
    capabilities
}

/// A device that only has capabilities, from which smoltcp's interface is created.
pub(super) struct CapabilitiesDevice(pub(super) DeviceCapabilities);

/// The room for a packet of a device that cannot send.
pub(super) enum NoToken {}

impl TxToken for NoToken {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, _length: usize, _write: F) -> R {
        match self {}
    }
}

/// A device that has received one packet, and can send one in reply.
pub(super) struct IngressDevice<'a, 'r> {
    pub(super) packet: Option<&'a [u8]>,
    /// The connection that a reply belongs to.
    pub(super) connection: Option<&'a mut Connection>,
    /// The sender of the packet, to which a reply goes.
    pub(super) source: IpAddr,
    pub(super) link: &'a mut Link,
    pub(super) reply: &'a mut ReplySender<'r>,
    /// Checksums of TCP and UDP are computed [in software](checksum).
    pub(super) software_checksums: bool,
    pub(super) now: Instant,
}

/// The send side of a card, for the packets of one socket.
pub(super) struct EgressDevice<'e, 'a, 'c> {
    pub(super) sender: &'e mut FrameSender<'a, 'c>,
    pub(super) link: &'e mut Link,
    /// The Ethernet address of the next hop, if it is known before the packet is written.
    pub(super) next_hop: Option<Mac>,
    /// Of a TCP socket.
    pub(super) connection: Option<&'e mut Connection>,
    /// The maximum length of a packet on this path; longer TCP packets are split.
    pub(super) max_bytes: usize,
    /// Memory for a packet that is split.
    pub(super) scratch: &'e mut Vec<u8>,
    /// Checksums of TCP and UDP are computed [in software](checksum).
    pub(super) software_checksums: bool,
    pub(super) now: Instant,
}

/// A received packet.
pub(super) struct PacketToken<'a>(&'a [u8]);

impl RxToken for PacketToken<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

/// Room for one packet in reply.
pub(super) struct ReplyToken<'t, 'r> {
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
        let write = |packet: &mut [u8]| write_packet(packet, connection, software_checksums, write);
        match link.resolve_ip(source, now) {
            Some(next_hop) => write_frame(link, next_hop, length, write, |length, fill| reply.send(length, fill)),
            None => link.with_scratch(length, write, |link, packet| link.queue(packet, reply.traffic, now)),
        }
    }
}

/// Room for one packet.
pub(super) struct EgressToken<'t, 'e, 'a, 'c>(&'t mut EgressDevice<'e, 'a, 'c>);

impl TxToken for EgressToken<'_, '_, '_, '_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        if length > self.0.max_bytes {
            return self.0.split(length, write);
        }
        let EgressDevice { sender, link, next_hop, connection, software_checksums, now, .. } = self.0;
        let write = |packet: &mut [u8]| write_packet(packet, connection.as_deref_mut(), *software_checksums, write);
        match *next_hop {
            Some(next_hop) => write_frame(link, next_hop, length, write, |length, fill| sender.send(length, fill)),
            None => link.with_scratch(length, write, |link, packet| link.egress(packet, sender, *now)),
        }
    }
}

impl EgressDevice<'_, '_, '_> {
    /// Sends the packet that `write` writes in pieces.
    #[cold]
    fn split<R>(&mut self, length: usize, write: impl FnOnce(&mut [u8]) -> R) -> R {
        let mut packet = core::mem::take(self.scratch);
        packet.clear();
        packet.resize(length, 0);
        let result = write(&mut packet);
        if let Some(connection) = self.connection.as_deref_mut() {
            connection.translate(&mut packet);
        }
        let Self { sender, link, max_bytes, software_checksums, now, .. } = self;
        tcp::split(&mut packet, *max_bytes, *software_checksums, |part| {
            // The first piece has room; without room for a further one, TCP repeats it.
            if sender.has_room() {
                link.egress(part, sender, *now);
            }
        });
        *self.scratch = packet;
        result
    }
}

/// Has smoltcp write a packet, translates it for a connection, and fills in its checksums.
#[inline]
fn write_packet<R>(
    packet: &mut [u8],
    connection: Option<&mut Connection>,
    software_checksums: bool,
    write: impl FnOnce(&mut [u8]) -> R,
) -> R {
    let result = write(packet);
    if let Some(connection) = connection {
        connection.translate(packet);
    }
    checksum::fill(packet, software_checksums);
    result
}

/// Has `send` send the frame whose packet `write` writes. A card that has failed since it had room does not call back:
/// what smoltcp writes then is lost, as a frame on a wire may be.
#[inline]
fn write_frame<R>(
    link: &Link,
    next_hop: Mac,
    length: usize,
    write: impl FnOnce(&mut [u8]) -> R,
    send: impl FnOnce(usize, &mut dyn FnMut(&mut [u8])),
) -> R {
    let (mut write, mut result) = (Some(write), None);
    send(ETHERNET_HEADER + length, &mut |frame| {
        if let Some(write) = write.take() {
            result = Some(write(&mut frame[ETHERNET_HEADER..]));
        }
        link.write_header(frame, next_hop);
    });
    match (result, write) {
        (Some(result), _) => result,
        (None, Some(write)) => write(&mut vec![0; length]),
        (None, None) => unreachable!("the frame was just written"),
    }
}

impl Device for CapabilitiesDevice {
    type RxToken<'a> = PacketToken<'a>;
    type TxToken<'a> = NoToken;

    fn receive(&mut self, _now: Instant) -> Option<(PacketToken<'_>, NoToken)> {
        None
    }

    fn transmit(&mut self, _now: Instant) -> Option<NoToken> {
        None
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.0.clone()
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

impl<'e, 'a, 'c> Device for EgressDevice<'e, 'a, 'c> {
    type RxToken<'t>
        = PacketToken<'t>
    where
        Self: 't;
    type TxToken<'t>
        = EgressToken<'t, 'e, 'a, 'c>
    where
        Self: 't;

    fn receive(&mut self, _now: Instant) -> Option<(PacketToken<'_>, EgressToken<'_, 'e, 'a, 'c>)> {
        None
    }

    fn transmit(&mut self, _now: Instant) -> Option<EgressToken<'_, 'e, 'a, 'c>> {
        self.sender.has_room().then_some(EgressToken(self))
    }

    /// Unused: an interface has those of [`CapabilitiesDevice`].
    fn capabilities(&self) -> DeviceCapabilities {
        DeviceCapabilities::default()
    }
}
