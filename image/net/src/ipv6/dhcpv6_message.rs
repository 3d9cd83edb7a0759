//! Messages of DHCPv6 (RFC 8415, 8 and 21): those of clients written, those of servers parsed.

use alloc::vec::Vec;
use core::net::Ipv6Addr;

use super::address::is_host;
use super::dhcpv6::{Learnt, Lease};
use super::frame::{address_at, u16_at, u32_at};
use super::names::names;

pub(crate) const SERVER_PORT: u16 = 547;

/// The types of messages.
pub(crate) mod kind {
    pub(crate) const SOLICIT: u8 = 1;
    pub(crate) const ADVERTISE: u8 = 2;
    pub(crate) const REQUEST: u8 = 3;
    pub(crate) const RENEW: u8 = 5;
    pub(crate) const REBIND: u8 = 6;
    pub(crate) const REPLY: u8 = 7;
    pub(crate) const INFORMATION_REQUEST: u8 = 11;
}

mod option {
    pub(super) const CLIENT_ID: u16 = 1;
    pub(super) const SERVER_ID: u16 = 2;
    pub(super) const IA_NA: u16 = 3;
    pub(super) const IA_ADDRESS: u16 = 5;
    pub(super) const REQUEST: u16 = 6;
    pub(super) const ELAPSED: u16 = 8;
    pub(super) const STATUS: u16 = 13;
    pub(super) const RAPID_COMMIT: u16 = 14;
    pub(super) const DNS_SERVERS: u16 = 23;
    pub(super) const DOMAINS: u16 = 24;
    pub(super) const SNTP_SERVERS: u16 = 31;
    pub(super) const REFRESH_TIME: u16 = 32;
    pub(super) const NTP_SERVER: u16 = 56;
}

/// Servers of a kind that are kept.
const MAX_SERVERS: usize = 4;
/// The identity association of the interface's one address.
const IAID: u32 = 1;
/// A DUID of a server at most (RFC 8415, 11.1).
const MAX_SERVER_ID: usize = 130;

/// The identifier of a server.
pub(crate) type ServerId = heapless::Vec<u8, MAX_SERVER_ID>;

/// A message of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outgoing(heapless::Vec<u8, 320>);

impl Outgoing {
    /// Creates a message with what all have: the client's identifier (DUID-LL), the time, the wanted options.
    pub(crate) fn new(transaction: u32, mac: [u8; 6], elapsed_hundredths: u64) -> Self {
        let mut message = Self(heapless::Vec::new());
        message.push(&transaction.to_be_bytes());
        message.option(option::CLIENT_ID, &client_id(mac));
        let elapsed = u16::try_from(elapsed_hundredths).unwrap_or(u16::MAX);
        message.option(option::ELAPSED, &elapsed.to_be_bytes());
        let wanted =
            [option::DNS_SERVERS, option::DOMAINS, option::SNTP_SERVERS, option::REFRESH_TIME, option::NTP_SERVER];
        message.push(&[option::REQUEST.to_be_bytes(), [0, 10]].concat());
        wanted.iter().for_each(|code| message.push(&code.to_be_bytes()));
        message
    }

    /// All messages of one client are shorter than the buffer.
    fn push(&mut self, bytes: &[u8]) {
        let is_pushed = self.0.extend_from_slice(bytes).is_ok();
        debug_assert!(is_pushed);
    }

    fn option(&mut self, code: u16, data: &[u8]) {
        self.push(&code.to_be_bytes());
        self.push(&u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes());
        self.push(data);
    }

    pub(crate) fn of_kind(mut self, kind: u8) -> Self {
        self.0[0] = kind;
        self
    }

    pub(crate) fn with_server(mut self, server: &ServerId) -> Self {
        self.option(option::SERVER_ID, server);
        self
    }

    pub(crate) fn with_rapid_commit(mut self) -> Self {
        self.option(option::RAPID_COMMIT, &[]);
        self
    }

