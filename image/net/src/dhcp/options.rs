//! The options of a message: each as a whole, from all the fields that it is spread over.

use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::ops::Range;

/// Codes of options (RFC 2132, 3397, 3442).
pub(super) mod code {
    pub(in super::super) const PAD: u8 = 0;
    pub(in super::super) const SUBNET_MASK: u8 = 1;
    pub(in super::super) const ROUTER: u8 = 3;
    pub(in super::super) const DNS_SERVER: u8 = 6;
    pub(in super::super) const HOST_NAME: u8 = 12;
    pub(in super::super) const DOMAIN_NAME: u8 = 15;
    pub(in super::super) const MTU: u8 = 26;
    pub(in super::super) const NTP_SERVER: u8 = 42;
    pub(in super::super) const REQUESTED_ADDRESS: u8 = 50;
    pub(in super::super) const LEASE_TIME: u8 = 51;
    pub(in super::super) const OVERLOAD: u8 = 52;
    pub(in super::super) const MESSAGE_TYPE: u8 = 53;
    pub(in super::super) const SERVER_ID: u8 = 54;
    pub(in super::super) const PARAMETER_LIST: u8 = 55;
    pub(in super::super) const MAX_MESSAGE_BYTES: u8 = 57;
    pub(in super::super) const RENEWAL_TIME: u8 = 58;
    pub(in super::super) const REBINDING_TIME: u8 = 59;
    pub(in super::super) const CLIENT_ID: u8 = 61;
    pub(in super::super) const SEARCH_DOMAINS: u8 = 119;
    pub(in super::super) const CLASSLESS_ROUTES: u8 = 121;
    pub(in super::super) const END: u8 = 255;
}

const SNAME: Range<usize> = 44..108;
const FILE: Range<usize> = 108..236;
/// Behind the magic cookie.
pub(super) const OPTIONS_START: usize = 240;

/// The options of a message whose fields were checked to hold whole options.
pub(super) struct Options<'a> {
    /// In the order in which parts of an option are joined (RFC 3396, 5): options, file, sname.
    fields: [&'a [u8]; 3],
}

impl<'a> Options<'a> {
    /// Finds the options of a message; `None` if one is truncated.
    pub(super) fn of(message: &'a [u8]) -> Option<Self> {
        let own = message.get(OPTIONS_START..)?;
        let mut overload = None;
        for option in iterate(own) {
            if let (code::OVERLOAD, data) = option? {
                overload = Some(data);
            }
        }
        // RFC 2132, 9.3: the fields for names hold options, too.
        let (file, sname) = match overload {
            None => (false, false),
            Some([1]) => (true, false),
            Some([2]) => (false, true),
            Some([3]) => (true, true),
            Some(_) => return None,
        };
        let field = |range, is_used: bool| if is_used { message.get(range) } else { Some(&[][..]) };
        let fields = [own, field(FILE, file)?, field(SNAME, sname)?];
        fields.iter().flat_map(|field| iterate(field)).all(|option| option.is_some()).then_some(Self { fields })
    }

    /// Returns the data of an option. Parts of it in several places are joined (RFC 3396).
    pub(super) fn get(&self, wanted: u8) -> Option<Vec<u8>> {
        let parts = self.fields.iter().flat_map(|field| iterate(field)).flatten();
        parts.filter(|(code, _)| *code == wanted).fold(None, |joined, (_, data)| {
            let mut joined: Vec<u8> = joined.unwrap_or_default();
            joined.extend_from_slice(data);
            Some(joined)
        })
    }

    fn fixed<const LENGTH: usize>(&self, wanted: u8) -> Option<[u8; LENGTH]> {
        self.get(wanted)?.as_slice().try_into().ok()
    }

    pub(super) fn u8(&self, wanted: u8) -> Option<u8> {
        self.fixed(wanted).map(u8::from_be_bytes)
    }

    pub(super) fn u16(&self, wanted: u8) -> Option<u16> {
        self.fixed(wanted).map(u16::from_be_bytes)
    }

