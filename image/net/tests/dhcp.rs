//! DHCP through a whole stack: the frames on the wire, and what the interface makes of the answers.

use core::cell::{Cell, OnceCell};
use core::future::poll_fn;
use core::net::Ipv4Addr;
use core::pin::pin;
use std::rc::Rc;

use smoltcp::phy::{ChecksumCapabilities, Device, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{
    DhcpMessageType, DhcpPacket, DhcpRepr, EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet, Ipv4Repr,
    UdpPacket, UdpRepr,
};
use switchboard::config::Address;
use switchboard_net::{AddressSource, DhcpState, InterfaceConfig, InterfaceState, Ipv6Settings, Mac, Stack};
use switchboard_net_testing::{TestCard, TestNetwork, frames};

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 5, 1);
const OFFERED: Ipv4Addr = Ipv4Addr::new(192, 168, 5, 77);

/// A stack without an address, and the other end of its link.
struct Host {
    clock: TestNetwork,
    stack: Stack,
    peer: TestCard,
    link: Rc<Cell<bool>>,
}

/// A DHCP message of the stack.
#[derive(Debug, PartialEq)]
struct Request {
    message_type: DhcpMessageType,
    transaction_id: u32,
    is_broadcast: bool,
    source: Ipv4Addr,
    destination: Ipv4Addr,
}

impl Host {
    fn new() -> Self {
        Self::create(AddressSource::Dhcp, Ipv6Settings::default())
    }

    fn create(source: AddressSource, ipv6: Ipv6Settings) -> Self {
        let clock = TestNetwork::new();
        let (card, peer) = TestCard::pair();
        let link = card.link();
        let state = InterfaceState::new(Address::new(0, 0, 2, 0), "test", Mac(MAC), source, 0).with_ipv6(ipv6);
        let (stack, runner) = Stack::new(Box::new(card), Rc::new(state), 1);
        clock.group().add(async move {
            let mut runner = pin!(runner);
            poll_fn(|context| {
                context.waker().wake_by_ref();
                runner.as_mut().poll(context)
            })
            .await;
        });
        Self { clock, stack, peer, link }
    }

    /// Returns the IPv4 addresses.
    fn addresses(&self) -> Vec<String> {
        let config = self.stack.state().config();
        let ipv4 = config.addresses.iter().filter(|address| address.address.is_ipv4());
        ipv4.map(ToString::to_string).collect()
    }

    /// Steps for so many milliseconds, or until the stack sends a DHCP message.
    fn next_request(&mut self, milliseconds: usize) -> Option<Request> {
        for _ in 0..milliseconds {
            self.clock.step();
            while let Some((frame, _)) = self.peer.receive(Instant::ZERO) {
                let request = frame.consume(parse);
                if request.is_some() {
                    return request;
                }
            }
        }
        None
    }

    /// Sends an answer to the stack: to its Ethernet address, and the address that it is to have.
    fn answer(&mut self, request: &Request, message_type: DhcpMessageType, seconds: u32) {
        let mut payload = [0; 300];
        let dhcp = DhcpRepr {
            message_type,
            transaction_id: request.transaction_id,
            secs: 0,
            client_hardware_address: smoltcp::wire::EthernetAddress(MAC),
            client_ip: Ipv4Addr::UNSPECIFIED,
            your_ip: OFFERED,
            server_ip: SERVER,
            router: Some(SERVER),
            subnet_mask: Some(Ipv4Addr::new(255, 255, 255, 0)),
            relay_agent_ip: Ipv4Addr::UNSPECIFIED,
            broadcast: false,
            requested_ip: None,
            client_identifier: None,
            server_identifier: Some(SERVER),
            parameter_request_list: None,
            dns_servers: None,
            max_size: None,
            lease_duration: Some(seconds),
            renew_duration: None,
            rebind_duration: None,
            additional_options: &[],
        };
        dhcp.emit(&mut DhcpPacket::new_unchecked(&mut payload[..])).expect("room for the options");
        let frame = frame(&payload);
        let token = self.peer.transmit(Instant::ZERO).expect("room for a frame");
        token.consume(frame.len(), |room| room.copy_from_slice(&frame));
    }

    /// Answers the next two messages with an offer and an acknowledgement.
    fn bind(&mut self, seconds: u32) {
        for (wanted, answer) in
            [(DhcpMessageType::Discover, DhcpMessageType::Offer), (DhcpMessageType::Request, DhcpMessageType::Ack)]
        {
            let request = self.next_request(2000).expect("a message");
            assert_eq!((request.message_type, request.is_broadcast), (wanted, true));
            assert_eq!((request.source, request.destination), (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST));
            self.answer(&request, answer, seconds);
        }
        assert_eq!(self.next_request(5), None);
        assert_eq!(self.addresses(), ["192.168.5.77/24"]);
    }
}

