//! TCP and UDP over IPv6, with a client on the host.

use core::net::SocketAddr;
use std::rc::Rc;

use switchboard_net::{ConfigSource, Service, TcpConfig, TcpError, TcpStream, UdpSocket};
use switchboard_net_testing::TestNetwork;

/// Echoes what each connection sends.
async fn echo(socket: &Rc<TcpStream>) {
    let mut buffer = [0; 700];
    while let Ok(length @ 1..) = socket.read(&mut buffer).await {
        let mut rest = &buffer[..length];
        while !rest.is_empty() {
            let Ok(written) = socket.write(rest).await else { return };
            rest = &rest[written..];
        }
    }
}

const SERVICE: Service =
    Service { port: 7, receive_bytes: 1000, transmit_bytes: 1000, backlog: 4, max_connections: 16 };

fn data(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 7).to_le_bytes()[0]).collect()
}

#[test]
fn one_listener_serves_both_protocols() {
    let mut ipv6 = TestNetwork::ipv6();
    SERVICE.start(ipv6.group(), ipv6.stack(), echo);
    let mut ipv4 = TestNetwork::new();
    SERVICE.start(ipv4.group(), ipv4.stack(), echo);
    for _ in 0..10 {
        assert_eq!(ipv6.exchange(7, &data(5000)), data(5000));
        assert_eq!(ipv4.exchange(7, &data(5000)), data(5000));
    }
}

#[test]
fn connections_survive_lost_frames() {
    let mut network = TestNetwork::lossy_ipv6(7);
    SERVICE.start(network.group(), network.stack(), echo);
    assert_eq!(network.exchange(7, &data(20_000)), data(20_000));
}

#[test]
fn datagrams_come_back_from_the_address_that_they_were_sent_to() {
    let mut network = TestNetwork::ipv6();
    let socket = UdpSocket::bind(network.stack(), 4000, 4, 4096).expect("room");
    network.group().add(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.receive(&mut buffer).await {
            assert!(from.is_ipv6(), "{from}");
            let _ = socket.send(&buffer[..length], from).await;
        }
    });
    for length in [0, 1, 700, 1400] {
        assert_eq!(network.exchange_datagram(4000, &data(length)), data(length));
    }
}

#[test]
fn the_configuration_has_addresses_of_both_protocols() {
    let network = TestNetwork::ipv6();
    let config = network.state().config();
    let addresses: Vec<_> = config.addresses.iter().map(|own| (own.to_string(), own.source)).collect();
    let expected = [
        ("10.0.0.1/24", ConfigSource::CommandLine),
        ("fd00::1/64", ConfigSource::CommandLine),
        ("fe80::ff:fe00:1/64", ConfigSource::LinkLocal),
    ];
    assert_eq!(addresses, expected.map(|(address, source)| (address.to_owned(), source)));
}

#[test]
fn a_connection_to_a_port_without_a_listener_is_refused() {
    let mut network = TestNetwork::ipv6();
    let connection = network.connect(40_000);
    for _ in 0..10 {
        network.step();
    }
    assert!(network.has_ended(connection));
}

#[test]
fn an_address_without_a_route_does_not_hide_why_the_others_failed() {
    let remotes: Vec<SocketAddr> = ["10.0.0.2:9", "[2001:db8::2]:9"].map(|text| text.parse().expect("one")).into();
    let reversed: Vec<SocketAddr> = remotes.iter().rev().copied().collect();
    for remotes in [remotes, reversed] {
        let mut network = TestNetwork::new();
        let stack = network.stack().clone();
        let attempt = async move { TcpStream::connect_any(&stack, &remotes, TcpConfig::default()).await.err() };
        assert_eq!(network.wait(attempt), Some(TcpError::Refused));
    }
    let mut network = TestNetwork::new();
    let stack = network.stack().clone();
    let remote = "[2001:db8::2]:9".parse().expect("an address");
    let attempt = async move { TcpStream::connect_any(&stack, &[remote], TcpConfig::default()).await.err() };
    assert_eq!(network.wait(attempt), Some(TcpError::Unreachable));
}
