//! Responders on a link that the test plays, with the time stepped by milliseconds.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use domain::base::iana::Class;
use domain::base::{Message, MessageBuilder, Name, Rtype, Ttl};
use domain::dep::octseq::array::Array;
use domain::rdata::A;
use smoltcp::time::{Duration, Instant};

use super::*;
use crate::config::{ConfigSource, InterfaceAddress, InterfaceConfig};
use crate::random::Random;

/// A message on the wire.
#[derive(Debug)]
struct Sent {
    at: Instant,
    destination: Destination,
    payload: Vec<u8>,
}

struct Link {
    hosts: Vec<Responder>,
    now: Instant,
    sent: Vec<Sent>,
}

fn config(hostname: &str, addresses: &[IpAddr]) -> InterfaceConfig {
    let addresses = addresses.iter().map(|address| InterfaceAddress::new(*address, 24, ConfigSource::Dhcp)).collect();
    InterfaceConfig { addresses, hostname: Some(hostname.into()), ..InterfaceConfig::default() }
}

fn address(last: u8) -> IpAddr {
    [10, 0, 0, last].into()
}

const LINK_LOCAL: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));
/// The sender of queries: another responder, and a resolver that does not take part.
const ASKER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 99)), 5353);
const LEGACY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 99)), 40_000);

impl Link {
    /// Hosts of one name, with the addresses 10.0.0.1, 10.0.0.2, ...
    fn new(hosts: u8) -> Self {
        let mut link = Self { hosts: Vec::new(), now: Instant::from_secs(100), sent: Vec::new() };
        (1..=hosts).for_each(|last| link.add(&[address(last)]));
        link
    }

    fn add(&mut self, addresses: &[IpAddr]) {
        let mut host = Responder::new(self.hosts.len() as u64);
        host.set_config(&config("board", addresses), self.now);
        host.link_changed(true, self.now);
        self.hosts.push(host);
    }

    /// Lets time pass, from deadline to deadline.
    fn pass(&mut self, milliseconds: u64) {
        let end = self.now + Duration::from_millis(milliseconds);
        loop {
            self.poll();
            let next = self.hosts.iter().filter_map(Responder::deadline).min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = next.max(self.now);
        }
        self.now = end;
    }

    fn poll(&mut self) {
        for from in 0..self.hosts.len() {
            while let Some(datagram) = self.hosts[from].poll(self.now) {
                let payload = datagram.payload().to_vec();
                let source = SocketAddr::new(address(u8::try_from(from).expect("few hosts") + 1), PORT);
                for (to, host) in self.hosts.iter_mut().enumerate() {
                    if to != from && datagram.destination == Destination::Group {
                        host.receive(&payload, source, self.now);
                    }
                }
                self.sent.push(Sent { at: self.now, destination: datagram.destination, payload });
            }
        }
    }

    fn established(hosts: u8) -> Self {
        let mut link = Self::new(hosts);
        link.pass(10_000);
        link.sent.clear();
        link
    }

    fn ask(&mut self, query: &[u8], from: SocketAddr) -> Vec<Sent> {
        let now = self.now;
        self.hosts.iter_mut().for_each(|host| host.receive(query, from, now));
        self.pass(1);
        core::mem::take(&mut self.sent)
    }

    fn names(&self) -> Vec<Option<String>> {
        self.hosts.iter().map(Responder::established_name).collect()
    }
}

fn query(name: &str, rtype: Rtype, is_unicast: bool, known: Option<(IpAddr, u32)>) -> Vec<u8> {
    let name: Name<Array<255>> = name.parse().expect("a name");
    let mut question = MessageBuilder::from_target(Array::<512>::new()).expect("room").question();
    question.header_mut().set_id(7);
    let class = Class::from_int(if is_unicast { 0x8001 } else { 1 });
    question.push((&name, rtype, class)).expect("room");
    let mut answer = question.answer();
    if let Some((IpAddr::V4(address), seconds)) = known {
        answer.push((&name, Class::IN, Ttl::from_secs(seconds), A::new(address))).expect("room");
    }
    answer.finish().as_ref().to_vec()
}

