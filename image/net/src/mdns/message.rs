//! Messages of multicast DNS: what a received one asks for and claims, and those of this host.

use core::cmp::Ordering;
use core::net::IpAddr;
use core::str::FromStr;

use domain::base::iana::{Class, Opcode};
use domain::base::message_builder::AnswerBuilder;
use domain::base::{Message, MessageBuilder, Name, ParsedName, ParsedRecord, Rtype, ToName, Ttl, UnknownRecordData};
use domain::dep::octseq::array::Array;
use domain::rdata::{A, Aaaa};

/// Room for all records of a host.
pub(crate) const MAX_BYTES: usize = 1024;
/// The addresses that are announced, at most.
pub(super) const MAX_ADDRESSES: usize = 8;

/// The upper bit of a class: in a question, an answer to the sender alone is preferred (RFC 6762, 5.4); in a record, others
/// of its name and type are outdated (10.2).
pub(super) const TOP_BIT: u16 = 0x8000;
/// How long records with the address of a host are valid (RFC 6762, 10).
pub(super) const TTL: Ttl = Ttl::from_secs(120);
/// The longest that a resolver which does not take part may store an answer (RFC 6762, 6.7).
pub(super) const LEGACY_TTL: Ttl = Ttl::from_secs(10);

pub(super) type OwnName = Name<Array<255>>;
type Parsed<'a> = ParsedName<&'a [u8]>;

/// Returns the name of a host in `local`.
pub(super) fn local_name(host: &str) -> Option<OwnName> {
    let mut text = heapless::String::<80>::new();
    text.push_str(host).and_then(|()| text.push_str(".local")).ok()?;
    OwnName::from_str(&text).ok()
}

/// The record types of a host that a message is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Types {
    pub(super) ipv4: bool,
    pub(super) ipv6: bool,
}

impl Types {
    pub(super) const ALL: Self = Self { ipv4: true, ipv6: true };

    pub(super) fn any(self) -> bool {
        self.ipv4 || self.ipv6
    }

    pub(super) fn has(self, address: &IpAddr) -> bool {
        if address.is_ipv4() { self.ipv4 } else { self.ipv6 }
    }
}

/// What a query asks of this host.
#[derive(Debug, Default)]
pub(super) struct Question {
    pub(super) types: Types,
    /// All questions for the name prefer an answer to the sender alone.
    pub(super) wants_unicast: bool,
    /// The sender has these records already (RFC 6762, 7.1).
    pub(super) known: Types,
    /// The sender is about to take the name (RFC 6762, 8.1); with how its records compare to those of this host.
    pub(super) probe: Option<Ordering>,
}

/// What a received message is to this host.
#[derive(Debug)]
pub(super) enum Received {
    Query(Question),
    /// Another host has records of the name that this host has not.
    Conflict,
    /// Nothing.
    Unrelated,
}

/// Parses a message; `own` are the addresses of this host, in order. While the name is probed for, an address of any kind is
/// a conflict, later one of a kind that this host has.
pub(super) fn parse(datagram: &[u8], name: &OwnName, own: &[IpAddr], is_probing: bool) -> Received {
    let Ok(message) = Message::from_octets(datagram) else { return Received::Unrelated };
    let header = message.header();
    if header.opcode() != Opcode::QUERY {
        return Received::Unrelated;
    }
    let parsed = if header.qr() { response(&message, name, own, is_probing) } else { query(&message, name, own) };
    parsed.unwrap_or(Received::Unrelated)
}

/// Returns the address in a record of the name; `None` for other records, and for one that is being withdrawn.
fn address_of(record: &ParsedRecord<'_, &[u8]>, name: &OwnName) -> Option<IpAddr> {
    let is_internet = record.class().to_int() & !TOP_BIT == Class::IN.to_int();
    if !is_internet || !record.owner().name_eq(name) || record.ttl() == Ttl::ZERO {
        return None;
    }
    match record.rtype() {
        Rtype::A => Some(IpAddr::V4(record.to_record::<A>().ok()??.data().addr())),
        Rtype::AAAA => Some(IpAddr::V6(record.to_record::<Aaaa>().ok()??.data().addr())),
        _ => None,
    }
}

