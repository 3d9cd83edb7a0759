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
    fn parse(word: &str) -> Option<Self> {
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
/// assert!(options.ipv6.iter().eq([Ipv6Word::Address(address, 64), Ipv6Word::Gateway(gateway)]));
/// # Ok::<_, core::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ipv6Words<'a>(&'a str);

impl<'a> Ipv6Words<'a> {
    /// Takes all words of `ip=`; `None` when one about IPv6 is invalid.
    pub(super) fn parse(list: &'a str) -> Option<Self> {
        let is_valid = |word: &str| !Self::is_ipv6(word) || Ipv6Word::parse(word).is_some();
        list.split(',').all(is_valid).then_some(Self(list))
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
        for list in ["", "dhcp", "10.0.0.1/24,10.0.0.2"] {
            assert_eq!(Ipv6Words::parse(list).map(|words| words.iter().count()), Some(0), "{list}");
        }
        assert!(Ipv6Words::parse("10.0.0.1/24,off6").is_some_and(|words| words.iter().eq([Ipv6Word::Off])));
        for list in ["::1:g", "fe80::1/129", "ff02::1", "::", "::/0", "2001:db8::5/"] {
            assert_eq!(Ipv6Words::parse(list), None, "{list}");
        }
    }
}
