//! Ethernet addresses.

use core::fmt;

/// An Ethernet address (IEEE 802.3, a MAC address). Displays in hexadecimal, with colons.
///
/// ```
/// use switchboard_net::Mac;
///
/// assert_eq!(Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56]).to_string(), "52:54:00:12:34:56");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The address of all stations of a link.
    pub(crate) const BROADCAST: Self = Self([0xff; 6]);

    /// Returns whether this is the address of one station: not a group's, and not zero.
    #[inline]
    pub(crate) fn is_unicast(self) -> bool {
        self.0[0] & 1 == 0 && self.0 != [0; 6]
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}
