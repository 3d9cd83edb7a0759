//! Packets of the address resolution protocol (RFC 826) for IPv4 on Ethernet.

use core::net::Ipv4Addr;

use super::ethernet::{ARP, ETHERNET_HEADER, EthernetHeader, IPV4};
use crate::mac::Mac;

/// Bytes of a frame with an ARP packet, without padding.
pub(crate) const ARP_FRAME: usize = ETHERNET_HEADER + 28;

/// What a packet asks for or answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Which Ethernet address has the target?
    Request,
    /// The sender has the address that was asked for.
    Reply,
}

/// An ARP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ArpPacket {
    pub(crate) operation: Operation,
    pub(crate) sender_mac: Mac,
    /// Zero in a probe (RFC 5227, 2.1.1).
    pub(crate) sender: Ipv4Addr,
    pub(crate) target_mac: Mac,
    pub(crate) target: Ipv4Addr,
}

/// Hardware type Ethernet, protocol type IPv4, and the lengths of their addresses.
const PREFIX: [u8; 6] = [0, 1, IPV4.to_be_bytes()[0], IPV4.to_be_bytes()[1], 6, 4];

impl ArpPacket {
    /// Returns a request for the Ethernet address of `target`.
    pub(crate) fn request(sender_mac: Mac, sender: Ipv4Addr, target: Ipv4Addr) -> Self {
        Self { operation: Operation::Request, sender_mac, sender, target_mac: Mac([0; 6]), target }
    }

    /// Returns the answer to this request by the owner of its target.
    pub(crate) fn reply(&self, mac: Mac) -> Self {
        let (target_mac, target) = (self.sender_mac, self.sender);
        Self { operation: Operation::Reply, sender_mac: mac, sender: self.target, target_mac, target }
    }

    /// Parses the payload of a frame; `None` for other protocols, other operations and a short packet.
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let (prefix, rest) = payload.split_first_chunk::<6>()?;
        let (operation, rest) = rest.split_first_chunk::<2>()?;
        let (sender_mac, rest) = rest.split_first_chunk::<6>()?;
        let (sender, rest) = rest.split_first_chunk::<4>()?;
        let (target_mac, rest) = rest.split_first_chunk::<6>()?;
        let target = rest.first_chunk::<4>()?;
        let operation = match u16::from_be_bytes(*operation) {
            1 => Operation::Request,
            2 => Operation::Reply,
            _ => return None,
        };
        (*prefix == PREFIX).then_some(Self {
            operation,
            sender_mac: Mac(*sender_mac),
            sender: Ipv4Addr::from(*sender),
            target_mac: Mac(*target_mac),
            target: Ipv4Addr::from(*target),
        })
    }

    /// Writes a whole frame of [`ARP_FRAME`] bytes to `destination`.
    pub(crate) fn write_frame(&self, frame: &mut [u8], destination: Mac) {
        EthernetHeader { destination, source: self.sender_mac, ethertype: ARP }.write(frame);
        let Some(packet) = frame.get_mut(ETHERNET_HEADER..).and_then(|payload| payload.first_chunk_mut::<28>()) else {
            return;
        };
        packet[..6].copy_from_slice(&PREFIX);
        packet[6..8].copy_from_slice(match self.operation {
            Operation::Request => &[0, 1],
            Operation::Reply => &[0, 2],
        });
        packet[8..14].copy_from_slice(&self.sender_mac.0);
        packet[14..18].copy_from_slice(&self.sender.octets());
        packet[18..24].copy_from_slice(&self.target_mac.0);
        packet[24..].copy_from_slice(&self.target.octets());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const THEIRS: Mac = Mac([2, 0, 0, 0, 0, 2]);

    #[test]
    fn packets_are_written_and_parsed() {
        let request = ArpPacket::request(THEIRS, [10, 0, 0, 2].into(), [10, 0, 0, 1].into());
        let reply = request.reply(OURS);
        assert_eq!((reply.sender, reply.target, reply.target_mac), (request.target, request.sender, THEIRS));
        for packet in [request, reply] {
            let mut frame = [0; ARP_FRAME];
            packet.write_frame(&mut frame, Mac::BROADCAST);
            let header = EthernetHeader::parse(&frame).expect("a header");
            assert_eq!((header.ethertype, header.source), (ARP, packet.sender_mac));
            assert_eq!(ArpPacket::parse(&frame[ETHERNET_HEADER..]), Some(packet));
            for length in 0..28 {
                assert_eq!(ArpPacket::parse(&frame[ETHERNET_HEADER..ETHERNET_HEADER + length]), None);
            }
        }
    }

    #[test]
    fn other_protocols_and_operations_are_ignored() {
        let mut frame = [0; ARP_FRAME];
        ArpPacket::request(OURS, [10, 0, 0, 1].into(), [10, 0, 0, 2].into()).write_frame(&mut frame, Mac::BROADCAST);
        for byte in 0..8 {
            let mut other = frame;
            other[ETHERNET_HEADER + byte] ^= 0x40;
            assert_eq!(ArpPacket::parse(&other[ETHERNET_HEADER..]), None, "byte {byte}");
        }
    }
}