fn response(message: &Message<&[u8]>, name: &OwnName, own: &[IpAddr], is_probing: bool) -> Option<Received> {
    let is_other = |record: ParsedRecord<'_, &[u8]>| {
        address_of(&record, name).is_some_and(|address| {
            let has_kind = own.iter().any(|own| own.is_ipv4() == address.is_ipv4());
            (is_probing || has_kind) && !own.contains(&address)
        })
    };
    let answers = message.answer().ok()?.map_while(Result::ok);
    let additional = message.additional().ok()?.map_while(Result::ok);
    let is_conflict = answers.chain(additional).any(is_other);
    Some(if is_conflict { Received::Conflict } else { Received::Unrelated })
}

fn query(message: &Message<&[u8]>, name: &OwnName, own: &[IpAddr]) -> Option<Received> {
    let mut asked = Question { wants_unicast: true, ..Question::default() };
    for question in message.question() {
        let question = question.ok()?;
        let class = question.qclass().to_int() & !TOP_BIT;
        if !question.qname().name_eq(name) || (class != Class::IN.to_int() && class != Class::ANY.to_int()) {
            continue;
        }
        match question.qtype() {
            Rtype::A => asked.types.ipv4 = true,
            Rtype::AAAA => asked.types.ipv6 = true,
            Rtype::ANY => asked.types = Types::ALL,
            _ => continue,
        }
        asked.wants_unicast &= question.qclass().to_int() & TOP_BIT != 0;
    }
    if !asked.types.any() {
        return Some(Received::Unrelated);
    }
    let known = message.answer().ok()?.map_while(Result::ok).filter(|record| record.ttl() >= TTL / 2);
    let known: heapless::Vec<IpAddr, MAX_ADDRESSES> =
        known.filter_map(|record| address_of(&record, name)).take(MAX_ADDRESSES).collect();
    let knows_all = |is_ipv4: bool| {
        let mut wanted = own.iter().filter(|own| own.is_ipv4() == is_ipv4).peekable();
        wanted.peek().is_some() && wanted.all(|own| known.contains(own))
    };
    asked.known = Types { ipv4: knows_all(true), ipv6: knows_all(false) };
    let mut claimed: heapless::Vec<IpAddr, MAX_ADDRESSES> = message
        .authority()
        .ok()?
        .map_while(Result::ok)
        .filter_map(|record| address_of(&record, name))
        .take(MAX_ADDRESSES)
        .collect();
    if !claimed.is_empty() {
        // Records are compared in order of their types and data (RFC 6762, 8.2.1), as these addresses are.
        claimed.sort_unstable();
        asked.probe = Some(claimed.iter().cmp(own));
    }
    Some(Received::Query(asked))
}

/// The addresses of a host under its name, as messages contain them.
#[derive(Debug, Clone, Copy)]
pub(super) struct HostRecords<'a> {
    pub(super) name: &'a OwnName,
    pub(super) addresses: &'a [IpAddr],
}