/// Returns the records of a message, by section: questions, answers, authority, additional.
fn sections(message: &[u8]) -> [Vec<String>; 4] {
    let message = Message::from_octets(message).expect("a message");
    let questions = message.question().map(|question| {
        let question = question.expect("a question");
        alloc::format!("{} {} {:x}", question.qname(), question.qtype(), question.qclass().to_int())
    });
    let records = |section: domain::base::message::RecordSection<'_, &[u8]>| {
        let text = section.map(|record| {
            let record = record.expect("a record");
            let data = match record.rtype() {
                Rtype::A => record.to_record::<A>().expect("data").expect("A").data().to_string(),
                other => other.to_string(),
            };
            alloc::format!("{} {:x} {} {data}", record.owner(), record.class().to_int(), record.ttl().as_secs())
        });
        text.collect()
    };
    let answers = records(message.answer().expect("answers"));
    let (authority, additional) = (message.authority().expect("a section"), message.additional().expect("a section"));
    [questions.collect(), answers, records(authority), records(additional)]
}

#[test]
fn a_name_is_probed_for_and_announced() {
    let mut link = Link::new(1);
    link.pass(5000);
    assert_eq!(link.names(), [Some("board".into())]);
    let times: Vec<_> = link.sent.iter().map(|sent| (sent.at - link.sent[0].at).total_millis()).collect();
    assert_eq!(times, [0, 250, 500, 750, 1750]);
    assert!(link.sent.iter().all(|sent| sent.destination == Destination::Group));
    let probe = [
        Vec::from(["board.local ANY 8001".to_string()]),
        Vec::new(),
        ["board.local 1 120 10.0.0.1".to_string()].into(),
        Vec::new(),
    ];
    let announcement = [Vec::new(), ["board.local 8001 120 10.0.0.1".to_string()].into(), Vec::new(), Vec::new()];
    assert_eq!(sections(&link.sent[0].payload), probe);
    assert_eq!(sections(&link.sent[3].payload), announcement);
    assert_eq!(link.hosts[0].deadline(), None);
}

#[test]
fn questions_are_answered() {
    let mut link = Link::established(1);
    for (name, rtype) in [("board.local", Rtype::A), ("BOARD.local", Rtype::ANY)] {
        link.pass(1000);
        let [sent] = &link.ask(&query(name, rtype, false, None), ASKER)[..] else { panic!("{name} {rtype}") };
        assert_eq!(sent.destination, Destination::Group);
        assert_eq!(sections(&sent.payload)[1], ["board.local 8001 120 10.0.0.1"]);
    }
    for (name, rtype) in [("other.local", Rtype::A), ("local", Rtype::ANY), ("board.local", Rtype::MX)] {
        link.pass(1000);
        assert_eq!(link.ask(&query(name, rtype, false, None), ASKER).len(), 0, "{name} {rtype}");
    }
    // What there is not, is said at once, with what there is.
    link.pass(1000);
    let [sent] = &link.ask(&query("board.local", Rtype::AAAA, false, None), ASKER)[..] else { panic!("one answer") };
    assert_eq!(sections(&sent.payload)[1], ["board.local 8001 120 NSEC"]);
    assert_eq!(sections(&sent.payload)[3], ["board.local 8001 120 10.0.0.1"]);
}

#[test]
fn known_answers_are_suppressed() {
    let mut link = Link::established(1);
    for (known, seconds, expected) in [(1, 120, 0), (1, 60, 0), (1, 59, 1), (2, 120, 1)] {
        link.pass(1000);
        let query = query("board.local", Rtype::A, false, Some((address(known), seconds)));
        assert_eq!(link.ask(&query, ASKER).len(), expected, "{known} {seconds}");
    }
}

