//! Peers that violate the protocol: errors and alerts, never a panic.

mod support;

use embassy_futures::block_on;
use embassy_futures::join::join;
use embedded_io_async::{Read, Write};
use support::pipe::{Pipe, pipe};
use support::{NAME, VERSIONS, acceptor, connector_with};
use switchboard_tls::rustls::SupportedProtocolVersion;
use switchboard_tls::{TlsError, TlsStream};

/// Exchanges a byte both ways over two ends; what arrives is what was sent.
async fn use_stream(stream: &mut TlsStream<Pipe>) -> bool {
    let mut byte = [0];
    let is_received = stream.write_all(b"x").await.is_ok() && stream.read(&mut byte).await == Ok(1);
    assert!(!is_received || byte == *b"x", "a changed byte was delivered");
    is_received && stream.close().await.is_ok()
}

/// Connects over a pipe whose ends `change` prepares; returns whether each end has worked, and the bytes that client and
/// server have sent.
fn run(version: &'static SupportedProtocolVersion, change: impl Fn(&mut Pipe, &mut Pipe)) -> ([bool; 2], [Vec<u8>; 2]) {
    let (mut client, mut server) = pipe();
    change(&mut client, &mut server);
    let (from_client, from_server) = (server.tap(), client.tap());
    let connector = connector_with("p256", version, b"http/1.1", None);
    let acceptor = acceptor("p256");
    let client = async {
        match connector.connect(NAME, client).await {
            Ok(mut stream) => use_stream(&mut stream).await,
            Err(_) => false,
        }
    };
    let server = async {
        match acceptor.accept(server).await {
            Ok(mut stream) => use_stream(&mut stream).await,
            Err(_) => false,
        }
    };
    let (client, server) = block_on(join(client, server));
    ([client, server], [from_client(), from_server()])
}

#[test]
fn a_changed_byte_anywhere_is_found() {
    for version in VERSIONS {
        let (works, sent) = run(version, |_, _| {});
        assert_eq!(works, [true; 2]);
        for (end, sent) in sent.iter().enumerate() {
            let mut missed = 0;
            for position in (0..sent.len()).filter(|position| *position < 12 || position % 7 == 0) {
                let (works, _) = run(version, |client, server| {
                    let changed = if end == 0 { client } else { server };
                    changed.flipped = Some(position);
                });
                missed += usize::from(works == [true; 2]);
            }
            // Some bytes have no meaning: the versions of unencrypted records, and what comes after all data.
            assert!(missed <= 8, "{version:?} end {end}: {missed} changes of {} were not found", sent.len());
        }
    }
}

#[test]
fn a_connection_that_is_cut_anywhere_is_an_error() {
    for version in VERSIONS {
        let (_, sent) = run(version, |_, _| {});
        for (end, sent) in sent.iter().enumerate() {
            for length in (0..sent.len()).step_by(41) {
                let (works, _) = run(version, |client, server| {
                    let cut = if end == 0 { client } else { server };
                    cut.cut_after = Some(length);
                });
                assert!(works != [true; 2] || length + 60 > sent.len(), "{version:?} end {end} after {length}");
            }
        }
    }
}

/// Returns numbers that look random.
fn numbers(mut state: u64) -> impl FnMut() -> u64 {
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

/// Sends bytes to a server; returns its error and what it has sent.
fn send_to_server(bytes: &[u8]) -> (TlsError<core::convert::Infallible>, Vec<u8>) {
    let (mut client, server) = pipe();
    let answer = client.tap();
    block_on(client.write_all(bytes)).unwrap();
    drop(client);
    let error = block_on(acceptor("p256").accept(server)).expect_err("refused");
    (error, answer())
}

#[test]
fn garbage_is_answered_by_an_alert() {
    let mut number = numbers(9);
    for _ in 0..200 {
        let bytes: Vec<u8> = (0..number() % 2_000).map(|_| number().to_le_bytes()[0]).collect();
        send_to_server(&bytes);
    }
    // A plain HTTP request, as of a client that has the wrong port.
    let (error, answer) = send_to_server(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(matches!(error, TlsError::Protocol(_)), "{error}");
    assert!(matches!(answer[..], [21, 3, _, 0, 2, 2, _]), "a fatal alert: {answer:?}");
}

#[test]
fn records_with_random_contents_are_refused() {
    let mut number = numbers(3);
    for typ in 19..26 {
        for _ in 0..50 {
            let length = number() % 300;
            let mut bytes =
                vec![typ, 3, (number() % 5).to_le_bytes()[0], length.to_le_bytes()[1], length.to_le_bytes()[0]];
            bytes.extend((0..length).map(|_| number().to_le_bytes()[0]));
            send_to_server(&bytes);
        }
    }
}

#[test]
fn a_client_hello_that_never_ends_is_bounded() {
    // Records of a handshake message that announces 16 MiB.
    let mut bytes = Vec::new();
    for index in 0..100 {
        bytes.extend_from_slice(&[22, 3, 1, 0x40, 0]);
        let start = bytes.len();
        bytes.resize(start + 0x4000, 0);
        if index == 0 {
            bytes[start..start + 4].copy_from_slice(&[1, 0xff, 0xff, 0xff]);
        }
    }
    let (error, _) = send_to_server(&bytes);
    assert!(matches!(error, TlsError::Protocol(_) | TlsError::OutOfMemory), "{error}");
}

#[test]
fn a_server_that_sends_garbage_is_refused() {
    let mut number = numbers(5);
    for round in 0..100 {
        let (client, mut server) = pipe();
        let length = number() % 500;
        let mut bytes =
            if round % 2 == 0 { vec![22, 3, 3, length.to_le_bytes()[1], length.to_le_bytes()[0]] } else { Vec::new() };
        bytes.extend((0..length).map(|_| number().to_le_bytes()[0]));
        block_on(server.write_all(&bytes)).unwrap();
        drop(server);
        let connector = connector_with("p256", VERSIONS[round % 2], b"http/1.1", None);
        block_on(connector.connect(NAME, client)).expect_err("refused");
    }
}
