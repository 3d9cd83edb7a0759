//! The resolver against servers that the test scripts: aliases, search domains, the cache, servers that fail.

use core::cell::RefCell;
use core::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use domain::base::iana::{Class, Rcode};
use domain::base::{Message, MessageBuilder, Name, Rtype, Serial, Ttl};
use domain::dep::octseq::array::Array;
use domain::rdata::{A, Aaaa, Cname, Ptr, Soa};
use embassy_time::{Duration, Timer};
use switchboard_net::{InterfaceConfig, ResolveError, Resolver};
use switchboard_net_testing::TestNetwork;

type TestName = Name<Array<255>>;

/// The client, on which the server runs.
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
const ADDRESS: [u8; 4] = [192, 0, 2, 7];

/// The names of the queries that the server has received, with their types.
type Log = Rc<RefCell<Vec<String>>>;

fn name(text: &str) -> TestName {
    text.parse().expect("a name")
}

/// Answers a query by the name that it is for.
fn answer(query: &Message<&[u8]>, edit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let question = query.sole_question().expect("a question");
    let builder = MessageBuilder::from_target(Array::<1200>::new()).expect("room");
    let mut answer = builder.start_answer(query, Rcode::NOERROR).expect("room");
    answer.header_mut().set_ra(true);
    let asked = question.qname().to_string();
    let class = Class::IN;
    let ttl = Ttl::from_secs(300);
    let mut authority = match (&asked[..], question.qtype()) {
        ("host.example" | "host.lab.example" | "single" | "echo.example", Rtype::A) => {
            answer.push((question.qname(), class, ttl, A::new(ADDRESS.into()))).expect("room");
            // Of another name: not to be taken.
            answer.push((name("other.example"), class, ttl, A::new([6, 6, 6, 6].into()))).expect("room");
            answer.authority()
        }
        ("host.example", Rtype::AAAA) => {
            answer.push((question.qname(), class, ttl, Aaaa::new("2001:db8::7".parse().unwrap()))).expect("room");
            answer.authority()
        }
        ("brief.example", Rtype::A) => {
            answer.push((question.qname(), class, Ttl::from_secs(2), A::new(ADDRESS.into()))).expect("room");
            answer.authority()
        }
        ("alias.example", _) => {
            answer.push((name("b.example"), class, ttl, A::new(ADDRESS.into()))).expect("room");
            answer.push((name("a.example"), class, ttl, Cname::new(name("B.example")))).expect("room");
            answer.push((name("alias.example"), class, ttl, Cname::new(name("a.example")))).expect("room");
            answer.authority()
        }
        ("outside.example", _) => {
            answer.push((question.qname(), class, ttl, Cname::new(name("host.example")))).expect("room");
            answer.authority()
        }
        ("loop.example", _) => {
            answer.push((question.qname(), class, ttl, Cname::new(name("loop.example")))).expect("room");
            answer.authority()
        }
        ("7.2.0.192.in-addr.arpa", Rtype::PTR) => {
            answer.push((question.qname(), class, ttl, Ptr::new(name("host.example")))).expect("room");
            answer.authority()
        }
        ("empty.example", _) => answer.authority(),
        ("broken.example", _) => {
            answer.header_mut().set_rcode(Rcode::SERVFAIL);
            answer.authority()
        }
        _ => {
            answer.header_mut().set_rcode(Rcode::NXDOMAIN);
            answer.authority()
        }
    };
    if asked.starts_with("missing") || asked.starts_with("empty") {
        let minute = Ttl::from_secs(60);
        let soa = Soa::new(name("example"), name("root.example"), Serial(1), minute, minute, minute, minute);
        authority.push((name("example"), class, ttl, soa)).expect("room");
    }
    let mut bytes = authority.finish().as_ref().to_vec();
    edit(&mut bytes);
    bytes
}

/// A network with a DNS server on the client, and a log of its queries.
fn network(servers: &[IpAddr], edit: impl Fn(&str, &mut Vec<u8>) + 'static) -> (TestNetwork, Resolver, Log) {
    let mut config = InterfaceConfig::default();
    config.dns_servers = servers.to_vec();
    config.search_domains = vec!["lab.example".into(), "example".into()];
    config.hostname = Some("board".into());
    let mut network = TestNetwork::with_config(config);
    let log = Log::default();
    let queries = log.clone();
    network.serve_datagrams(53, move |datagram| {
        let query = Message::from_octets(datagram).expect("a query");
        let question = query.sole_question().expect("a question");
        let asked = question.qname().to_string();
        queries.borrow_mut().push(format!("{asked} {}", question.qtype()));
        vec![answer(&query, |bytes| edit(&asked, bytes))]
    });
    let resolver = Resolver::new(network.stack());
    (network, resolver, log)
}

