//! Queries, and what their answers contain.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::str::FromStr;

use domain::base::iana::{Class, Opcode, Rcode};
use domain::base::{Message, MessageBuilder, Name, ParsedName, Rtype, ToName};
use domain::dep::octseq::array::Array;
use domain::rdata::{A, Aaaa, Cname, Ptr, Soa};

/// Room for a query: a header, the longest name, type and class.
pub(super) const MAX_QUERY_BYTES: usize = 12 + 255 + 4;
/// Aliases that are followed in one answer.
const MAX_ALIASES: usize = 8;
/// Addresses that are taken from an answer.
const MAX_ADDRESSES: usize = 16;

/// The absolute name that text stands for.
type OwnName = Name<Array<255>>;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RecordType {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// The name of an address.
    Ptr,
}

impl RecordType {
    fn rtype(self) -> Rtype {
        match self {
            Self::A => Rtype::A,
            Self::Aaaa => Rtype::AAAA,
            Self::Ptr => Rtype::PTR,
        }
    }
}

/// The records that answer a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Records {
    Addresses(Vec<IpAddr>),
    Name(String),
    /// The name exists, without such records.
    None,
    /// There is no such name.
    NoName,
}

/// What a datagram is, to a query.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nothing to it: another exchange, or malformed.
    Unrelated,
    /// Cut short: to be asked for by TCP.
    Truncated,
    /// The server has failed or refuses.
    Failed,
    /// The records, for so many seconds; `None` if they must not be stored.
    Records(Records, Option<u32>),
    /// The name is an alias of another one, whose records the server has not sent.
    Alias(String),
}

/// A query, ready to be sent.
pub(super) struct Query {
    id: u16,
    name: OwnName,
    record_type: RecordType,
    message: Array<MAX_QUERY_BYTES>,
}

impl Query {
    /// Makes a query; `None` for text that is no name.
    pub(super) fn new(id: u16, name: &str, record_type: RecordType) -> Option<Self> {
        let name = OwnName::from_str(name).ok()?;
        let mut builder = MessageBuilder::from_target(Array::new()).ok()?;
        builder.header_mut().set_id(id);
        builder.header_mut().set_rd(true);
        let mut question = builder.question();
        question.push((&name, record_type.rtype(), Class::IN)).ok()?;
        let message = question.finish();
        Some(Self { id, name, record_type, message })
    }

    pub(super) fn message(&self) -> &[u8] {
        self.message.as_ref()
    }

    /// Parses a datagram from the server. What does not answer exactly this query is [`Answer::Unrelated`].
    pub(super) fn parse(&self, datagram: &[u8]) -> Answer {
        self.try_parse(datagram).unwrap_or(Answer::Unrelated)
    }

    fn try_parse(&self, datagram: &[u8]) -> Option<Answer> {
        let message = Message::from_octets(datagram).ok()?;
        let header = message.header();
        if header.id() != self.id || !header.qr() || header.opcode() != Opcode::QUERY {
            return None;
        }
        if !self.repeats_question(&message) {
            return None;
        }
        if header.tc() {
            return Some(Answer::Truncated);
        }
        match header.rcode() {
            Rcode::NOERROR => self.records(&message),
            Rcode::NXDOMAIN => Some(Answer::Records(Records::NoName, negative_seconds(&message))),
            _ => Some(Answer::Failed),
        }
    }

    /// A server repeats the question. Responses by multicast have none.
    fn repeats_question(&self, message: &Message<&[u8]>) -> bool {
        match message.sole_question() {
            Ok(question) => {
                question.qname().name_eq(&self.name)
                    && question.qtype() == self.record_type.rtype()
                    && question.qclass() == Class::IN
            }
            Err(_) => false,
        }
    }

    /// Follows the aliases of an answer to its records.
    fn records(&self, message: &Message<&[u8]>) -> Option<Answer> {
        let mut owner = self.name.clone();
        let mut seconds = u32::MAX;
        for _ in 0..MAX_ALIASES {
            let (mut addresses, mut alias) = (Vec::new(), None);
            for record in message.answer().ok()? {
                let record = record.ok()?;
                if !record.owner().name_eq(&owner) || record.class() != Class::IN {
                    continue;
                }
                let rtype = record.rtype();
                let ttl = record.ttl().as_secs();
                if rtype == Rtype::CNAME {
                    let target = record.to_record::<Cname<ParsedName<_>>>().ok()??;
                    alias.get_or_insert((own_name(target.data().cname())?, ttl));
                } else if rtype == self.record_type.rtype() {
                    let address = match self.record_type {
                        RecordType::A => IpAddr::V4(record.to_record::<A>().ok()??.data().addr()),
                        RecordType::Aaaa => IpAddr::V6(record.to_record::<Aaaa>().ok()??.data().addr()),
                        RecordType::Ptr => {
                            let name = record.to_record::<Ptr<ParsedName<_>>>().ok()??.data().ptrdname().to_string();
                            return Some(Answer::Records(Records::Name(name), Some(seconds.min(ttl))));
                        }
                    };
                    seconds = seconds.min(ttl);
                    if addresses.len() < MAX_ADDRESSES && !addresses.contains(&address) {
                        addresses.push(address);
                    }
                }
            }
            if !addresses.is_empty() {
                return Some(Answer::Records(Records::Addresses(addresses), Some(seconds)));
            }
            match alias {
                Some((target, ttl)) => (owner, seconds) = (target, seconds.min(ttl)),
                None => {
                    let negative = negative_seconds(message);
                    let is_complete = owner == self.name || negative.is_some();
                    return Some(match is_complete {
                        true => Answer::Records(Records::None, negative),
                        false => Answer::Alias(owner.to_string()),
                    });
                }
            }
        }
        Some(Answer::Failed)
    }
}

fn own_name<Octets: AsRef<[u8]> + ?Sized>(name: &ParsedName<&Octets>) -> Option<OwnName>
where
    for<'a> ParsedName<&'a Octets>: ToName,
{
    name.try_to_name().ok()
}

/// Returns for how long the absence of records may be stored (RFC 2308, 5): not without an SOA record.
fn negative_seconds(message: &Message<&[u8]>) -> Option<u32> {
    message.authority().ok()?.limit_to_in::<Soa<ParsedName<&[u8]>>>().find_map(|record| {
        let record = record.ok()?;
        Some(record.ttl().as_secs().min(record.data().minimum().as_secs()))
    })
}
