//! The Ethernet address of the card: in the EEPROM, and in the registers of the receive filter.

use switchboard::driver::ProbeError;
use switchboard::mmio::Bar;

use super::registers::{MTA, RAH_VALID, RAH0, RAL0, Registers};
use crate::ring_nic::unicast;

/// The number of words that the checksum covers (5.6.35).
const CHECKED_WORDS: u8 = 0x40;
/// The sum of those words.
const CHECKSUM: u16 = 0xbaba;

/// The reason why the EEPROM or the receive filter has no valid address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MacError {
    #[error("word {word:#04x} of the EEPROM was not read in time")]
    Timeout { word: u8 },
    #[error("the checksum of the EEPROM is {found:#06x}, expected {CHECKSUM:#06x}")]
    Checksum { found: u16 },
    #[error("the address is not a unicast address")]
    NotUnicast,
}

/// Returns the address in the EEPROM, whose words `read` reads.
pub(crate) fn from_eeprom(mut read: impl FnMut(u8) -> Option<u16>) -> Result<[u8; 6], MacError> {
    let mut mac = [0; 6];
    let mut sum = 0_u16;
    for word in 0..CHECKED_WORDS {
        let value = read(word).ok_or(MacError::Timeout { word })?;
        sum = sum.wrapping_add(value);
        if let Some(bytes) = mac.chunks_exact_mut(2).nth(word.into()) {
            bytes.copy_from_slice(&value.to_le_bytes());
        }
    }
    if sum != CHECKSUM {
        return Err(MacError::Checksum { found: sum });
    }
    if mac == [0; 6] || mac[0] & 1 != 0 { Err(MacError::NotUnicast) } else { Ok(mac) }
}

/// Returns the address in the first pair of receive address registers.
pub(crate) fn from_filter(registers: &Bar<Registers>) -> Result<[u8; 6], ProbeError> {
    let high = registers.read(&RAH0);
    if high & RAH_VALID == 0 {
        return Err(ProbeError::Device("the receive filter holds no address"));
    }
    unicast(registers.read(&RAL0), high)
}

/// Sets the receive filter to one unicast address, and to no multicast address.
pub(crate) fn set_filter(registers: &Bar<Registers>, mac: [u8; 6]) {
    let (low, high) = to_registers(mac);
    registers.write(&RAL0, low);
    registers.write(&RAH0, high | RAH_VALID);
    for offset in MTA.step_by(4) {
        let written = registers.try_write(offset, 0_u32);
        debug_assert!(written.is_some(), "the table is within the block");
    }
}

fn to_registers([a, b, c, d, e, f]: [u8; 6]) -> (u32, u32) {
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, 0, 0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(mac: [u16; 3]) -> [u16; 64] {
        let mut words = [0x1111; 64];
        words[..3].copy_from_slice(&mac);
        let sum = words[..63].iter().fold(0_u16, |sum, word| sum.wrapping_add(*word));
        words[63] = CHECKSUM.wrapping_sub(sum);
        words
    }

    fn read(words: &[u16; 64]) -> impl FnMut(u8) -> Option<u16> + '_ {
        |word| words.get(usize::from(word)).copied()
    }

    #[test]
    fn an_address_is_three_little_endian_words() {
        let words = image([0x5452, 0x1200, 0x5634]);
        assert_eq!(from_eeprom(read(&words)), Ok([0x52, 0x54, 0x00, 0x12, 0x34, 0x56]));
    }

    #[test]
    fn a_flipped_bit_is_detected() {
        for word in 0..64 {
            let mut words = image([0x5452, 0x1200, 0x5634]);
            words[word] ^= 0x0100;
            assert!(matches!(from_eeprom(read(&words)), Err(MacError::Checksum { .. })), "word {word}");
        }
    }

    #[test]
    fn a_word_that_is_not_read_in_time_is_named() {
        let words = image([0x5452, 0x1200, 0x5634]);
        let mut read = read(&words);
        assert_eq!(from_eeprom(|word| read(word).filter(|_| word < 9)), Err(MacError::Timeout { word: 9 }));
    }

    #[test]
    fn group_addresses_and_zero_are_refused() {
        for mac in [[0, 0, 0], [0xffff; 3], [0x0001, 0x5e00, 0]] {
            assert_eq!(from_eeprom(read(&image(mac))), Err(MacError::NotUnicast), "{mac:x?}");
        }
        assert!(unicast(0, 0x8000_0000).is_err());
    }

    #[test]
    fn registers_round_trip() {
        let mac = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
        let (low, high) = to_registers(mac);
        assert_eq!((low, high), (0x1200_5452, 0x5634));
        assert_eq!(unicast(low, high | 1 << 31).ok(), Some(mac));
    }
}
