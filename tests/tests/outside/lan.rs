//! The image on a link with IPv4 alone, IPv6 alone, and both: pages, events, names, outgoing connections, datagrams, groups,
//! raw packets, routers on the way.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::num::NonZero;
use std::io::{Read, Write};
use std::net::{SocketAddrV6, TcpListener, TcpStream, UdpSocket};
use std::thread;

use rustix::net::{AddressFamily, Protocol, SocketType, socket, sockopt};
use switchboard_tests::lan::{GUEST_MAC, Namespace, is_skipped_without_namespaces};
use switchboard_tests::{Guest, Machine, Qemu, connect};

use crate::servers::{answer_datagrams, bind, count, greet, receive, reset};
use crate::{IMAGE, TIMEOUT};

/// The protocols of a link.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Protocols {
    Ipv4,
    Ipv6,
    Both,
}

/// A link whose DNS server is `dnsmasq`, the guest on it, a host behind a router, and servers.
struct Lan {
    guest: Guest,
    host: Namespace,
    /// Behind the router, which is `host`.
    _remote: Namespace,
    /// The number of the link's device in `host`.
    device: u32,
}

const IPV4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 50));
/// By the prefix of the router and the Ethernet address.
const IPV6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 9, 0, 0, 0x5054, 0xff, 0xfe12, 0x3456));
/// What the guest knows of one protocol.
struct Facts {
    guest: IpAddr,
    name: &'static str,
    greeting: &'static str,
    router: &'static str,
    remote: &'static str,
    /// No route leads there.
    nowhere: &'static str,
    /// The group of the guest's socket, and that of multicast DNS.
    groups: [&'static str; 2],
}

const FACTS_IPV4: Facts = Facts {
    guest: IPV4,
    name: "ipv4.test",
    greeting: "welcome by IPv4",
    router: "10.9.0.1",
    remote: "192.0.2.9",
    nowhere: "198.51.100.1",
    groups: ["239.255.0.1", "224.0.0.251"],
};
const FACTS_IPV6: Facts = Facts {
    guest: IPV6,
    name: "ipv6.test",
    greeting: "welcome by IPv6",
    router: "fd00:9::1",
    remote: "fd00:a::9",
    nowhere: "fd00:b::1",
    groups: ["ff12::4004", "ff02::fb"],
};

impl Lan {
    fn start(protocols: Protocols) -> Self {
        let (_, image) = &*IMAGE;
        let (mut host, remote) = (Namespace::new(), Namespace::new());
        host.add_tap("tap0");
        host.join("wan0", &remote, "eth0");
        // The router of what is beyond, too, where it has no route itself: it reports so.
        let mut arguments = vec!["--address=/ipv4.test/10.9.0.1", "--address=/both.test/10.9.0.1", "--domain=test"];
        arguments.extend(["--ptr-record=1.0.9.10.in-addr.arpa,router.test", "--log-queries"]);
        if protocols != Protocols::Ipv6 {
            host.ip("addr add 10.9.0.1/24 dev tap0");
            host.ip("addr add 192.0.2.1/24 dev wan0");
            remote.ip("addr add 192.0.2.9/24 dev eth0");
            remote.ip("route add default via 192.0.2.1");
            host.ip("route add 239.0.0.0/8 dev tap0");
            host.ip("route add 224.0.0.0/24 dev tap0");
            host.run("sysctl", "-q -w net.ipv4.ip_forward=1");
            arguments.extend(["--dhcp-range=10.9.0.50,10.9.0.60", "--dhcp-host=52:54:00:12:34:56,10.9.0.50"]);
        }
        if protocols != Protocols::Ipv4 {
            host.ip("addr add fd00:9::1/64 dev tap0 nodad");
            host.ip("addr add fd00:a::1/64 dev wan0 nodad");
            remote.ip("addr add fd00:a::9/64 dev eth0 nodad");
            remote.ip("-6 route add default via fd00:a::1");
            host.run("sysctl", "-q -w net.ipv6.conf.all.forwarding=1");
            arguments.extend(["--enable-ra", "--dhcp-range=fd00:9::,ra-stateless", "--address=/both.test/fd00:9::1"]);
            arguments.push("--address=/ipv6.test/fd00:9::1");
            arguments.push("--dhcp-option=option6:domain-search,test");
        }
        let log = host.start_dnsmasq("tap0", &arguments);
        assert!(log.wait_for_nth("started", 1, TIMEOUT).is_some(), "dnsmasq starts: {}", log.text());
        for (port, serve) in [(4001, greet as fn(TcpStream)), (4005, reset), (4006, count)] {
            let server = host.enter(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))).expect("a port");
            thread::spawn(move || server.incoming().flatten().for_each(serve));
        }
        let answers = host.enter(|| UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 4008))).expect("a port");
        thread::spawn(move || answer_datagrams(&answers));
        // A port whose SYNs are lost.
        host.run("nft", "add table inet test");
        host.run("nft", "add chain inet test in { type filter hook input priority 0 ; }");
        host.run("nft", "add rule inet test in tcp dport 4007 drop");
        let device = host.run("cat", "/sys/class/net/tap0/ifindex").trim().parse().expect("a number");
        let qemu = Qemu::new(Machine::Q35).image(image).option("hostname=outside");
        let guest = qemu.nic_on_tap(&host, "tap0", "virtio-net-pci", GUEST_MAC).start();
        if protocols != Protocols::Ipv6 {
            guest.wait_for("address 10.9.0.50/24 by dhcp");
        }
        if protocols != Protocols::Ipv4 {
            guest.wait_for("address fd00:9::5054:ff:fe12:3456/64 by router advertisement");
        }
        guest.wait_for("outside: configured");
        Self { guest, host, _remote: remote, device }
    }

    /// Sends a request to a port, and returns the whole response.
    fn request(&self, address: SocketAddr, request: &str) -> String {
        self.host.enter(|| {
            let mut stream = connect(address, TIMEOUT);
            stream.write_all(request.as_bytes()).expect("a request is sent");
            let mut response = String::new();
            stream.read_to_string(&mut response).expect("a response");
            response
        })
    }

    /// Returns the last line of a response.
    fn get_from(&self, address: SocketAddr, path: &str) -> String {
        let response = self.request(address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        response.lines().last().unwrap_or_default().to_owned()
    }

    fn get(&self, address: IpAddr, path: &str) -> String {
        self.get_from((address, 80).into(), path)
    }

    /// Page, events, names and outgoing connections over one protocol: the greeting names it.
    fn serves_and_connects(&self, address: IpAddr, name: &str, greeting: &str) {
        assert_eq!(self.get(address, "/"), "no calculator");
        for path in ["greeting", "line"] {
            assert_eq!(self.get(address, &format!("/{path}?host={name}&port=4001")), greeting);
        }
        let refused = self.get(address, &format!("/greeting?host={name}&port=4002"));
        assert_eq!(refused, format!("{name}: the peer refused the connection"));
        assert_eq!(self.get(address, "/greeting?host=none.invalid&port=1").split(": ").next(), Some("none.invalid"));
        let events = self.request((address, 80).into(), "GET /events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assert!(events.contains("data: 1\n\n") && events.contains("data: 3\n\n"), "{events}");
    }

    /// What is the same over each protocol.
    fn check(&self, facts: &Facts) {
        let Facts { guest, name, greeting, router, remote, nowhere, groups } = *facts;
        self.serves_and_connects(guest, name, greeting);
        self.serves_and_connects(guest, router, greeting);
        // In the search domain.
        self.serves_and_connects(guest, name.strip_suffix(".test").expect("a name"), greeting);

        let configuration = self.get_from((guest, 8080).into(), "/configuration");
        assert!(configuration.contains(&format!("\"{guest}/")), "{configuration}");
        assert!(configuration.contains(r#""search_domains":["test"]"#), "{configuration}");
        assert!(self.get(guest, &format!("/lookup?name={name}")).split(' ').any(|address| address == router));
        let echo = self.get(guest, &format!("/ping?host={remote}"));
        assert_eq!(echo, format!("2000 bytes from {remote}"));
        assert_eq!(self.get(guest, &format!("/route?host={remote}")), format!("{router} {remote}"));

        // How connections end, and how they do not begin.
        let statistics = |host: &str, port: u16| self.get(guest, &format!("/statistics?host={host}&port={port}"));
        let counted = r#""received_bytes":1000,"sent_bytes":6,"unacknowledged_bytes":0,"retransmissions":0}"#;
        assert_eq!(statistics(name, 4006), format!(r#"{{"outcome":"the peer has closed its side",{counted}"#));
        let lost = statistics(name, 4005);
        assert!(lost.starts_with(r#"{"outcome":"the peer reset the connection""#), "{lost}");
        assert_eq!(statistics(name, 4007), format!("{name}: the peer does not answer"));
        assert_eq!(statistics(nowhere, 80), format!("{nowhere}: the peer cannot be reached"));

        // Datagrams to the guest, and from it.
        let guest_at = |port| SocketAddr::new(guest, port);
        assert_eq!(self.exchange(guest_at(4000), b"stressed"), b"desserts");
        assert_eq!(self.get(guest, &format!("/datagram?host={router}&port=4008")), "QUESTION");
        assert_eq!(self.get(guest, &format!("/datagram?host={router}&port=4009")), "Refused");
        assert_eq!(self.exchange(self.group(groups[0], 4004), b"member?"), b"MEMBER?");
        self.answers_raw_packets(guest);

        // A question for outside.local to all hosts, by a resolver that knows nothing of multicast (RFC 6762, 6.7).
        let (kind, own) = match guest {
            IpAddr::V4(own) => (1, own.octets().to_vec()),
            IpAddr::V6(own) => (28, own.octets().to_vec()),
        };
        let mut question = b"\x12\x34\0\0\0\x01\0\0\0\0\0\0\x07outside\x05local\0\0".to_vec();
        question.extend([kind, 0, 1]);
        let answer = self.host.enter(|| {
            let socket = bind(guest);
            socket.send_to(&question, self.group(groups[1], 5353)).expect("a question is sent");
            receive(&socket).0
        });
        assert!(answer.starts_with(b"\x12\x34\x84"), "an authoritative answer: {answer:x?}");
        assert!(answer.windows(own.len()).any(|bytes| bytes == own), "with {guest}: {answer:x?}");
    }

    /// Returns the address of a group on the link.
    fn group(&self, group: &str, port: u16) -> SocketAddr {
        match group.parse().expect("an address") {
            IpAddr::V4(group) => (group, port).into(),
            IpAddr::V6(group) => SocketAddrV6::new(group, port, 0, self.device).into(),
        }
    }

    /// Sends a datagram, and returns what comes back from its receiver, or from a member of its group.
    fn exchange(&self, to: SocketAddr, datagram: &[u8]) -> Vec<u8> {
        self.host.enter(|| {
            let socket = bind(to.ip());
            socket.send_to(datagram, to).expect("a datagram is sent");
            let (answer, sender) = receive(&socket);
            assert!(to.ip().is_multicast() || sender.ip() == to.ip(), "{sender} answers for {to}");
            assert_eq!(sender.port(), to.port());
            answer
        })
    }

    /// Packets of protocol 253.
    fn answers_raw_packets(&self, guest: IpAddr) {
        let (family, header) = if guest.is_ipv4() { (AddressFamily::INET, 20) } else { (AddressFamily::INET6, 0) };
        let protocol = Some(Protocol::from_raw(NonZero::new(253).expect("it is not 0")));
        let answer = self.host.enter(|| {
            let raw = socket(family, SocketType::RAW, protocol).expect("a raw socket");
            sockopt::set_socket_timeout(&raw, sockopt::Timeout::Recv, Some(TIMEOUT)).expect("a time limit");
            let raw = UdpSocket::from(raw);
            raw.send_to(b"raw packet", (guest, 0)).expect("a packet is sent");
            receive(&raw).0
        });
        assert_eq!(&answer[header..], b"raw packet");
    }
}

fn skipped(test: &str) -> bool {
    is_skipped_without_namespaces(test)
}

#[test]
fn an_image_of_its_own_serves_and_connects_over_ipv4_alone() {
    if skipped("an_image_of_its_own_serves_and_connects_over_ipv4_alone") {
        return;
    }
    let lan = Lan::start(Protocols::Ipv4);
    lan.check(&FACTS_IPV4);
    lan.serves_and_connects(IPV4, "both.test", "welcome by IPv4");
    assert_eq!(lan.get(IPV4, "/lookup?name=10.9.0.1"), "router.test");
}

#[test]
fn an_image_of_its_own_serves_and_connects_over_ipv6_alone() {
    if skipped("an_image_of_its_own_serves_and_connects_over_ipv6_alone") {
        return;
    }
    let lan = Lan::start(Protocols::Ipv6);
    lan.check(&FACTS_IPV6);
    lan.serves_and_connects(IPV6, "both.test", "welcome by IPv6");
}

#[test]
fn an_image_of_its_own_serves_and_connects_over_both_protocols() {
    if skipped("an_image_of_its_own_serves_and_connects_over_both_protocols") {
        return;
    }
    let lan = Lan::start(Protocols::Both);
    for address in [IPV4, IPV6] {
        lan.serves_and_connects(address, "ipv4.test", "welcome by IPv4");
        lan.serves_and_connects(address, "ipv6.test", "welcome by IPv6");
        lan.serves_and_connects(address, "both.test", "welcome by IPv6");
    }
    assert!(lan.guest.console().text().contains("outside: 0 devices"));
}
