//! Frames that the device has merged from several TCP segments, in several buffers (virtio 1.2, 5.1.6.4).
//!
//! The device writes a long segment into as many buffers as it takes. Each buffer has room in front, into which the headers are copied:
//! so each becomes a frame of its own, without a copy of the data.

/// Bytes of the longest headers: Ethernet, IPv4 with options, TCP with options.
const MAX_HEADER_BYTES: usize = 14 + 60 + 60;
/// The room for headers in front of what the device writes.
pub(super) const HEADROOM: usize = 144;

const ETHERNET_HEADER: usize = 14;
const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];
const TCP: u8 = 6;
/// Flags of TCP that only the last segment has: FIN and PSH.
const LAST_FLAGS: u8 = 0x09;
/// A flag of TCP that only the first segment has: CWR.
const FIRST_FLAGS: u8 = 0x80;

/// The rest of a merged segment, whose headers are in an earlier buffer.
#[derive(Debug)]
pub(super) struct Rest {
    headers: [u8; MAX_HEADER_BYTES],
    header_bytes: usize,
    /// The offset of the TCP header.
    tcp: usize,
    /// The sequence number of the next buffer.
    sequence: u32,
    flags: u8,
    /// Buffers that are still to come.
    pub(super) buffers: u16,
}

impl Rest {
    /// Makes the first buffer of a segment in several buffers a frame of its own. Without TCP in it, `None`: the buffers that follow
    /// cannot be used.
    pub(super) fn of_first(frame: &mut [u8], buffers: u16) -> Option<Self> {
        let tcp = match (frame.get(12..14)?, frame.get(14)?) {
            (ethertype, version) if ethertype == IPV4 && frame.get(23) == Some(&TCP) => {
                ETHERNET_HEADER + usize::from(version & 15) * 4
            }
            (ethertype, _) if ethertype == IPV6 && frame.get(20) == Some(&TCP) => ETHERNET_HEADER + 40,
            _ => return None,
        };
        let header_bytes = tcp + usize::from(frame.get(tcp + 12)? >> 4) * 4;
        let is_valid = tcp >= ETHERNET_HEADER + 20 && header_bytes >= tcp + 20;
        if !is_valid || header_bytes > MAX_HEADER_BYTES || header_bytes >= frame.len() {
            return None;
        }
        let mut headers = [0; MAX_HEADER_BYTES];
        headers[..header_bytes].copy_from_slice(&frame[..header_bytes]);
        let sequence = u32::from_be_bytes([frame[tcp + 4], frame[tcp + 5], frame[tcp + 6], frame[tcp + 7]]);
        let flags = frame[tcp + 13];
        frame[tcp + 13] &= !LAST_FLAGS;
        write_length(frame, tcp);
        let sequence = sequence.wrapping_add(low_half(frame.len() - header_bytes));
        Some(Self { headers, header_bytes, tcp, sequence, flags, buffers })
    }

    /// Makes the next buffer a frame: writes headers before its data, which begins at `start`. Returns where the frame begins.
    pub(super) fn add(&mut self, buffer: &mut [u8], start: usize) -> usize {
        self.buffers -= 1;
        let begin = start - self.header_bytes;
        let frame = &mut buffer[begin..];
        frame[..self.header_bytes].copy_from_slice(&self.headers[..self.header_bytes]);
        frame[self.tcp + 4..self.tcp + 8].copy_from_slice(&self.sequence.to_be_bytes());
        let cleared = if self.buffers == 0 { FIRST_FLAGS } else { FIRST_FLAGS | LAST_FLAGS };
        frame[self.tcp + 13] = self.flags & !cleared;
        write_length(frame, self.tcp);
        self.sequence = self.sequence.wrapping_add(low_half(frame.len() - self.header_bytes));
        begin
    }
}

/// Returns a length modulo 2 to the power of 32.
fn low_half(length: usize) -> u32 {
    (length as u64 & 0xffff_ffff) as u32
}

/// Writes the length of a frame into its IP header, and the checksum of an IPv4 header. Buffers are shorter than 64 KiB.
fn write_length(frame: &mut [u8], tcp: usize) {
    let total = frame.len() - ETHERNET_HEADER;
    let length = |bytes: usize| u16::try_from(bytes).unwrap_or(u16::MAX).to_be_bytes();
    if frame[12..14] == IPV6 {
        frame[18..20].copy_from_slice(&length(total - 40));
        return;
    }
    frame[16..18].copy_from_slice(&length(total));
    frame[24..26].fill(0);
    let checksum = checksum(&frame[ETHERNET_HEADER..tcp], 0);
    frame[24..26].copy_from_slice(&checksum);
}

/// Returns the Internet checksum of bytes (RFC 1071).
fn checksum(bytes: &[u8], initial: u64) -> [u8; 2] {
    let words = bytes.chunks(2).map(|word| u64::from(u16::from_be_bytes([word[0], word.get(1).copied().unwrap_or(0)])));
    let mut sum = words.fold(initial, |sum, word| sum + word);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let [.., high, low] = (!sum).to_be_bytes();
    [high, low]
}