    /// Asks for an address: any, or one that was offered or leased.
    pub(crate) fn with_address(mut self, lease: Option<Lease>) -> Self {
        let mut association: heapless::Vec<u8, 48> = heapless::Vec::new();
        let mut push = association.extend_from_slice(&IAID.to_be_bytes()).is_ok();
        push &= association.extend_from_slice(&[0; 8]).is_ok();
        if let Some(lease) = lease {
            push &= association.extend_from_slice(&[0, 5, 0, 24]).is_ok();
            push &= association.extend_from_slice(&lease.address.octets()).is_ok();
            push &= association.extend_from_slice(&[0; 8]).is_ok();
        }
        debug_assert!(push);
        self.option(option::IA_NA, &association);
        self
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn client_id(mac: [u8; 6]) -> [u8; 10] {
    let [a, b, c, d, e, f] = mac;
    [0, 3, 0, 1, a, b, c, d, e, f]
}

/// A message of a server, to this client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Incoming {
    pub(crate) kind: u8,
    pub(crate) transaction: u32,
    pub(crate) server: ServerId,
    pub(crate) has_rapid_commit: bool,
    pub(crate) refresh_s: Option<u32>,
    /// T1 and T2 of the lease; 0 for the client's choice.
    pub(crate) renew_s: u32,
    pub(crate) rebind_s: u32,
    pub(crate) learnt: Learnt,
}

impl Incoming {
    /// Parses a message; `None` for one that is malformed, for another client, or reports a failure.
    pub(crate) fn parse(datagram: &[u8], mac: [u8; 6]) -> Option<Self> {
        let header = u32_at(datagram, 0)?;
        let mut incoming = Self {
            kind: datagram[0],
            transaction: header & 0xff_ffff,
            server: ServerId::new(),
            has_rapid_commit: false,
            refresh_s: None,
            renew_s: 0,
            rebind_s: 0,
            learnt: Learnt::default(),
        };
        let (mut is_ours, mut options) = (false, Options(datagram.get(4..)?));
        for (code, data) in &mut options {
            match code {
                option::CLIENT_ID => is_ours = data == client_id(mac),
                option::SERVER_ID => incoming.server = ServerId::from_slice(data).ok()?,
                option::RAPID_COMMIT => incoming.has_rapid_commit = true,
                option::STATUS if u16_at(data, 0)? != 0 => return None,
                option::REFRESH_TIME => incoming.refresh_s = u32_at(data, 0),
                option::DNS_SERVERS => add_servers(&mut incoming.learnt.dns_servers, data),
                option::SNTP_SERVERS => add_servers(&mut incoming.learnt.ntp_servers, data),
                option::NTP_SERVER => {
                    // Suboption 1 is an address (RFC 5908, 4.1).
                    let servers = Options(data).filter(|(code, _)| *code == 1);
                    servers.for_each(|(_, server)| add_servers(&mut incoming.learnt.ntp_servers, server));
                }
                option::DOMAINS => incoming.learnt.search_domains = names(data),
                option::IA_NA => incoming.associate(data),
                _ => {}
            }
        }
        (is_ours && options.0.is_empty() && !incoming.server.is_empty()).then_some(incoming)
    }

    /// Takes the first usable address of an identity association.
    fn associate(&mut self, data: &[u8]) {
        let times = (u32_at(data, 0), u32_at(data, 4), u32_at(data, 8));
        let (Some(IAID), Some(renew_s), Some(rebind_s)) = times else { return };
        // Contradicting times make the association invalid (RFC 8415, 21.4).
        if renew_s > rebind_s && rebind_s > 0 {
            return;
        }
        let leases = Options(&data[12..]).filter(|(code, _)| *code == option::IA_ADDRESS).filter_map(|(_, data)| {
            let address = address_at(data, 0).filter(is_host)?;
            let (preferred_s, valid_s) = (u32_at(data, 16)?, u32_at(data, 20)?);
            (preferred_s <= valid_s).then_some(Lease { address, preferred_s, valid_s })
        });
        if let Some(lease) = leases.into_iter().next() {
            (self.renew_s, self.rebind_s, self.learnt.lease) = (renew_s, rebind_s, Some(lease));
        }
    }
}

fn add_servers(list: &mut Vec<Ipv6Addr>, data: &[u8]) {
    for offset in (0..data.len()).step_by(16) {
        let server = address_at(data, offset).filter(is_host);
        if let Some(server) = server.filter(|server| list.len() < MAX_SERVERS && !list.contains(server)) {
            list.push(server);
        }
    }
}

/// Options: their codes and data, up to one that is longer than what is left.
struct Options<'a>(&'a [u8]);

impl<'a> Iterator for Options<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (code, length) = (u16_at(self.0, 0)?, usize::from(u16_at(self.0, 2)?));
        let (data, rest) = self.0[4..].split_at_checked(length)?;
        self.0 = rest;
        Some((code, data))
    }
}
