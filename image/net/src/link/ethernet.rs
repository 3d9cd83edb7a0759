//! Ethernet framing (IEEE 802.3, with the types of RFC 894).

use crate::mac::Mac;

/// Bytes of the header of a frame: destination, source and type.
pub(crate) const ETHERNET_HEADER: usize = 14;

/// The types of the frames that this stack receives.
pub(crate) const IPV4: u16 = 0x0800;
pub(crate) const ARP: u16 = 0x0806;
pub(crate) const IPV6: u16 = 0x86dd;

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EthernetHeader {
    pub(crate) destination: Mac,
    pub(crate) source: Mac,
    pub(crate) ethertype: u16,
}

impl EthernetHeader {
    /// Parses the header; `None` for a frame that is shorter.
    #[inline]
    pub(crate) fn parse(frame: &[u8]) -> Option<Self> {
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] = *frame.first_chunk::<ETHERNET_HEADER>()?;
        Some(Self {
            destination: Mac([d0, d1, d2, d3, d4, d5]),
            source: Mac([s0, s1, s2, s3, s4, s5]),
            ethertype: u16::from_be_bytes([t0, t1]),
        })
    }

    /// Writes the header to the front of a frame. Does nothing to a frame that is shorter.
    #[inline]
    pub(crate) fn write(self, frame: &mut [u8]) {
        if let Some(header) = frame.first_chunk_mut::<ETHERNET_HEADER>() {
            header[..6].copy_from_slice(&self.destination.0);
            header[6..12].copy_from_slice(&self.source.0);
            header[12..].copy_from_slice(&self.ethertype.to_be_bytes());
        }
    }
}

/// Returns the type of a frame that carries this IP packet, by the packet's version.
#[inline]
pub(crate) fn ethertype_of(packet: &[u8]) -> u16 {
    if packet.first().is_some_and(|byte| byte >> 4 == 6) { IPV6 } else { IPV4 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_written_and_parsed() {
        let header = EthernetHeader { destination: Mac::BROADCAST, source: Mac([2, 0, 0, 0, 0, 1]), ethertype: ARP };
        let mut frame = [0; 20];
        header.write(&mut frame);
        assert_eq!(frame[..14], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6]);
        assert_eq!(EthernetHeader::parse(&frame), Some(header));
        assert_eq!(EthernetHeader::parse(&frame[..13]), None);
        header.write(&mut frame[..13]);
    }
}