#[test]
fn an_answer_to_the_sender_alone_is_sent_after_one_to_all() {
    let mut link = Link::established(1);
    let query = query("board.local", Rtype::A, true, None);
    // The announcement was seconds ago.
    assert_eq!(link.ask(&query, ASKER)[0].destination, Destination::Host(ASKER));
    link.pass(30_000);
    assert_eq!(link.ask(&query, ASKER)[0].destination, Destination::Group);
    assert_eq!(link.ask(&query, ASKER)[0].destination, Destination::Host(ASKER));
}

#[test]
fn a_resolver_of_unicast_dns_is_answered_as_it_expects() {
    let mut link = Link::established(1);
    let [sent] = &link.ask(&query("board.local", Rtype::A, false, None), LEGACY)[..] else { panic!("one answer") };
    assert_eq!((sent.destination, &sent.payload[..2]), (Destination::Host(LEGACY), &[0, 7][..]));
    let [questions, answers, ..] = sections(&sent.payload);
    assert_eq!((&questions[0][..], &answers[0][..]), ("board.local A 1", "board.local 1 10 10.0.0.1"));
}

#[test]
fn the_web_server_and_the_names_of_addresses_are_answered_for() {
    let instance = "board._http._tcp.local";
    for (name, rtype, answer, additional) in [
        ("_services._dns-sd._udp.local", Rtype::PTR, "_services._dns-sd._udp.local 1 4500 PTR", 0),
        ("_http._tcp.local", Rtype::PTR, "_http._tcp.local 1 4500 PTR", 3),
        (instance, Rtype::SRV, "board._http._tcp.local 8001 120 SRV", 1),
        (instance, Rtype::TXT, "board._http._tcp.local 8001 4500 TXT", 0),
        ("1.0.0.10.in-addr.arpa", Rtype::PTR, "1.0.0.10.in-addr.arpa 8001 120 PTR", 0),
    ] {
        let mut link = Link::established(1);
        let is_of_service = !name.ends_with("arpa");
        let asked = link.ask(&query(name, rtype, false, None), ASKER);
        assert_eq!(asked.is_empty(), is_of_service, "{name}: there is no web server");
        link.pass(2000);
        link.hosts[0].set_has_http(true, link.now);
        link.pass(3000);
        link.sent.clear();
        let [sent] = &link.ask(&query(name, rtype, false, None), ASKER)[..] else { panic!("{name}: one answer") };
        let [questions, answers, _, others] = sections(&sent.payload);
        assert_eq!((sent.destination, questions.len(), others.len()), (Destination::Group, 0, additional), "{name}");
        assert_eq!(answers, [answer]);
        // Again at once: the group has it.
        assert!(link.ask(&query(name, rtype, false, None), ASKER).is_empty());
        let [sent] = &link.ask(&query(name, rtype, true, None), ASKER)[..] else { panic!("{name}: one answer") };
        assert_eq!(sent.destination, Destination::Host(ASKER));
        let [sent] = &link.ask(&query(name, rtype, false, None), LEGACY)[..] else { panic!("{name}: one answer") };
        let [questions, answers, ..] = sections(&sent.payload);
        assert_eq!(
            (sent.destination, questions.len(), &sent.payload[..2]),
            (Destination::Host(LEGACY), 1, &[0, 7][..])
        );
        assert!(answers[0].contains(" 1 10 "), "{answers:?}");
    }
    let mut link = Link::established(1);
    link.hosts[0].set_has_http(true, link.now);
    link.pass(3000);
    link.sent.clear();
    for other in ["2.0.0.10.in-addr.arpa", "_ssh._tcp.local", "other._http._tcp.local"] {
        assert!(link.ask(&query(other, Rtype::ANY, false, None), ASKER).is_empty(), "{other}");
    }
}

