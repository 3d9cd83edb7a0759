//! The send side of a card.

use alloc::vec;
use alloc::vec::Vec;

use smoltcp::phy::{Device, DeviceCapabilities, TxToken};
use smoltcp::time::Instant;

use super::{PacketToken, write_frame, write_packet};
use crate::link::ethernet::ETHERNET_HEADER;
use crate::link::{FrameSender, Link};
use crate::mac::Mac;
use crate::stack::large;
use crate::stack::tcp::{self, Connection};

/// The send side of a card, for the packets of one socket.
pub(in crate::stack) struct EgressDevice<'e, 'a, 'c> {
    pub(in crate::stack) sender: &'e mut FrameSender<'a, 'c>,
    pub(in crate::stack) link: &'e mut Link,
    /// The Ethernet address of the next hop, if it is known before the packet is written.
    pub(in crate::stack) next_hop: Option<Mac>,
    /// Of a TCP socket.
    pub(in crate::stack) connection: Option<&'e mut Connection>,
    /// The maximum length of a packet on this path; longer TCP packets are split.
    pub(in crate::stack) max_bytes: usize,
    /// The card splits longer packets.
    pub(in crate::stack) is_split_by_card: bool,
    /// Memory for a packet that is split.
    pub(in crate::stack) scratch: &'e mut Vec<u8>,
    /// Checksums of TCP and UDP are computed [in software](checksum).
    pub(in crate::stack) software_checksums: bool,
    pub(in crate::stack) now: Instant,
}

/// Room for one packet.
pub(in crate::stack) struct EgressToken<'t, 'e, 'a, 'c>(&'t mut EgressDevice<'e, 'a, 'c>);

impl TxToken for EgressToken<'_, '_, '_, '_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        if length > self.0.max_bytes {
            return self.0.split(length, write);
        }
        let EgressDevice { sender, link, next_hop, connection, software_checksums, now, .. } = self.0;
        let hop_limit = link.ipv6.hop_limit();
        let write =
            |packet: &mut [u8]| write_packet(packet, connection.as_deref_mut(), hop_limit, *software_checksums, write);
        match *next_hop {
            Some(next_hop) => write_frame(link, next_hop, length, write, |length, fill| sender.send(length, fill)),
            None => link.with_scratch(length, write, |link, packet| link.egress(packet, sender, *now)),
        }
    }
}

impl EgressDevice<'_, '_, '_> {
    /// Sends the packet that `write` writes as a whole, which the card splits.
    fn send_large<R>(&mut self, next_hop: Mac, length: usize, write: impl FnOnce(&mut [u8]) -> R) -> R {
        let Self { sender, link, connection, max_bytes, .. } = self;
        let (mut write, mut result) = (Some(write), None);
        sender.send_large(ETHERNET_HEADER + length, &mut |frame| {
            if let Some(write) = write.take() {
                result = Some(write(&mut frame[ETHERNET_HEADER..]));
            }
            if let Some(connection) = connection.as_deref_mut() {
                connection.translate(&mut frame[ETHERNET_HEADER..], link.ipv6.hop_limit());
            }
            link.write_header(frame, next_hop);
            large::prepare(frame, *max_bytes)
        });
        match (result, write) {
            (Some(result), _) => result,
            // The card has failed since it had room.
            (None, Some(write)) => write(&mut vec![0; length]),
            (None, None) => unreachable!("the frame was just written"),
        }
    }

    /// Sends the packet that `write` writes in pieces.
    #[inline(never)]
    fn split<R>(&mut self, length: usize, write: impl FnOnce(&mut [u8]) -> R) -> R {
        if self.is_split_by_card
            && let Some(next_hop) = self.next_hop
        {
            return self.send_large(next_hop, length, write);
        }
        let mut packet = core::mem::take(self.scratch);
        packet.clear();
        packet.resize(length, 0);
        let result = write(&mut packet);
        if let Some(connection) = self.connection.as_deref_mut() {
            connection.translate(&mut packet, self.link.ipv6.hop_limit());
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
