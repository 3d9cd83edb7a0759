//! Messages: those of servers, checked, and those of this client.

use core::net::Ipv4Addr;
use core::ops::Range;

use super::options::{OPTIONS_START, Options, code};
use crate::mac::Mac;

/// RFC 2131, 3.
const MAGIC_COOKIE: [u8; 4] = [99, 130, 83, 99];
/// `op`, and the type and length of hardware addresses: Ethernet, 6 bytes.
const OP_REQUEST: [u8; 3] = [1, 1, 6];
const OP_REPLY: [u8; 3] = [2, 1, 6];

/// The fields of a message (RFC 2131, 2).
const OP: Range<usize> = 0..3;
const XID: Range<usize> = 4..8;
const SECS: Range<usize> = 8..10;
const CIADDR: Range<usize> = 12..16;
const YIADDR: Range<usize> = 16..20;
const CHADDR: Range<usize> = 28..34;
const MAGIC: Range<usize> = 236..OPTIONS_START;

/// The longest message that this client sends.
pub(super) const MAX_BYTES: usize = 548;
/// The shortest message that all relay agents forward: a BOOTP message (RFC 1542, 2.1).
const MIN_BYTES: usize = 300;
/// The longest message that this client takes, with the headers of IP and UDP.
const MAX_RECEIVED_BYTES: u16 = 1500;

/// What servers are asked for (RFC 2132, 9.8). RFC 3442 wants classless routes before routers.
const PARAMETERS: [u8; 12] = [
    code::SUBNET_MASK,
    code::CLASSLESS_ROUTES,
    code::ROUTER,
    code::DNS_SERVER,
    code::DOMAIN_NAME,
    code::SEARCH_DOMAINS,
    code::HOST_NAME,
    code::MTU,
    code::NTP_SERVER,
    code::LEASE_TIME,
    code::RENEWAL_TIME,
    code::REBINDING_TIME,
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReplyType {
    Offer,
    Ack,
    Nak,
}

/// A server's message to this client.
pub(super) struct Reply<'a> {
    pub(super) reply_type: ReplyType,
    /// The address for this client (`yiaddr`).
    pub(super) address: Ipv4Addr,
    pub(super) server: Ipv4Addr,
    pub(super) options: Options<'a>,
}

impl<'a> Reply<'a> {
    /// Parses a message; `None` if it is malformed, or not an answer to this client's exchange.
    pub(super) fn parse(payload: &'a [u8], mac: Mac, transaction_id: u32) -> Option<Self> {
        let head = payload.get(..OPTIONS_START)?;
        let is_for_this_client = head[OP] == OP_REPLY
            && head[MAGIC] == MAGIC_COOKIE
            && head[XID] == transaction_id.to_be_bytes()
            && head[CHADDR] == mac.0;
        if !is_for_this_client {
            return None;
        }
        let address: [u8; 4] = head[YIADDR].try_into().ok()?;
        let options = Options::of(payload)?;
        let reply_type = match options.u8(code::MESSAGE_TYPE)? {
            2 => ReplyType::Offer,
            5 => ReplyType::Ack,
            6 => ReplyType::Nak,
            _ => return None,
        };
        // A server must send its identifier with each of these (RFC 2131, table 3).
        let server = options.address(code::SERVER_ID)?;
        Some(Self { reply_type, address: address.into(), server, options })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestType {
    Discover = 1,
    Request = 3,
    Decline = 4,
    Release = 7,
}

/// A message of this client; see RFC 2131, table 5, for which fields each has.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) request_type: RequestType,
    pub(super) transaction_id: u32,
    pub(super) seconds: u16,
    pub(super) mac: Mac,
    /// The address that this client uses already (`ciaddr`), or 0.0.0.0.
    pub(super) own: Ipv4Addr,
    pub(super) requested: Option<Ipv4Addr>,
    pub(super) server: Option<Ipv4Addr>,
    pub(super) hostname: Option<&'a str>,
}

impl Request<'_> {
    /// Writes the message. Returns its length.
    pub(super) fn emit(&self, buffer: &mut [u8; MAX_BYTES]) -> usize {
        buffer.fill(0);
        // No flags: answers may be unicast.
        buffer[OP].copy_from_slice(&OP_REQUEST);
        buffer[XID].copy_from_slice(&self.transaction_id.to_be_bytes());
        buffer[SECS].copy_from_slice(&self.seconds.to_be_bytes());
        buffer[CIADDR].copy_from_slice(&self.own.octets());
        buffer[CHADDR].copy_from_slice(&self.mac.0);
        buffer[MAGIC].copy_from_slice(&MAGIC_COOKIE);

        let [a, b, c, d, e, f] = self.mac.0;
        let client_id = [1, a, b, c, d, e, f];
        let (requested, server) = (self.requested.map(|address| address.octets()), self.server.map(|id| id.octets()));
        let asks = matches!(self.request_type, RequestType::Discover | RequestType::Request);
        let max_bytes = MAX_RECEIVED_BYTES.to_be_bytes();
        let options = [
            (code::MESSAGE_TYPE, Some(&[self.request_type as u8][..])),
            (code::CLIENT_ID, Some(&client_id[..])),
            (code::REQUESTED_ADDRESS, requested.as_ref().map(|address| &address[..])),
            (code::SERVER_ID, server.as_ref().map(|address| &address[..])),
            (code::MAX_MESSAGE_BYTES, asks.then_some(&max_bytes[..])),
            (code::HOST_NAME, self.hostname.filter(|_| asks).map(str::as_bytes)),
            (code::PARAMETER_LIST, asks.then_some(&PARAMETERS[..])),
        ];
        let mut length = OPTIONS_START;
        for (kind, data) in options {
            let Some(data) = data else { continue };
            // All options together are shorter than the room for them, of which the last byte is for their end.
            let (Ok(count), Some(room)) = (u8::try_from(data.len()), buffer.get_mut(length..MAX_BYTES - 1)) else {
                continue;
            };
            if let Some((head, rest)) = room.split_first_chunk_mut()
                && let Some(place) = rest.get_mut(..data.len())
            {
                *head = [kind, count];
                place.copy_from_slice(data);
                length += 2 + data.len();
            }
        }
        buffer[length] = code::END;
        (length + 1).max(MIN_BYTES)
    }
}
