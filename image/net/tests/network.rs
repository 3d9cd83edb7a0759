//! A stack with a client on the host: many connections, lost frames.

use switchboard_net::{InterfaceConfig, SocketError, TcpConfig, TcpListener, UdpSocket};
use switchboard_net_testing::{Connection, TestNetwork};

const PORT: u16 = 7;

/// Echoes each connection.
fn serve_echo(network: &TestNetwork) {
    let listener = TcpListener::bind(network.stack(), PORT, TcpConfig::new(1000, 1000)).expect("a free port");
    let group = network.group().clone();
    network.group().add(async move {
        loop {
            let stream = listener.accept().await;
            group.add(async move {
                let mut buffer = [0; 700];
                while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                    let mut rest = &buffer[..length];
                    while !rest.is_empty() {
                        let Ok(written) = stream.write(rest).await else { break };
                        rest = &rest[written..];
                    }
                }
            });
        }
    });
}

/// Sends `length` bytes on each connection, different ones, and compares what comes back.
fn converse(network: &mut TestNetwork, connections: &[Connection], length: usize, max_steps: usize) {
    let byte = |connection: usize, offset: usize| (connection * 31 + offset * 7).to_le_bytes()[0];
    let data: Vec<Vec<u8>> =
        (0..connections.len()).map(|index| (0..length).map(|offset| byte(index, offset)).collect()).collect();
    let mut progress = vec![(0, 0); connections.len()];
    for _ in 0..max_steps {
        network.step();
        for (index, connection) in connections.iter().enumerate() {
            let (sent, received) = &mut progress[index];
            *sent += network.send(*connection, &data[index][*sent..]);
            for byte in network.receive(*connection) {
                assert_eq!(byte, data[index][*received], "byte {received} of connection {index}");
                *received += 1;
            }
        }
        if progress.iter().all(|(_, received)| *received == length) {
            return;
        }
    }
    panic!("not all came back: {progress:?}");
}

#[test]
fn many_connections_each_get_their_own_data_and_their_sockets_are_reused() {
    let mut network = TestNetwork::new();
    serve_echo(&network);
    for _ in 0..3 {
        let connections: Vec<_> = (0..300).map(|_| network.connect(PORT)).collect();
        converse(&mut network, &connections, 3000, 1000);
        for connection in &connections {
            network.close(*connection);
        }
        for _ in 0..100 {
            network.step();
        }
        for connection in connections {
            assert!(network.has_ended(connection), "{connection:?}");
        }
    }
}

#[test]
fn lost_frames_are_retransmitted() {
    let mut network = TestNetwork::lossy(7);
    serve_echo(&network);
    let connections: Vec<_> = (0..20).map(|_| network.connect(PORT)).collect();
    converse(&mut network, &connections, 5000, 200_000);
}

#[test]
fn a_connection_to_a_port_without_a_listener_is_refused() {
    let mut network = TestNetwork::new();
    let connection = network.connect(40_000);
    for _ in 0..10 {
        network.step();
    }
    assert!(network.has_ended(connection));
}

#[test]
fn a_peer_that_aborts_its_attempt_leaves_the_socket_listening() {
    let mut network = TestNetwork::new();
    serve_echo(&network);
    for _ in 0..10 {
        let connection = network.connect(PORT);
        // The first attempt resolves the address by ARP, the others send their SYN.
        network.step();
        network.abort(connection);
        network.step();
    }
    let connection = network.connect(PORT);
    converse(&mut network, &[connection], 100, 100);
}

#[test]
fn a_port_has_one_listener() {
    let network = TestNetwork::new();
    let bind = |port| TcpListener::bind(network.stack(), port, TcpConfig::default());
    assert!(matches!(bind(0), Err(SocketError::InvalidPort)));
    let listener = bind(PORT).expect("a free port");
    assert!(matches!(bind(PORT), Err(SocketError::PortInUse)));
    drop(listener);
    assert!(bind(PORT).is_ok());
    assert!(matches!(UdpSocket::bind(network.stack(), 0, 1, 100), Err(SocketError::InvalidPort)));
}

#[test]
fn the_maximum_packet_length_of_the_network_is_kept() {
    let mut config = InterfaceConfig::default();
    config.mtu = Some(600);
    for (config, expected) in [(config, 108..200), (InterfaceConfig::default(), 60..100)] {
        let mut network = TestNetwork::with_config(config);
        let listener = TcpListener::bind(network.stack(), PORT, TcpConfig::new(1000, 4000)).expect("a free port");
        network.group().add(async move {
            let stream = listener.accept().await;
            let mut left = 60_000;
            while left > 0 {
                left -= stream.write(&vec![1; left]).await.expect("a connection");
            }
            stream.close();
            stream.flush().await;
        });
        let before = network.state().traffic.sent_frames();
        assert_eq!(network.exchange(PORT, b"").len(), 60_000);
        let frames = network.state().traffic.sent_frames() - before;
        assert!(expected.contains(&frames), "{frames} frames, {expected:?} expected");
    }
}

/// Has the stack send `length` bytes on a connection. Returns the frames that it was sent in, by its own count.
fn download(mut network: TestNetwork, length: usize) -> u64 {
    let byte = |offset: usize| (offset * 7 + offset / 251).to_le_bytes()[0];
    let listener = TcpListener::bind(network.stack(), PORT, TcpConfig::new(1000, 256 * 1024)).expect("a free port");
    network.group().add(async move {
        let stream = listener.accept().await;
        let data: Vec<u8> = (0..length).map(byte).collect();
        let mut rest = &data[..];
        while !rest.is_empty() {
            let written = stream.write(rest).await.expect("a connection");
            rest = &rest[written..];
        }
        stream.close();
        stream.flush().await;
    });
    let connection = network.connect_with_window(PORT, 500_000);
    let mut received = Vec::new();
    for _ in 0..500_000 {
        network.step();
        received.extend(network.receive(connection));
        if received.len() >= length {
            break;
        }
    }
    assert!(received.into_iter().eq((0..length).map(byte)), "the data");
    network.state().traffic.sent_frames()
}

#[test]
fn a_card_that_splits_segments_gets_long_ones() {
    const LENGTH: usize = 1_000_000;
    for is_ipv6 in [false, true] {
        let plain = if is_ipv6 { TestNetwork::ipv6() } else { TestNetwork::new() };
        let plain = download(plain, LENGTH);
        let long = download(TestNetwork::with_segmentation(0, is_ipv6), LENGTH);
        assert!(plain > 600 && long * 2 < plain, "{plain} frames, {long} of them long");
    }
}

#[test]
fn long_segments_of_which_frames_are_lost_are_sent_again() {
    for is_ipv6 in [false, true] {
        download(TestNetwork::with_segmentation(9, is_ipv6), 200_000);
    }
}
