//! CRC-32 (ISO 3309), by a table of 16 numbers: partition tables are short, and faster tables take 16 KiB of an image.

/// The remainders of four bits.
const TABLE: [u32; 16] = table();

const fn table() -> [u32; 16] {
    let mut table = [0; 16];
    let mut index: u32 = 0;
    while index < 16 {
        let (mut remainder, mut bit) = (index, 0);
        while bit < 4 {
            remainder = remainder >> 1 ^ if remainder & 1 == 0 { 0 } else { 0xedb8_8320 };
            bit += 1;
        }
        table[index as usize] = remainder;
        index += 1;
    }
    table
}

/// A checksum of bytes that come in parts.
#[derive(Debug)]
pub(crate) struct Crc32(u32);

impl Crc32 {
    pub(crate) fn new() -> Self {
        Self(u32::MAX)
    }

    /// Returns the checksum of bytes.
    pub(crate) fn of(bytes: &[u8]) -> u32 {
        let mut checksum = Self::new();
        checksum.update(bytes);
        checksum.finalize()
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let step = |remainder: u32| remainder >> 4 ^ TABLE[(remainder & 0xf) as usize];
        self.0 = bytes.iter().fold(self.0, |remainder, byte| step(step(remainder ^ u32::from(*byte))));
    }

    pub(crate) fn finalize(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Crc32;

    #[test]
    fn the_check_value_is_right_in_one_part_and_in_several() {
        assert_eq!(Crc32::of(b"123456789"), 0xcbf4_3926);
        let mut checksum = Crc32::new();
        for part in [&b"1234"[..], b"", b"56789"] {
            checksum.update(part);
        }
        assert_eq!((checksum.finalize(), Crc32::of(b"")), (0xcbf4_3926, 0));
    }
}
