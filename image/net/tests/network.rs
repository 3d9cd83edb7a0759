//! A stack with a client on the host: many connections, lost frames, too many sockets.

use switchboard_net::{SocketError, TcpSocket, UdpSocket};
use switchboard_net_testing::{Connection, TestNetwork};

const PORT: u16 = 7;

/// Starts tasks that each echo one connection after the other.
fn serve_echo(network: &TestNetwork, workers: usize) {
    for _ in 0..workers {
        let stack = network.stack().clone();
        network.group().add(async move {
            loop {
                let socket = TcpSocket::new(&stack, 1000, 1000).expect("room for a socket");
                socket.accept(PORT).await.expect("a valid port");
                let mut buffer = [0; 700];
                while let Ok(length @ 1..) = socket.read(&mut buffer).await {
                    let mut rest = &buffer[..length];
                    while !rest.is_empty() {
                        let Ok(written) = socket.write(rest).await else { break };
                        rest = &rest[written..];
                    }
                }
                socket.close();
                socket.flush().await;
            }
        });
    }
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
    serve_echo(&network, 300);
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
    serve_echo(&network, 20);
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
    serve_echo(&network, 1);
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
fn too_many_sockets_are_an_error_and_dropping_one_makes_room() {
    let network = TestNetwork::new();
    let mut sockets = Vec::new();
    let error = loop {
        match TcpSocket::new(network.stack(), 1, 1) {
            Ok(socket) => sockets.push(socket),
            Err(error) => break error,
        }
    };
    assert_eq!((error, sockets.len()), (SocketError::TooManySockets, 512));
    assert!(matches!(UdpSocket::bind(network.stack(), 7, 1, 100), Err(SocketError::TooManySockets)));
    sockets.pop();
    assert!(UdpSocket::bind(network.stack(), 7, 1, 100).is_ok());
    assert!(matches!(UdpSocket::bind(network.stack(), 0, 1, 100), Err(SocketError::InvalidPort)));
}