#[test]
fn answers_are_limited() {
    let mut link = Link::established(1);
    let (mut to_all, mut to_hosts) = (0, 0);
    for _ in 0..3000 {
        to_all += link.ask(&query("board.local", Rtype::A, false, None), ASKER).len();
        to_hosts += link.ask(&query("board.local", Rtype::A, true, None), ASKER).len();
        to_hosts += link.ask(&query("board.local", Rtype::A, false, None), LEGACY).len();
    }
    // Nine seconds.
    assert!((8..=10).contains(&to_all), "{to_all} to all");
    assert!((160..=200).contains(&to_hosts), "{to_hosts} to single hosts");
}

#[test]
fn a_host_that_comes_later_takes_another_name() {
    let mut link = Link::established(1);
    link.add(&[address(2)]);
    link.pass(10_000);
    link.add(&[LINK_LOCAL]);
    link.pass(10_000);
    assert_eq!(link.names(), [Some("board".into()), Some("board-2".into()), Some("board-3".into())]);
}

#[test]
fn hosts_that_start_at_once_end_with_a_name_each() {
    let mut link = Link::new(6);
    link.pass(120_000);
    let mut names: Vec<_> = link.names().into_iter().map(|name| name.expect("a name")).collect();
    names.sort();
    assert_eq!(names, ["board", "board-2", "board-3", "board-4", "board-5", "board-6"]);
}

#[test]
fn a_claim_of_an_established_name_is_answered_with_a_new_probe() {
    let mut link = Link::established(1);
    // An announcement of another host, which has not probed.
    let mut claim = query("board.local", Rtype::A, false, Some((address(7), 120)));
    claim[2] |= 0x84;
    assert_eq!(link.ask(&claim, LEGACY).len(), 0, "no responder has that port");
    assert!(link.names()[0].is_some());
    link.ask(&claim, ASKER);
    assert_eq!(link.names(), [None]);
    link.pass(5000);
    // It does not answer the probes.
    assert_eq!(link.names(), [Some("board".into())]);
}

#[test]
fn conflicts_without_end_are_answered_slowly() {
    let mut link = Link::new(1);
    let (mut number, end) = (1, link.now + Duration::from_secs(600));
    while link.now < end {
        let name = if number == 1 { "board.local".into() } else { alloc::format!("board-{number}.local") };
        let mut claim = query(&name, Rtype::A, false, Some((address(7), 120)));
        claim[2] |= 0x84;
        let probe = [alloc::format!("{name} ANY 8001")];
        if link.sent.last().is_some_and(|sent| sections(&sent.payload)[0] == probe) {
            link.ask(&claim, ASKER);
            number += 1;
        }
        let next = link.hosts[0].deadline().expect("it never gives up");
        link.pass((next - link.now).total_millis());
    }
    assert!((50..80).contains(&number), "{number} names in ten minutes");
}

#[test]
fn changes_of_the_address_and_the_link_are_followed() {
    let mut link = Link::established(1);
    link.hosts[0].set_config(&config("board", &[address(9), LINK_LOCAL]), link.now);
    link.pass(3000);
    assert_eq!(sections(&link.sent[0].payload)[1], ["board.local 8001 120 10.0.0.9", "board.local 8001 120 AAAA"]);
    link.hosts[0].link_changed(false, link.now);
    link.sent.clear();
    link.pass(3000);
    assert_eq!((link.names(), link.sent.len()), (Vec::from([None]), 0));
    link.hosts[0].link_changed(true, link.now);
    link.pass(3000);
    assert_eq!(link.names(), [Some("board".into())]);
    link.hosts[0].set_config(&config("board", &[]), link.now);
    assert_eq!(link.names(), [None]);
    link.hosts[0].set_config(&config("other", &[address(1)]), link.now);
    link.pass(3000);
    assert_eq!(link.names(), [Some("other".into())]);
}

#[test]
fn long_names_and_many_addresses_fit() {
    let mut link = Link::new(2);
    let long = "x".repeat(63);
    for host in &mut link.hosts {
        let addresses: Vec<_> = (0..12).map(|last| IpAddr::V6(Ipv6Addr::from(last))).collect();
        host.set_config(&config(&long, &addresses), link.now);
    }
    link.hosts[1].set_config(&config(&long, &[address(2), LINK_LOCAL]), link.now);
    link.pass(10_000);
    let mut names: Vec<_> = link.names().into_iter().flatten().collect();
    names.sort();
    assert_eq!(names, [alloc::format!("{}-2", "x".repeat(61)), long]);
}

