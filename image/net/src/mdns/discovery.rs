//! Answers beside the addresses of the host: its web server as a service (RFC 6763), and its name by an address.

use core::net::IpAddr;
use core::str::FromStr;

use domain::base::iana::{Class, Opcode};
use domain::base::message_builder::AnswerBuilder;
use domain::base::{Message, MessageBuilder, ParsedName, Question, Rtype, ToName, Ttl};
use domain::dep::octseq::array::Array;
use domain::rdata::{A, Aaaa, Ptr, Srv, Txt};

use super::HTTP_PORT;
use super::message::{HostRecords, LEGACY_TTL, MAX_ADDRESSES, MAX_BYTES, OwnName, TOP_BIT, TTL};

/// The type of web servers, and the name at which all types are listed (RFC 6763, 9).
const HTTP: &str = "_http._tcp.local";
const TYPES: &str = "_services._dns-sd._udp.local";
/// How long records are valid that do not contain a host's name or address (RFC 6762, 10).
const SERVICE_TTL: Ttl = Ttl::from_secs(75 * 60);
/// Questions that are looked at.
const MAX_QUESTIONS: usize = 16;

/// What a query asks for.
#[derive(Debug, Default)]
struct Asked {
    types: bool,
    browse: bool,
    location: bool,
    text: bool,
    reverse: heapless::Vec<IpAddr, MAX_ADDRESSES>,
}

/// A response to a query, and whether all its questions prefer one to the sender alone.
#[derive(Debug)]
pub(super) struct Discovered {
    pub(super) payload: Array<MAX_BYTES>,
    pub(super) wants_unicast: bool,
}

/// The names of this host's web server: its type, and itself.
struct Names {
    types: OwnName,
    http: OwnName,
    instance: OwnName,
}

impl Names {
    fn new(host: &str) -> Option<Self> {
        let mut instance = heapless::String::<96>::new();
        instance.push_str(host).and_then(|()| instance.push('.')).and_then(|()| instance.push_str(HTTP)).ok()?;
        let name = |text: &str| OwnName::from_str(text).ok();
        Some(Self { types: name(TYPES)?, http: name(HTTP)?, instance: name(&instance)? })
    }
}

/// Returns the name at which the name of an address is stored.
fn reverse(address: IpAddr) -> Option<OwnName> {
    OwnName::reverse_from_addr(address).ok()
}

/// Returns the response to a query for the services of this host, or for its name by an address; `None` if it asks for neither.
/// `host` is the name without `local`, and `is_legacy` that the sender is a resolver of unicast DNS (RFC 6762, 6.7).
pub(super) fn answer(
    query: &[u8],
    records: &HostRecords<'_>,
    host: &str,
    has_http: bool,
    is_legacy: bool,
) -> Option<Discovered> {
    let query = Message::from_octets(query).ok()?;
    if query.header().qr() || query.header().opcode() != Opcode::QUERY {
        return None;
    }
    let names = Names::new(host)?;
    let mut wants_unicast = true;
    let mut asked = Asked::default();
    let mut builder = MessageBuilder::from_target(Array::new()).ok()?;
    builder.header_mut().set_qr(true);
    builder.header_mut().set_aa(true);
    if is_legacy {
        builder.header_mut().set_id(query.header().id());
    }
    let mut questions = builder.question();
    for question in query.question().take(MAX_QUESTIONS) {
        let question: Question<ParsedName<&[u8]>> = question.ok()?;
        if !asked.add(&question, records, has_http.then_some(&names)) {
            continue;
        }
        wants_unicast &= question.qclass().to_int() & TOP_BIT != 0;
        if is_legacy {
            let class = Class::from_int(question.qclass().to_int() & !TOP_BIT);
            questions.push((question.qname(), question.qtype(), class)).ok()?;
        }
    }
    // The sender has it already (RFC 6762, 7.1).
    let known = query.answer().ok()?.map_while(Result::ok).filter(|record| record.ttl() >= SERVICE_TTL / 2);
    for record in known.take(MAX_QUESTIONS) {
        let is_browsed = record.owner().name_eq(&names.http);
        if is_browsed && let Ok(Some(record)) = record.to_record::<Ptr<ParsedName<&[u8]>>>() {
            asked.browse &= !record.data().ptrdname().name_eq(&names.instance);
        }
    }
    if !(asked.types || asked.browse || asked.location || asked.text) && asked.reverse.is_empty() {
        return None;
    }
    let payload = respond(&asked, &names, records, questions.answer(), is_legacy)?;
    Some(Discovered { payload, wants_unicast })
}

