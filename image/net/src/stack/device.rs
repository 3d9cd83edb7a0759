//! smoltcp's view of the link layer, as three devices: one received packet with its reply, the send side, and the
//! capabilities.

mod egress;
mod ingress;

use alloc::vec;

use smoltcp::phy::{Checksum, ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

use super::checksum;
use super::tcp::Connection;
use crate::link::Link;
use crate::link::ethernet::ETHERNET_HEADER;
use crate::mac::Mac;
use crate::nic::Nic;

pub(super) use self::egress::EgressDevice;
pub(super) use self::ingress::IngressDevice;

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

/// A received packet.
pub(in crate::stack) struct PacketToken<'a>(&'a [u8]);

impl RxToken for PacketToken<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

/// Has smoltcp write a packet, translates it for a connection, and fills in its checksums.
#[inline]
fn write_packet<R>(
    packet: &mut [u8],
    connection: Option<&mut Connection>,
    hop_limit: u8,
    software_checksums: bool,
    write: impl FnOnce(&mut [u8]) -> R,
) -> R {
    let result = write(packet);
    if let Some(connection) = connection {
        connection.translate(packet, hop_limit);
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