fn good_network() -> (TestNetwork, Resolver, Log) {
    network(&[SERVER], |_, _| {})
}

/// Looks a name up once.
fn lookup(network: &mut TestNetwork, resolver: &Resolver, name: &'static str) -> Result<Vec<IpAddr>, ResolveError> {
    let resolver = resolver.clone();
    network.wait(async move { resolver.lookup(name).await })
}

#[test]
fn names_literals_and_own_names_are_resolved() {
    let (mut network, resolver, log) = good_network();
    let address = Ok(vec![IpAddr::from(ADDRESS)]);
    assert_eq!(lookup(&mut network, &resolver, "host.example"), address);
    assert_eq!(lookup(&mut network, &resolver, "HOST.example."), address, "from the cache");
    assert_eq!(log.take(), ["host.example A"]);
    assert_eq!(lookup(&mut network, &resolver, "10.9.8.7"), Ok(vec![[10, 9, 8, 7].into()]));
    assert_eq!(lookup(&mut network, &resolver, "::1"), Ok(vec!["::1".parse().unwrap()]));
    assert_eq!(lookup(&mut network, &resolver, "localhost"), Ok(vec![[127, 0, 0, 1].into()]));
    // The name in `local` is the host's own once it is known to be unique.
    network.wait(Timer::after(Duration::from_secs(2)));
    for own in ["board", "Board.local", "board."] {
        assert_eq!(lookup(&mut network, &resolver, own), Ok(vec![[10, 0, 0, 1].into()]), "{own}");
    }
    assert_eq!(lookup(&mut network, &resolver, "a b"), Err(ResolveError::InvalidName));
    assert!(log.take().is_empty());
    let asked = resolver.clone();
    let ipv6 = network.wait(async move { asked.lookup_ipv6("host.example").await });
    assert_eq!(ipv6, Ok(vec!["2001:db8::7".parse().unwrap()]));
    let asked = resolver.clone();
    let host = network.wait(async move { asked.reverse_lookup(ADDRESS.into()).await });
    assert_eq!(host.as_deref(), Ok("host.example"));
}

#[test]
fn aliases_are_followed() {
    let (mut network, resolver, log) = good_network();
    assert_eq!(lookup(&mut network, &resolver, "alias.example"), Ok(vec![ADDRESS.into()]));
    assert_eq!(log.take(), ["alias.example A"]);
    assert_eq!(lookup(&mut network, &resolver, "outside.example"), Ok(vec![ADDRESS.into()]));
    assert_eq!(log.take(), ["outside.example A", "host.example A"]);
    assert_eq!(lookup(&mut network, &resolver, "loop.example"), Err(ResolveError::ServerFailure));
}

#[test]
fn search_domains_are_tried_in_order() {
    let (mut network, resolver, log) = good_network();
    assert_eq!(lookup(&mut network, &resolver, "host"), Ok(vec![ADDRESS.into()]));
    assert_eq!(log.take(), ["host.lab.example A"]);
    assert_eq!(lookup(&mut network, &resolver, "single"), Ok(vec![ADDRESS.into()]));
    assert_eq!(log.take(), ["single.lab.example A", "single.example A", "single A"]);
    assert_eq!(lookup(&mut network, &resolver, "no.such"), Err(ResolveError::NotFound));
    assert_eq!(log.take(), ["no.such A", "no.such.lab.example A", "no.such.example A"]);
    assert_eq!(lookup(&mut network, &resolver, "no.such."), Err(ResolveError::NotFound));
    assert_eq!(log.take(), ["no.such A"]);
}

#[test]
fn answers_are_cached_for_their_time_also_negative_ones() {
    let (mut network, resolver, log) = good_network();
    for _ in 0..3 {
        assert_eq!(lookup(&mut network, &resolver, "brief.example."), Ok(vec![ADDRESS.into()]));
        assert_eq!(lookup(&mut network, &resolver, "missing.example."), Err(ResolveError::NotFound));
        assert_eq!(lookup(&mut network, &resolver, "empty.example."), Err(ResolveError::NoAddress));
    }
    assert_eq!(log.take(), ["brief.example A", "missing.example A", "empty.example A"]);
    network.wait(Timer::after(Duration::from_secs(3)));
    assert_eq!(lookup(&mut network, &resolver, "brief.example."), Ok(vec![ADDRESS.into()]));
    assert_eq!(lookup(&mut network, &resolver, "missing.example."), Err(ResolveError::NotFound));
    assert_eq!(log.take(), ["brief.example A"]);
    network.wait(Timer::after(Duration::from_secs(60)));
    assert_eq!(lookup(&mut network, &resolver, "missing.example."), Err(ResolveError::NotFound));
    assert_eq!(log.take(), ["missing.example A"]);
}

