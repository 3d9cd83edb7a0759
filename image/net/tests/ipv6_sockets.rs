//! ICMP and raw sockets over IPv6, between two stacks.

use core::future::poll_fn;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::pin::pin;
use std::rc::Rc;

use embassy_time::Duration;
use switchboard::config::Address;
use switchboard_net::{
    AddressSource, IcmpErrorKind, IcmpSocket, InterfaceState, Ipv6Settings, Mac, PingError, RawSocket, SendError,
    Stack, UdpSocket,
};
use switchboard_net_testing::{TestCard, TestNetwork};

const HOSTS: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0xa), Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0xb)];
const SECOND: Duration = Duration::from_secs(1);

/// Returns two stacks at the ends of a link.
fn two_stacks() -> (TestNetwork, [Stack; 2]) {
    let mut network = TestNetwork::new();
    let (first, second) = TestCard::pair();
    let mut number = 0;
    let stacks = [first, second].map(|card| {
        let source = AddressSource::Static { address: Ipv4Addr::new(10, 0, 9, number + 1), prefix: 24, gateway: None };
        let settings = Ipv6Settings::default().with_address(HOSTS[usize::from(number)], 64);
        let mac = Mac([2, 0, 0, 0, 0, number + 1]);
        let state = InterfaceState::new(Address::new(0, 0, 3 + number, 0), "test", mac, source, 0).with_ipv6(settings);
        number += 1;
        let (stack, runner) = Stack::new(Box::new(card), Rc::new(state), number.into());
        network.group().add(async move {
            let mut runner = pin!(runner);
            poll_fn(|context| {
                context.waker().wake_by_ref();
                runner.as_mut().poll(context)
            })
            .await;
        });
        stack
    });
    for _ in 0..10 {
        network.step();
    }
    (network, stacks)
}

#[test]
fn pings_of_any_size_are_answered_over_both_protocols() {
    let (mut network, [stack, _other]) = two_stacks();
    let socket = Rc::new(IcmpSocket::new(&stack).expect("a socket"));
    for (length, address) in [0, 1, 56, 1452, 1453, 5000, 65_000]
        .into_iter()
        .flat_map(|length| [(length, IpAddr::from(HOSTS[1])), (length, Ipv4Addr::new(10, 0, 9, 2).into())])
    {
        let socket = socket.clone();
        let payload: Vec<u8> = (0..length).map(|index: usize| (index * 7).to_le_bytes()[0]).collect();
        let reply = network.wait(async move { socket.ping(address, &payload, SECOND).await });
        let reply = reply.unwrap_or_else(|error| panic!("{length} bytes to {address}: {error}"));
        assert_eq!((reply.from, reply.payload_bytes, reply.is_intact), (address, length, true));
    }
}

#[test]
fn what_cannot_be_reached_is_reported() {
    let (mut network, [stack, _other]) = two_stacks();
    let socket = Rc::new(IcmpSocket::new(&stack).expect("a socket"));
    let ping = |address: &str, socket: Rc<IcmpSocket>| {
        let address: IpAddr = address.parse().expect("an address");
        async move { socket.ping(address, b"hello", Duration::from_secs(10)).await }
    };
    for (address, kind) in [
        // A neighbour that is not there.
        ("fd00::77", IcmpErrorKind::HostUnreachable),
        // There is no route.
        ("2001:db8::1", IcmpErrorKind::NetworkUnreachable),
    ] {
        match network.wait(ping(address, socket.clone())) {
            Err(PingError::Reported(error)) => {
                assert_eq!((error.kind, error.remote.ip()), (kind, address.parse::<IpAddr>().expect("an address")));
                assert_eq!(error.local_address, error.reporter);
            }
            other => panic!("{address}: {other:?}"),
        }
    }
    assert_eq!(network.wait(ping("::", socket)), Err(PingError::Unsent(SendError::InvalidAddress)));
}

#[test]
fn refusals_of_the_peer_reach_udp_and_raw_sockets() {
    let (mut network, [stack, _other]) = two_stacks();
    let socket = UdpSocket::bind(&stack, 5000, 4, 4096).expect("a socket");
    let error = network.wait(async move {
        socket.send(b"hello", (HOSTS[1], 53).into()).await.expect("room");
        socket.error().await
    });
    assert_eq!((error.kind, error.remote), (IcmpErrorKind::PortUnreachable, (HOSTS[1], 53).into()));
    assert_eq!(error.reporter, IpAddr::from(HOSTS[1]));
    let socket = RawSocket::bind(&stack, 89, 4, 4096).expect("a socket");
    socket.send(HOSTS[1].into(), 64, b"hello again").expect("room");
    for _ in 0..20 {
        network.step();
    }
    let error = socket.take_error().expect("an error");
    assert_eq!((error.kind, error.protocol), (IcmpErrorKind::ProtocolUnreachable, 89));
    assert_eq!(socket.take_error(), None);
}

#[test]
fn raw_sockets_send_and_receive_packets_of_ipv6() {
    let (mut network, [stack, other]) = two_stacks();
    let (socket, peer) = (RawSocket::bind(&stack, 89, 4, 8192), RawSocket::bind(&other, 89, 4, 8192));
    let (socket, peer) = (socket.expect("a socket"), Rc::new(peer.expect("a socket")));
    for length in [0, 5, 4000] {
        socket.send(HOSTS[1].into(), 3, &vec![7; length]).expect("room");
        let peer = peer.clone();
        let (packet, from) = network.wait(async move {
            let mut buffer = vec![0; 5000];
            let (bytes, from) = peer.receive(&mut buffer).await.expect("a packet");
            buffer.truncate(bytes);
            (buffer, from)
        });
        assert_eq!((packet.len(), from), (40 + length, IpAddr::from(HOSTS[0])));
        assert_eq!((packet[0] >> 4, packet[6], packet[40..].iter().all(|byte| *byte == 7)), (6, 89, true));
    }
    let too_long = socket.send(HOSTS[1].into(), 3, &vec![0; 65_536]);
    assert_eq!(too_long, Err(SendError::TooLong));
}