/// Completes the checksum of a frame that the device has left to the driver (5.1.6.4.1): of what begins at `start`, in a field at
/// `offset` behind it, which has the sum of the pseudo header. Returns whether the frame has such a field.
pub(super) fn complete_checksum(frame: &mut [u8], start: usize, offset: usize) -> bool {
    let Some(covered) = frame.get_mut(start..).filter(|covered| covered.len() >= offset + 2) else { return false };
    // The sum includes the field itself, with the pseudo header's.
    let checksum = match checksum(covered, 0) {
        [0, 0] => [0xff, 0xff],
        checksum => checksum,
    };
    covered[offset..offset + 2].copy_from_slice(&checksum);
    true
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    /// Returns a frame with a TCP segment of `length` bytes.
    fn frame(is_ipv6: bool, options: usize, length: usize) -> (Vec<u8>, usize) {
        let (ip, ethertype) = if is_ipv6 { (40, IPV6) } else { (20, IPV4) };
        let header_bytes = 14 + ip + 20 + options;
        let mut frame: Vec<u8> = vec![0x5a; header_bytes];
        frame.extend((0..length).map(|at| (at % 251).to_le_bytes()[0]));
        frame[12..14].copy_from_slice(&ethertype);
        frame[14] = if is_ipv6 { 0x60 } else { 0x45 };
        frame[if is_ipv6 { 20 } else { 23 }] = TCP;
        let tcp = 14 + ip;
        frame[tcp + 4..tcp + 8].copy_from_slice(&0xffff_ff00_u32.to_be_bytes());
        frame[tcp + 12] = u8::try_from(((20 + options) / 4) << 4).expect("few");
        frame[tcp + 13] = 0x99;
        (frame, header_bytes)
    }

    #[test]
    fn each_buffer_becomes_a_frame_with_its_part_of_the_data() {
        for (is_ipv6, options) in [(false, 0), (false, 12), (true, 12), (true, 40)] {
            let (whole, headers) = frame(is_ipv6, options, 5000);
            let (first, rest) = whole.split_at(2000);
            let mut first = first.to_vec();
            let mut state = Rest::of_first(&mut first, 2).expect("TCP");
            let mut frames = vec![first];
            for part in rest.chunks(2000) {
                let mut buffer = [&[0; HEADROOM][..], part].concat();
                let begin = state.add(&mut buffer, HEADROOM);
                frames.push(buffer[begin..].to_vec());
            }
            assert_eq!((frames.len(), state.buffers), (3, 0));
            let (mut data, tcp) = (Vec::new(), state.tcp);
            let flags: Vec<u8> = frames.iter().map(|frame| frame[tcp + 13]).collect();
            assert_eq!(flags, [0x90, 0x10, 0x19], "CWR on the first, FIN and PSH on the last");
            for frame in &frames {
                let sequence = u32::from_be_bytes(frame[tcp + 4..tcp + 8].try_into().expect("4 bytes"));
                assert_eq!(sequence, 0xffff_ff00_u32.wrapping_add(low_half(data.len())));
                data.extend_from_slice(&frame[headers..]);
                match is_ipv6 {
                    true => assert_eq!(frame[18..20], u16::try_from(frame.len() - 54).expect("short").to_be_bytes()),
                    false => {
                        assert_eq!(frame[16..18], u16::try_from(frame.len() - 14).expect("short").to_be_bytes());
                        assert_eq!(checksum(&frame[14..34], 0), [0, 0]);
                    }
                }
            }
            assert_eq!(data, whole[headers..]);
        }
    }

    #[test]
    fn frames_without_whole_headers_of_tcp_have_no_rest() {
        let (whole, headers) = frame(false, 12, 100);
        for length in 0..=headers {
            assert!(Rest::of_first(&mut whole[..length].to_vec(), 1).is_none(), "{length} bytes");
        }
        for (at, byte) in [(12, 9), (14, 0x44), (23, 17), (14 + 20 + 12, 0x40)] {
            let mut bent = whole.clone();
            bent[at] = byte;
            assert!(Rest::of_first(&mut bent, 1).is_none(), "byte {at}");
        }
    }

    #[test]
    fn checksums_are_completed_within_the_frame() {
        let mut frame = [[1, 2, 3, 4, 0, 0, 7, 8], [9; 8]].concat();
        // The field has the sum of the pseudo header.
        frame[4..6].copy_from_slice(&[0x12, 0x34]);
        let expected = checksum(&frame, 0);
        assert!(complete_checksum(&mut frame, 0, 4));
        assert_eq!(frame[4..6], expected);
        for (start, offset) in [(15, 0), (0, 15), (16, 0), (17, 0), (0, usize::from(u16::MAX))] {
            assert!(!complete_checksum(&mut frame, start, offset), "{start}, {offset}");
        }
    }
}