    pub(super) fn u32(&self, wanted: u8) -> Option<u32> {
        self.fixed(wanted).map(u32::from_be_bytes)
    }

    pub(super) fn address(&self, wanted: u8) -> Option<Ipv4Addr> {
        self.fixed::<4>(wanted).map(Ipv4Addr::from)
    }

    /// Returns a list of addresses; empty without the option or if its length is wrong.
    pub(super) fn addresses(&self, wanted: u8) -> Vec<Ipv4Addr> {
        let data = self.get(wanted).unwrap_or_default();
        let (addresses, rest) = data.as_chunks::<4>();
        if rest.is_empty() { addresses.iter().copied().map(Ipv4Addr::from).collect() } else { Vec::new() }
    }
}

/// Returns the options of a field up to its end; `None` in place of a truncated one, which is the last.
fn iterate(mut field: &[u8]) -> impl Iterator<Item = Option<(u8, &[u8])>> {
    core::iter::from_fn(move || {
        while let Some((&code::PAD, rest)) = field.split_first() {
            field = rest;
        }
        let (&code, rest) = field.split_first().filter(|(code, _)| **code != code::END)?;
        let option = rest.split_first().and_then(|(length, rest)| rest.split_at_checked((*length).into()));
        field = option.map_or(&[][..], |(_, rest)| rest);
        Some(option.map(|(data, _)| (code, data)))
    })
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn message(options: &[u8]) -> Vec<u8> {
        let mut message = vec![0; OPTIONS_START];
        message.extend(options);
        message
    }

    #[test]
    fn parts_of_an_option_are_joined_over_all_fields() {
        let mut bytes = message(&[code::ROUTER, 4, 10, 0, 0, 1, 0, code::OVERLOAD, 1, 3, code::END, 9, 9]);
        bytes[FILE.start..FILE.start + 7].copy_from_slice(&[code::ROUTER, 4, 10, 0, 0, 2, code::END]);
        bytes[SNAME.start..SNAME.start + 7].copy_from_slice(&[code::ROUTER, 4, 10, 0, 0, 3, code::END]);
        let options = Options::of(&bytes).expect("whole options");
        assert_eq!(options.addresses(code::ROUTER), [1, 2, 3].map(|last| Ipv4Addr::new(10, 0, 0, last)));
        assert_eq!(options.get(code::DNS_SERVER), None);
    }

    #[test]
    fn names_are_not_read_as_options_without_overload() {
        let mut bytes = message(&[code::MTU, 2, 5, 0x78]);
        bytes[FILE].fill(7);
        assert_eq!(Options::of(&bytes).expect("whole options").u16(code::MTU), Some(1400));
    }

    #[test]
    fn truncated_and_overloaded_wrongly_is_refused() {
        let whole = [code::ROUTER, 4, 10, 0, 0, 1, code::LEASE_TIME, 4, 0, 0, 0, 60];
        let bytes = message(&whole);
        for length in 0..bytes.len() {
            let is_whole = [OPTIONS_START, OPTIONS_START + 6].contains(&length);
            assert_eq!(Options::of(&bytes[..length]).is_some(), is_whole, "{length} bytes");
        }
        assert!(Options::of(&message(&[code::OVERLOAD, 1, 4])).is_none());
        assert!(Options::of(&message(&[code::OVERLOAD, 0])).is_none());
        let mut bytes = message(&[code::OVERLOAD, 1, 1]);
        bytes[FILE].fill(200);
        assert!(Options::of(&bytes).is_none());
    }

    #[test]
    fn an_option_of_a_wrong_length_is_no_value() {
        let bytes = message(&[code::LEASE_TIME, 3, 1, 2, 3, code::ROUTER, 5, 1, 2, 3, 4, 5, code::MTU, 1, 9]);
        let options = Options::of(&bytes).expect("whole options");
        assert_eq!((options.u32(code::LEASE_TIME), options.u16(code::MTU)), (None, None));
        assert!(options.addresses(code::ROUTER).is_empty());
    }
}