/// Returns the response that announces the web server, or takes it back (RFC 6762, 8.3 and 10.1).
pub(super) fn unsolicited(records: &HostRecords<'_>, host: &str, is_goodbye: bool) -> Option<Array<MAX_BYTES>> {
    let names = Names::new(host)?;
    let mut answer = MessageBuilder::from_target(Array::new()).ok()?.answer();
    answer.header_mut().set_qr(true);
    answer.header_mut().set_aa(true);
    let (ttl, service_ttl) = if is_goodbye { (Ttl::ZERO, Ttl::ZERO) } else { (TTL, SERVICE_TTL) };
    let unique = Class::from_int(Class::IN.to_int() | TOP_BIT);
    answer.push((&names.http, Class::IN, service_ttl, Ptr::new(&names.instance))).ok()?;
    answer.push((&names.instance, unique, ttl, Srv::new(0, 0, HTTP_PORT, records.name))).ok()?;
    answer.push((&names.instance, unique, service_ttl, Txt::from_octets(&b"\0"[..]).ok()?)).ok()?;
    Some(answer.finish())
}

impl Asked {
    /// Adds a question. Returns whether it is one for this host; `names` are there if it has a web server.
    fn add(
        &mut self,
        question: &Question<ParsedName<&[u8]>>,
        records: &HostRecords<'_>,
        names: Option<&Names>,
    ) -> bool {
        let class = question.qclass().to_int() & !TOP_BIT;
        let (name, kind) = (question.qname(), question.qtype());
        let is = |other: Rtype| kind == other || kind == Rtype::ANY;
        if class != Class::IN.to_int() && class != Class::ANY.to_int() {
            return false;
        }
        let mut is_ours = false;
        if let Some(names) = names {
            let types = name.name_eq(&names.types) && is(Rtype::PTR);
            let browse = name.name_eq(&names.http) && is(Rtype::PTR);
            let is_instance = name.name_eq(&names.instance);
            let (location, text) = (is_instance && is(Rtype::SRV), is_instance && is(Rtype::TXT));
            self.types |= types;
            self.browse |= browse;
            self.location |= location;
            self.text |= text;
            is_ours = types || browse || location || text;
        }
        if is(Rtype::PTR) {
            for address in records.addresses {
                if reverse(*address).is_some_and(|reverse| name.name_eq(&reverse)) {
                    is_ours = true;
                    // There is room for all, and a repeated question adds nothing.
                    let _ = self.reverse.push(*address);
                }
            }
        }
        is_ours
    }
}

fn respond(
    asked: &Asked,
    names: &Names,
    records: &HostRecords<'_>,
    mut answer: AnswerBuilder<Array<MAX_BYTES>>,
    is_legacy: bool,
) -> Option<Array<MAX_BYTES>> {
    let ttl = |ttl: Ttl| if is_legacy { ttl.min(LEGACY_TTL) } else { ttl };
    // Of a record that this host alone has, others are outdated; hosts share the names of types.
    let unique = if is_legacy { Class::IN } else { Class::from_int(Class::IN.to_int() | TOP_BIT) };
    let location = (&names.instance, unique, ttl(TTL), Srv::new(0, 0, HTTP_PORT, records.name));
    let text = || Some((&names.instance, unique, ttl(SERVICE_TTL), Txt::from_octets(&b"\0"[..]).ok()?));
    if asked.types {
        answer.push((&names.types, Class::IN, ttl(SERVICE_TTL), Ptr::new(&names.http))).ok()?;
    }
    if asked.browse {
        answer.push((&names.http, Class::IN, ttl(SERVICE_TTL), Ptr::new(&names.instance))).ok()?;
    }
    if asked.location {
        answer.push(location).ok()?;
    }
    if asked.text {
        answer.push(text()?).ok()?;
    }
    for address in &asked.reverse {
        answer.push((reverse(*address)?, unique, ttl(TTL), Ptr::new(records.name))).ok()?;
    }
    // What is asked for next (RFC 6763, 12).
    let mut additional = answer.additional();
    if asked.browse {
        additional.push((&names.instance, unique, ttl(TTL), Srv::new(0, 0, HTTP_PORT, records.name))).ok()?;
        additional.push(text()?).ok()?;
    }
    if asked.browse || asked.location {
        for address in records.addresses {
            match address {
                IpAddr::V4(address) => additional.push((records.name, unique, ttl(TTL), A::new(*address))).ok()?,
                IpAddr::V6(address) => additional.push((records.name, unique, ttl(TTL), Aaaa::new(*address))).ok()?,
            }
        }
    }
    Some(additional.finish())
}