#[test]
fn a_server_that_does_not_answer_is_passed_over_from_then_on() {
    let (mut network, resolver, log) = network(&[[10, 0, 0, 3].into(), SERVER], |_, _| {});
    let (start, seconds) = (embassy_time::Instant::now(), |start: embassy_time::Instant| start.elapsed().as_secs());
    assert_eq!(lookup(&mut network, &resolver, "host.example"), Ok(vec![ADDRESS.into()]));
    assert_eq!(seconds(start), 2);
    let start = embassy_time::Instant::now();
    assert_eq!(lookup(&mut network, &resolver, "echo.example"), Ok(vec![ADDRESS.into()]));
    assert_eq!((seconds(start), log.take().len()), (0, 2));
}

#[test]
fn without_an_answer_the_look_up_ends() {
    let (mut network, resolver, _) = network(&[[10, 0, 0, 3].into()], |_, _| {});
    let start = embassy_time::Instant::now();
    assert_eq!(lookup(&mut network, &resolver, "host.example"), Err(ResolveError::TimedOut));
    assert!((10..20).contains(&start.elapsed().as_secs()));
    let (mut network, resolver, _) = self::network(&[], |_, _| {});
    assert_eq!(lookup(&mut network, &resolver, "host.example"), Err(ResolveError::NoServer));
    let (mut network, resolver, log) = good_network();
    assert_eq!(lookup(&mut network, &resolver, "broken.example."), Err(ResolveError::ServerFailure));
    assert_eq!(log.take().len(), 3);
}

#[test]
fn answers_to_other_queries_are_ignored() {
    type Edit = fn(&mut Vec<u8>);
    let edits: [Edit; 6] = [
        |bytes| bytes[0] ^= 1,
        // A query.
        |bytes| bytes[2] &= 0x7f,
        // Another opcode.
        |bytes| bytes[2] |= 0x10,
        // Another name and another type in the question.
        |bytes| bytes[13] = b'x',
        |bytes| bytes[12 + 14 + 1] = 28,
        |bytes| bytes.truncate(11),
    ];
    for (index, edit) in edits.into_iter().enumerate() {
        let (mut network, resolver, _) = network(&[SERVER], move |_, bytes| edit(bytes));
        assert_eq!(lookup(&mut network, &resolver, "host.example"), Err(ResolveError::TimedOut), "{index}");
    }
}

#[test]
fn answers_that_were_cut_short_are_asked_for_over_tcp() {
    let (mut network, resolver, log) = network(&[SERVER], |_, bytes| bytes[2] |= 2);
    let requests = Log::default();
    let received = requests.clone();
    network.serve_streams(53, move |request| {
        let (length, query) = request.split_first_chunk::<2>().expect("a length");
        assert_eq!(usize::from(u16::from_be_bytes(*length)), query.len(), "in one segment");
        let query = Message::from_octets(query).expect("a query");
        let asked = query.sole_question().expect("a question").qname().to_string();
        received.borrow_mut().push(asked);
        let answer = answer(&query, |_| {});
        let length = u16::try_from(answer.len()).expect("a short answer");
        [&length.to_be_bytes()[..], &answer].concat()
    });
    assert_eq!(lookup(&mut network, &resolver, "host.example"), Ok(vec![ADDRESS.into()]));
    assert_eq!(lookup(&mut network, &resolver, "alias.example"), Ok(vec![ADDRESS.into()]));
    assert_eq!(lookup(&mut network, &resolver, "missing.example."), Err(ResolveError::NotFound));
    assert_eq!(requests.take(), ["host.example", "alias.example", "missing.example"]);
    assert_eq!(log.take().len(), 3);
}

#[test]
fn arbitrary_answers_are_harmless() {
    let state = RefCell::new(1_u32);
    let random = move || {
        let mut state = state.borrow_mut();
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        usize::from(state.to_be_bytes()[1])
    };
    let (mut network, resolver, log) = network(&[SERVER], move |_, bytes| {
        // The header stays, so that most is parsed.
        for _ in 0..1 + random() % 4 {
            let at = 4 + random() % (bytes.len() - 4);
            let byte = random().to_le_bytes()[0];
            bytes[at] = if random() % 2 == 0 { 0xc0 | (byte & 3) } else { byte };
        }
        bytes.truncate(bytes.len() - random() % 8);
    });
    for _ in 0..400 {
        for name in ["alias.example.", "host.example.", "missing.example.", "outside.example."] {
            let resolver = resolver.clone();
            network.wait(async move {
                // An answer that is ignored would be waited for.
                drop(embassy_time::with_timeout(Duration::from_millis(20), resolver.lookup_ipv4(name)).await);
            });
        }
    }
    assert!(log.take().len() > 400);
}
