//! The Internet checksum (RFC 1071): the ones' complement of a ones' complement sum of 16-bit words.
//!
//! Sums are kept in 64 bits and in native byte order, in which the checksum is too: eight bytes are added by one
//! instruction, with the carry of the one before.

/// A sum of 16-bit words.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sum(u64);

impl Sum {
    /// Adds eight bytes.
    #[inline]
    fn add_word(self, word: u64) -> Self {
        let (sum, carry) = self.0.overflowing_add(word);
        Self(sum + u64::from(carry))
    }

    /// Adds a 16-bit number that is transmitted in network byte order.
    #[inline]
    pub(crate) fn add_u16(self, value: u16) -> Self {
        self.add_word(value.to_be().into())
    }

    /// Adds bytes that begin at an even offset. A last one that is odd counts as followed by zero.
    #[inline]
    pub(crate) fn add(self, bytes: &[u8]) -> Self {
        let (blocks, rest) = bytes.as_chunks::<64>();
        let sum = blocks.iter().fold(self, |sum, block| sum.add_words::<64, 8>(block));
        let (words, tail) = rest.as_chunks::<8>();
        let sum = words.iter().fold(sum, |sum, word| sum.add_word(u64::from_ne_bytes(*word)));
        sum.add_tail(tail)
    }

    /// Adds a multiple of eight bytes, whose number is known.
    #[inline]
    fn add_words<const BYTES: usize, const WORDS: usize>(self, block: &[u8; BYTES]) -> Self {
        let (words, _) = block.as_chunks::<8>();
        let mut sum = (self.0, false);
        for word in words.iter().take(WORDS) {
            sum = sum.0.carrying_add(u64::from_ne_bytes(*word), sum.1);
        }
        Self(sum.0).add_word(sum.1.into())
    }

    /// Adds eight bytes, such as the two addresses of an IPv4 header.
    #[inline]
    pub(crate) fn add_8(self, bytes: [u8; 8]) -> Self {
        self.add_word(u64::from_ne_bytes(bytes))
    }

    /// Adds an IPv4 header without options.
    #[inline]
    pub(crate) fn add_20(self, header: &[u8; 20]) -> Self {
        let [.., a, b, c, d] = *header;
        let sum = header.first_chunk::<16>().map_or(self, |words| self.add_words::<16, 2>(words));
        sum.add_word(u32::from_ne_bytes([a, b, c, d]).into())
    }

    /// Adds fewer than eight bytes.
    #[inline]
    fn add_tail(self, tail: &[u8]) -> Self {
        let (mut sum, mut tail) = (self, tail);
        if let Some((word, rest)) = tail.split_first_chunk::<4>() {
            (sum, tail) = (sum.add_word(u32::from_ne_bytes(*word).into()), rest);
        }
        if let Some((word, rest)) = tail.split_first_chunk::<2>() {
            (sum, tail) = (sum.add_word(u16::from_ne_bytes(*word).into()), rest);
        }
        match tail {
            [byte, ..] => sum.add_word(u16::from_ne_bytes([*byte, 0]).into()),
            [] => sum,
        }
    }

    /// Returns the checksum, in the byte order of the packet. Zero for data that includes its own, right checksum.
    #[inline]
    pub(crate) fn checksum(self) -> [u8; 2] {
        let (sum, carry) = ((self.0 & 0xffff_ffff) as u32).overflowing_add((self.0 >> 32) as u32);
        // With a carry, the sum is less than the most.
        let sum = sum + u32::from(carry);
        let (sum, carry) = ((sum & 0xffff) as u16).overflowing_add((sum >> 16) as u16);
        (!(sum + u16::from(carry))).to_ne_bytes()
    }
}

/// Returns the checksum of bytes.
pub(crate) fn checksum(bytes: &[u8]) -> [u8; 2] {
    Sum::default().add(bytes).checksum()
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    /// The sum, word by word.
    fn expected(bytes: &[u8]) -> [u8; 2] {
        let mut sum = 0_u32;
        for word in bytes.chunks(2) {
            sum += u32::from(u16::from_be_bytes([word[0], word.get(1).copied().unwrap_or(0)]));
            sum = (sum & 0xffff) + (sum >> 16);
        }
        let [.., a, b] = (!sum).to_be_bytes();
        [a, b]
    }

    #[test]
    fn every_length_gives_the_checksum_of_the_rfc() {
        let bytes: Vec<u8> = (0..600_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for length in 0..=bytes.len() {
            assert_eq!(checksum(&bytes[..length]), expected(&bytes[..length]), "{length} bytes");
        }
        for fill in [0, 0xff] {
            let bytes = [fill; 1460];
            assert_eq!(checksum(&bytes), expected(&bytes));
        }
        // RFC 1071, 3.
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), [0x22, 0x0d]);
    }

    #[test]
    fn parts_are_added_in_any_order() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1000).map(|byte: u8| byte.wrapping_mul(7)).collect();
        for cut in (0..1000).step_by(2) {
            let (first, second) = bytes.split_at(cut);
            assert_eq!(Sum::default().add(second).add(first).checksum(), expected(&bytes), "cut at {cut}");
        }
        let header = bytes.first_chunk::<20>().expect("20 bytes");
        assert_eq!(Sum::default().add_20(header).checksum(), expected(header));
        assert_eq!(Sum::default().add_u16(0x1234).checksum(), expected(&[0x12, 0x34]));
    }
}