#[test]
fn arbitrary_messages_are_harmless() {
    let mut link = Link::established(1);
    let mut random = Random::new(5);
    for _ in 0..20_000 {
        let mut message = query("board.local", Rtype::A, false, Some((address(7), 120)));
        for _ in 0..1 + random.below(6) {
            let at = random.below(u32::try_from(message.len()).expect("short")) as usize;
            message[at] = if random.below(3) == 0 { 0xc0 } else { random.next_u32().to_le_bytes()[0] };
        }
        message.truncate(message.len() - random.below(10) as usize);
        link.hosts[0].receive(&message, ASKER, link.now);
        link.pass(1);
        link.sent.clear();
    }
}

/// The records of the web server, with their times to live.
fn service(ttl: u32, service_ttl: u32) -> [String; 3] {
    [
        alloc::format!("_http._tcp.local 1 {service_ttl} PTR"),
        alloc::format!("board._http._tcp.local 8001 {ttl} SRV"),
        alloc::format!("board._http._tcp.local 8001 {service_ttl} TXT"),
    ]
}

#[test]
fn the_web_server_is_announced_with_the_name_and_when_it_starts() {
    let (announced, host) = (service(120, 4500), ["board.local 8001 120 10.0.0.1".to_string()]);
    let mut first = Link::new(1);
    first.hosts[0].set_has_http(true, first.now);
    first.pass(5000);
    let mut later = Link::established(1);
    later.hosts[0].set_has_http(true, later.now);
    later.pass(5000);
    for link in [first, later] {
        let answers: Vec<_> = link.sent.iter().map(|sent| sections(&sent.payload)[1].clone()).collect();
        // Behind the probes, twice, a second apart.
        let [one, two, three, four] = answers.last_chunk().expect("four messages");
        assert_eq!((&one[..], &two[..], &three[..], &four[..]), (&host[..], &announced[..], &host[..], &announced[..]));
        let at: Vec<_> =
            link.sent.iter().rev().take(4).map(|sent| (sent.at - link.sent[0].at).total_millis()).collect();
        assert_eq!((at[0], at[2]), (at[1], at[0] - 1000));
    }
}

#[test]
fn what_ends_is_taken_back() {
    let gone = ["board.local 8001 0 10.0.0.1".to_string()];
    let established = || {
        let mut link = Link::new(1);
        link.hosts[0].set_has_http(true, link.now);
        link.pass(5000);
        link.sent.clear();
        link
    };
    // The server alone.
    let mut link = established();
    link.hosts[0].set_has_http(false, link.now);
    link.pass(5000);
    let [sent] = &link.sent[..] else { panic!("{:?}", link.sent) };
    assert_eq!(sections(&sent.payload)[1], service(0, 0));
    // The name, which is another one then.
    let mut link = established();
    link.hosts[0].set_config(&config("other", &[address(1)]), link.now);
    link.pass(5000);
    assert_eq!(sections(&link.sent[0].payload)[1], service(0, 0));
    assert_eq!(sections(&link.sent[1].payload)[1], gone);
    assert_eq!(link.names(), [Some("other".into())]);
    // The host, once; it is silent then.
    let mut link = established();
    link.hosts[0].withdraw();
    link.hosts[0].withdraw();
    link.pass(5000);
    assert_eq!((link.sent.len(), link.names()), (2, [None].into()));
    assert_eq!(sections(&link.sent[1].payload)[1], gone);
    link.sent.clear();
    assert!(link.ask(&query("board.local", Rtype::A, false, None), ASKER).is_empty());
    // What was never announced is not.
    let mut link = Link::new(1);
    link.hosts[0].withdraw();
    link.pass(5000);
    assert!(link.sent.is_empty());
}