fn parse(frame: &[u8]) -> Option<Request> {
    let ethernet = EthernetFrame::new_checked(frame).expect("a frame");
    if ethernet.ethertype() != EthernetProtocol::Ipv4 {
        return None;
    }
    let ip = Ipv4Packet::new_checked(ethernet.payload()).expect("a packet");
    assert!(ip.verify_checksum());
    let udp = UdpPacket::new_checked(ip.payload()).expect("a datagram");
    assert!(udp.verify_checksum(&ip.src_addr().into(), &ip.dst_addr().into()));
    if (udp.src_port(), udp.dst_port()) != (68, 67) {
        return None;
    }
    let dhcp = DhcpPacket::new_checked(udp.payload()).expect("a message");
    let repr = DhcpRepr::parse(&dhcp).expect("a message");
    Some(Request {
        message_type: repr.message_type,
        transaction_id: repr.transaction_id,
        is_broadcast: ethernet.dst_addr().is_broadcast(),
        source: ip.src_addr(),
        destination: ip.dst_addr(),
    })
}

/// Returns the frame of a DHCP message to the stack.
fn frame(payload: &[u8]) -> Vec<u8> {
    let checksums = ChecksumCapabilities::default();
    let ip = Ipv4Repr {
        src_addr: SERVER,
        dst_addr: OFFERED,
        next_header: IpProtocol::Udp,
        payload_len: 8 + payload.len(),
        hop_limit: 64,
    };
    let mut frame = vec![0; 14 + 20 + 8 + payload.len()];
    frame[..14].copy_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]);
    ip.emit(&mut Ipv4Packet::new_unchecked(&mut frame[14..]), &checksums);
    UdpRepr { src_port: 67, dst_port: 68 }.emit(
        &mut UdpPacket::new_unchecked(&mut frame[34..]),
        &SERVER.into(),
        &OFFERED.into(),
        payload.len(),
        |room| room.copy_from_slice(payload),
        &checksums,
    );
    frame
}

#[test]
fn an_address_is_acquired_and_lost_exactly_when_its_lease_ends() {
    let mut host = Host::new();
    host.bind(10);
    // Renewals are not answered. The card is idle but for the deadlines of the client.
    let mut messages = 0;
    let mut milliseconds = 0;
    while !host.addresses().is_empty() {
        messages += usize::from(host.next_request(1).is_some());
        milliseconds += 1;
        assert!(milliseconds < 11_000, "the address is kept");
    }
    assert!((9_980..=10_000).contains(&milliseconds), "lost after {milliseconds} ms");
    assert!((2..10).contains(&messages), "{messages} messages");
}

#[test]
fn the_address_stays_when_the_link_flaps_and_is_confirmed() {
    let mut host = Host::new();
    host.bind(3600);
    host.link.set(false);
    assert_eq!(host.next_request(20), None);
    assert!(!host.stack.state().is_up());
    assert_eq!(host.addresses(), ["192.168.5.77/24"]);
    host.link.set(true);
    let request = host.next_request(100).expect("a request");
    assert_eq!((request.message_type, request.is_broadcast), (DhcpMessageType::Request, true));
    host.answer(&request, DhcpMessageType::Ack, 3600);
    assert_eq!(host.next_request(2000), None);
    assert_eq!(host.addresses(), ["192.168.5.77/24"]);
    // A NAK ends its use, and another is discovered.
    host.link.set(false);
    assert_eq!(host.next_request(20), None);
    host.link.set(true);
    let request = host.next_request(100).expect("a request");
    host.answer(&request, DhcpMessageType::Nak, 0);
    assert_eq!(host.next_request(100), None);
    assert!(host.addresses().is_empty());
    assert_eq!(host.next_request(2000).expect("a message").message_type, DhcpMessageType::Discover);
}

