//! The words of `ip=` about IPv6.

use core::net::Ipv6Addr;

/// A word about IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ipv6Word {
    /// An address with the length of its prefix in bits, 0 to 128.
    Address(Ipv6Addr, u8),
    /// The default gateway.
    Gateway(Ipv6Addr),
    /// Routers are listened to, which is the default.
    Auto,
    /// The interface has no IPv6.
    Off,
}

impl Ipv6Word {
    pub(super) fn parse(word: &str) -> Option<Self> {
        match word {
            "auto6" => return Some(Self::Auto),
            "off6" => return Some(Self::Off),
            _ => {}
        }
        let is_host = |address: &Ipv6Addr| !address.is_multicast() && !address.is_unspecified();
        match word.split_once('/') {
            None => word.parse().ok().filter(is_host).map(Self::Gateway),
            Some((address, prefix)) => {
                let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 128)?;
                Some(Self::Address(address.parse().ok().filter(is_host)?, prefix))
            }
        }
    }
}

/// The words of `ip=` about IPv6, in order.
///
/// ```
/// use switchboard_runtime::command_line::{Ipv6Word, parse};
///
/// let options = parse("ip=dhcp,2001:db8::5/64,fe80::1", |warning| panic!("{warning}"));
/// let (address, gateway) = ("2001:db8::5".parse()?, "fe80::1".parse()?);
/// assert!(options.interfaces[0].ipv6.iter().eq([Ipv6Word::Address(address, 64), Ipv6Word::Gateway(gateway)]));
/// # Ok::<_, core::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ipv6Words<'a>(&'a str);

impl<'a> Ipv6Words<'a> {
    /// Takes all words of an option, of which those about IPv6 are valid.
    pub(super) fn of_checked(list: &'a str) -> Self {
        Self(list)
    }

    /// Returns whether a word of `ip=` is about IPv6.
    pub(super) fn is_ipv6(word: &str) -> bool {
        word.contains(':') || matches!(word, "auto6" | "off6")
    }

    /// Returns the words.
    pub fn iter(&self) -> impl Iterator<Item = Ipv6Word> + use<'a> {
        self.0.split(',').filter_map(Ipv6Word::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_about_ipv4_are_skipped_and_invalid_ones_refused() {
        for list in ["", "dhcp", "10.0.0.1/24,10.0.0.2", "fd00::/8>fe80::1"] {
            assert_eq!(Ipv6Words::of_checked(list).iter().count(), 0, "{list}");
        }
        assert!(Ipv6Words::of_checked("10.0.0.1/24,off6").iter().eq([Ipv6Word::Off]));
        for word in ["::1:g", "fe80::1/129", "ff02::1", "::", "::/0", "2001:db8::5/"] {
            assert_eq!(Ipv6Word::parse(word), None, "{word}");
        }
    }
}
