//! Addresses of logical units (virtio 1.2, 5.6.6.1).

use core::fmt;

/// The address of a logical unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lun {
    pub(super) target: u8,
    pub(super) number: u16,
}

impl Lun {
    /// Returns the address as the device reads it.
    pub(super) const fn bytes(self) -> [u8; 8] {
        let [high, low] = self.number.to_be_bytes();
        [1, self.target, 0x40 | high, low, 0, 0, 0, 0]
    }

    /// Reads an entry of a REPORT LUNS list: with peripheral or flat space addressing (SAM-5, 4.7.7).
    pub(super) const fn parse(target: u8, entry: [u8; 8]) -> Option<Self> {
        match entry {
            [high, low, 0, 0, 0, 0, 0, 0] if high >> 7 == 0 => {
                Some(Self { target, number: u16::from_be_bytes([high & 0x3f, low]) })
            }
            _ => None,
        }
    }
}

impl fmt::Display for Lun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "target {} unit {}", self.target, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_units_are_read_as_they_are_written() {
        let lun = Lun { target: 3, number: 0x102 };
        assert_eq!(lun.bytes(), [1, 3, 0x41, 2, 0, 0, 0, 0]);
        assert_eq!(Lun::parse(3, [0x41, 2, 0, 0, 0, 0, 0, 0]), Some(lun));
        assert_eq!(Lun::parse(3, [0, 2, 0, 0, 0, 0, 0, 0]), Some(Lun { target: 3, number: 2 }));
        assert_eq!(Lun::parse(3, [0xc1, 2, 0, 0, 0, 0, 0, 0]), None);
    }
}