#[test]
fn a_lease_is_given_back_at_the_end() {
    let mut host = Host::new();
    host.bind(3600);
    let done = Rc::new(Cell::new(false));
    let (is_done, stack) = (done.clone(), host.stack.clone());
    host.clock.group().add(async move {
        stack.withdraw().await;
        is_done.set(true);
    });
    // The server's Ethernet address is asked for first.
    let request = loop {
        host.clock.step();
        let Some((frame, _)) = host.peer.receive(Instant::ZERO) else { continue };
        let asked = frame.consume(|frame| frames::arp_of(frame).map_or_else(|| Err(parse(frame)), Ok));
        match asked {
            Ok((1, sender, target)) if target == SERVER.octets() => {
                let reply = frames::arp_reply([2, 0, 0, 0, 0, 2], target, MAC, sender);
                let token = host.peer.transmit(Instant::ZERO).expect("room for a frame");
                token.consume(reply.len(), |room| room.copy_from_slice(&reply));
            }
            Err(Some(request)) => break request,
            _ => {}
        }
    };
    assert_eq!((request.message_type, request.is_broadcast), (DhcpMessageType::Release, false));
    assert_eq!((request.source, request.destination), (OFFERED, SERVER));
    assert_eq!((host.next_request(5000), done.get()), (None, true));
    assert_eq!(host.stack.dhcp_status().map(|status| status.state), Some(DhcpState::Stopped));
}

#[test]
fn without_a_server_a_link_local_address_is_used_until_one_answers() {
    let mut host = Host::new();
    let messages = (0..20).filter(|_| host.next_request(1000).is_some()).count();
    assert!((2..=5).contains(&messages), "{messages} messages in 20 s");
    let addresses = host.addresses();
    assert_eq!(addresses.len(), 1);
    assert!(addresses[0].starts_with("169.254.") && addresses[0].ends_with("/16"), "{addresses:?}");
    let config = host.stack.state().config();
    assert!(config.is_reachable() && !config.is_routable());
    // Discovery goes on, and the lease replaces the address.
    for answer in [DhcpMessageType::Offer, DhcpMessageType::Ack] {
        let request = host.next_request(80_000).expect("a message");
        assert_eq!((request.source, request.destination), (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST));
        host.answer(&request, answer, 10);
    }
    assert_eq!(host.next_request(5), None);
    assert_eq!(host.addresses(), ["192.168.5.77/24"]);
    assert!(host.stack.state().config().is_routable());
    // When the lease ends without a server, the same address comes back.
    for _ in 0..40 {
        let _ = host.next_request(1000);
    }
    assert_eq!(host.addresses(), addresses);
}

/// Waits for the configuration in a task; the cell has it afterwards.
fn configured(host: &Host) -> Rc<OnceCell<Rc<InterfaceConfig>>> {
    let found = Rc::new(OnceCell::new());
    let (place, stack) = (found.clone(), host.stack.clone());
    host.clock.group().add(async move {
        drop(place.set(stack.state().configured().await));
    });
    found
}

#[test]
fn an_interface_with_an_ipv6_address_is_configured_when_the_lease_has_come() {
    let mut host = Host::create(AddressSource::Dhcp, ipv6_address());
    let found = configured(&host);
    let request = host.next_request(2000).expect("a discovery");
    assert_eq!(host.next_request(1000), None);
    assert!(host.stack.state().config().is_routable() && found.get().is_none(), "the lease is to be waited for");
    host.answer(&request, DhcpMessageType::Offer, 600);
    let request = host.next_request(2000).expect("a request");
    host.answer(&request, DhcpMessageType::Ack, 600);
    assert_eq!(host.next_request(5), None);
    let config = found.get().expect("the lease has come");
    assert_eq!(config.ipv4_address().map(|address| address.to_string()).as_deref(), Some("192.168.5.77/24"));
}

#[test]
fn an_interface_with_an_ipv6_address_alone_is_configured_after_a_limited_wait() {
    let mut host = Host::create(AddressSource::Dhcp, ipv6_address());
    let found = configured(&host);
    for _ in 0..4900 {
        host.clock.step();
    }
    assert!(found.get().is_none());
    for _ in 0..200 {
        host.clock.step();
    }
    let config = found.get().expect("IPV4_WAIT is over");
    assert!(config.ipv4_address().is_none() && config.is_routable());

    let mut host = Host::create(AddressSource::Off, ipv6_address());
    let found = configured(&host);
    for _ in 0..20 {
        host.clock.step();
    }
    assert!(found.get().is_some(), "there is no IPv4 to wait for");
}

#[test]
fn an_interface_with_its_own_ipv6_address_alone_is_not_configured() {
    let mut host = Host::create(AddressSource::Off, Ipv6Settings::default());
    let found = configured(&host);
    for _ in 0..20_000 {
        host.clock.step();
    }
    assert!(!host.stack.state().config().addresses.is_empty() && found.get().is_none());
}

fn ipv6_address() -> Ipv6Settings {
    Ipv6Settings::default().with_address("fd00::1".parse().expect("an address"), 64)
}