impl HostRecords<'_> {
    /// Makes a probe: a question for the name, with the records that this host will have (RFC 6762, 8.1).
    pub(super) fn probe(&self) -> Option<Array<MAX_BYTES>> {
        let mut question = MessageBuilder::from_target(Array::new()).ok()?.question();
        question.push((self.name, Rtype::ANY, Class::from_int(Class::IN.to_int() | TOP_BIT))).ok()?;
        let mut authority = question.authority();
        for address in self.addresses {
            match address {
                IpAddr::V4(address) => authority.push((self.name, Class::IN, TTL, A::new(*address))).ok()?,
                IpAddr::V6(address) => authority.push((self.name, Class::IN, TTL, Aaaa::new(*address))).ok()?,
            }
        }
        Some(authority.finish())
    }

    /// Makes the response that takes the addresses back (RFC 6762, 10.1).
    pub(super) fn goodbye(&self) -> Option<Array<MAX_BYTES>> {
        let mut answer = MessageBuilder::from_target(Array::new()).ok()?.answer();
        answer.header_mut().set_qr(true);
        answer.header_mut().set_aa(true);
        for address in self.addresses {
            self.push(&mut answer, Class::from_int(Class::IN.to_int() | TOP_BIT), Ttl::ZERO, *address)?;
        }
        Some(answer.finish())
    }

    /// Makes a response with the addresses of these types, or the statement that there are none; the others are additional.
    pub(super) fn response(&self, types: Types) -> Option<Array<MAX_BYTES>> {
        let mut answer = MessageBuilder::from_target(Array::new()).ok()?.answer();
        answer.header_mut().set_qr(true);
        answer.header_mut().set_aa(true);
        let class = Class::from_int(Class::IN.to_int() | TOP_BIT);
        for address in self.addresses.iter().filter(|address| types.has(address)) {
            self.push(&mut answer, class, TTL, *address)?;
        }
        if !self.addresses.iter().any(|address| types.has(address)) {
            // RFC 6762, 6.1: which types there are, so that the others are not waited for.
            answer.push((self.name, class, TTL, self.existing_types()?)).ok()?;
        }
        let mut additional = answer.additional();
        for address in self.addresses.iter().filter(|address| !types.has(address)) {
            match address {
                IpAddr::V4(address) => additional.push((self.name, class, TTL, A::new(*address))).ok()?,
                IpAddr::V6(address) => additional.push((self.name, class, TTL, Aaaa::new(*address))).ok()?,
            }
        }
        Some(additional.finish())
    }

    /// Makes a response as resolvers of unicast DNS take it: with the identifier and the question of the query, and without
    /// the bits of multicast DNS (RFC 6762, 6.7).
    pub(super) fn legacy_response(&self, query: &[u8], types: Types) -> Option<Array<MAX_BYTES>> {
        let query = Message::from_octets(query).ok()?;
        let mut builder = MessageBuilder::from_target(Array::new()).ok()?;
        builder.header_mut().set_id(query.header().id());
        builder.header_mut().set_qr(true);
        builder.header_mut().set_aa(true);
        let mut question = builder.question();
        for asked in query.question().map_while(Result::ok) {
            let asked: domain::base::Question<Parsed<'_>> = asked;
            if asked.qname().name_eq(self.name) {
                let class = Class::from_int(asked.qclass().to_int() & !TOP_BIT);
                question.push((self.name, asked.qtype(), class)).ok()?;
            }
        }
        let mut answer = question.answer();
        for address in self.addresses.iter().filter(|address| types.has(address)) {
            self.push(&mut answer, Class::IN, LEGACY_TTL, *address)?;
        }
        Some(answer.finish())
    }

    fn push(
        &self,
        answer: &mut AnswerBuilder<Array<MAX_BYTES>>,
        class: Class,
        ttl: Ttl,
        address: IpAddr,
    ) -> Option<()> {
        match address {
            IpAddr::V4(address) => answer.push((self.name, class, ttl, A::new(address))).ok(),
            IpAddr::V6(address) => answer.push((self.name, class, ttl, Aaaa::new(address))).ok(),
        }
    }

    /// Returns the data of an NSEC record (RFC 4034, 4.1): the name, and a bitmap of the types that it has.
    fn existing_types(&self) -> Option<UnknownRecordData<heapless::Vec<u8, 270>>> {
        let bit = |address: fn(&IpAddr) -> bool, value| if self.addresses.iter().any(address) { value } else { 0 };
        // Types 0 to 31 are in four bytes of window 0: A is 1, AAAA is 28.
        let bitmap = [0, 4, bit(IpAddr::is_ipv4, 0x40), 0, 0, bit(IpAddr::is_ipv6, 0x08)];
        let mut data = heapless::Vec::new();
        data.extend_from_slice(self.name.as_slice()).ok()?;
        data.extend_from_slice(&bitmap).ok()?;
        UnknownRecordData::from_octets(Rtype::NSEC, data).ok()
    }
}
