//! Lists with commas, as the command line has them: checked, and split again by each use, as there is no heap yet.

use core::net::IpAddr;

/// The longest domain name in the usual notation (RFC 1035, 2.3.4).
const MAX_NAME_BYTES: usize = 253;
const MAX_LABEL_BYTES: usize = 63;

/// A list of IP addresses with commas.
///
/// ```
/// use switchboard_runtime::command_line::parse;
///
/// let options = parse("dns=10.0.0.53,fd00::53", |warning| panic!("{warning}"));
/// assert_eq!(options.dns_servers.iter().nth(1), "fd00::53".parse().ok());
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AddressList<'a>(&'a str);

impl<'a> AddressList<'a> {
    pub(super) fn parse(list: &'a str) -> Option<Self> {
        list.split(',').all(|address| address.parse::<IpAddr>().is_ok()).then_some(Self(list))
    }

    /// Returns the addresses, in order.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + use<'a> {
        self.0.split(',').filter_map(|address| address.parse().ok())
    }
}

/// A list of domain names with commas.
///
/// ```
/// use switchboard_runtime::command_line::parse;
///
/// let options = parse("search=lab.example,example", |warning| panic!("{warning}"));
/// assert!(options.search_domains.iter().eq(["lab.example", "example"]));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NameList<'a>(&'a str);

impl<'a> NameList<'a> {
    pub(super) fn parse(list: &'a str) -> Option<Self> {
        list.split(',').all(is_name).then_some(Self(list))
    }

    /// Returns the names, in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.0.split(',').filter(|name| !name.is_empty())
    }
}

/// Returns whether this is the name of a host or a domain (RFC 1123, 2.1).
fn is_name(name: &str) -> bool {
    name.len() <= MAX_NAME_BYTES && name.split('.').all(is_label)
}

/// Returns whether this is one label of a host's name: letters, digits, and hyphens but at its ends.
pub(super) fn is_label(label: &str) -> bool {
    (1..=MAX_LABEL_BYTES).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}
