//! Messages: those of servers, checked, and those of this client.

use core::net::Ipv4Addr;

use smoltcp::wire::{ArpHardware, DhcpFlags, DhcpOption, DhcpPacket, EthernetAddress};

use super::options::{Options, code};
use crate::mac::Mac;

/// RFC 2131, 3.
const MAGIC_COOKIE: u32 = 0x6382_5363;
const OP_REQUEST: u8 = 1;
const OP_REPLY: u8 = 2;
const ETHERNET: ArpHardware = ArpHardware::Ethernet;
const HARDWARE_BYTES: u8 = 6;

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
        let packet = DhcpPacket::new_checked(payload).ok()?;
        let is_for_this_client = u8::from(packet.opcode()) == OP_REPLY
            && packet.hardware_type() == ETHERNET
            && packet.hardware_len() == HARDWARE_BYTES
            && packet.magic_number() == MAGIC_COOKIE
            && packet.transaction_id() == transaction_id
            && packet.client_hardware_address() == EthernetAddress(mac.0);
        if !is_for_this_client {
            return None;
        }
        let options = Options::of(payload)?;
        let reply_type = match options.u8(code::MESSAGE_TYPE)? {
            2 => ReplyType::Offer,
            5 => ReplyType::Ack,
            6 => ReplyType::Nak,
            _ => return None,
        };
        // A server must send its identifier with each of these (RFC 2131, table 3).
        let server = options.address(code::SERVER_ID)?;
        Some(Self { reply_type, address: packet.your_ip(), server, options })
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
        let mut packet = DhcpPacket::new_unchecked(&mut buffer[..]);
        packet.set_opcode(OP_REQUEST.into());
        packet.set_hardware_type(ETHERNET);
        packet.set_hardware_len(HARDWARE_BYTES);
        packet.set_transaction_id(self.transaction_id);
        packet.set_secs(self.seconds);
        packet.set_flags(DhcpFlags::empty());
        packet.set_client_ip(self.own);
        packet.set_client_hardware_address(EthernetAddress(self.mac.0));
        packet.set_magic_number(MAGIC_COOKIE);

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
        let mut length = 240;
        let mut writer = packet.options_mut();
        for (kind, data) in options {
            let Some(data) = data else { continue };
            // All options together are shorter than the room for them.
            if writer.emit(DhcpOption { kind, data }).is_ok() {
                length += 2 + data.len();
            }
        }
        writer.end().ok();
        (length + 1).max(MIN_BYTES)
    }
}
