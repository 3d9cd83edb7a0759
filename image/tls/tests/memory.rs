//! Both ends in memory: every key and version, resumption, and refusals.

mod support;

use embassy_futures::block_on;
use embassy_futures::join::join;
use embedded_io_async::{Read, Write};
use support::pipe::{Pipe, pipe};
use support::{KEYS, NAME, VERSIONS, acceptor, connector, connector_with};
use switchboard_tls::rustls::{AlertDescription, CertificateError, Error};
use switchboard_tls::{TlsAcceptor, TlsConnector, TlsError, TlsStream};

type Connected<T> = Result<TlsStream<T>, TlsError<core::convert::Infallible>>;

/// Connects both ends; returns the client's and the server's.
fn connect(
    acceptor: &TlsAcceptor,
    connector: &TlsConnector,
    name: &str,
    (client, server): (Pipe, Pipe),
) -> (Connected<Pipe>, Connected<Pipe>) {
    block_on(join(connector.connect(name, client), acceptor.accept(server)))
}

/// Sends data from one end to the other, and the end; returns what was received.
fn transfer(from: TlsStream<Pipe>, mut to: TlsStream<Pipe>, data: &[u8]) -> Vec<u8> {
    let send = async {
        let mut from = from;
        from.write_all(data).await.expect("sent");
        from.close().await.expect("closed");
        from
    };
    let receive = async {
        let (mut received, mut buffer) = (Vec::new(), [0; 1000]);
        loop {
            match to.read(&mut buffer).await.expect("data") {
                0 => return received,
                count => received.extend_from_slice(&buffer[..count]),
            }
        }
    };
    block_on(join(send, receive)).1
}

#[test]
fn every_key_and_version_carries_data_both_ways() {
    let data: Vec<u8> = (0..100_000_u32).map(|index| ((index * 7) >> 3).to_le_bytes()[0]).collect();
    for key in KEYS {
        let acceptor = acceptor(key);
        for version in VERSIONS {
            let connector = connector_with(key, version, b"http/1.1", None);
            for is_download in [false, true] {
                let (client, server) = connect(&acceptor, &connector, NAME, pipe());
                let (client, server) = (client.expect("connected"), server.expect("connected"));
                assert_eq!(client.version(), Some(version.version), "{key}");
                assert_eq!(client.protocol(), Some(&b"http/1.1"[..]));
                assert_eq!(server.protocol(), Some(&b"http/1.1"[..]));
                let (from, to) = if is_download { (server, client) } else { (client, server) };
                assert!(transfer(from, to, &data) == data, "{key} {version:?}");
            }
        }
    }
}

#[test]
fn bytes_may_arrive_one_by_one() {
    for version in VERSIONS {
        let (mut client, mut server) = pipe();
        (client.read_limit, server.read_limit) = (1, 1);
        let connector = connector_with("p256", version, b"http/1.1", None);
        let (client, server) = connect(&acceptor("p256"), &connector, NAME, (client, server));
        assert_eq!(transfer(server.unwrap(), client.unwrap(), b"one by one"), b"one by one");
    }
}

#[test]
fn sessions_are_resumed_in_both_versions() {
    let acceptor = acceptor("p256");
    for version in VERSIONS {
        let connector = connector_with("p256", version, b"http/1.1", None);
        for is_resumed in [false, true, true] {
            let (client, server) = connect(&acceptor, &connector, NAME, pipe());
            let (client, server) = (client.unwrap(), server.unwrap());
            assert_eq!((client.is_resumed(), server.is_resumed()), (is_resumed, is_resumed), "{version:?}");
            // In TLS 1.3 the ticket comes with the first data.
            assert_eq!(transfer(server, client, b"data"), b"data");
        }
    }
    let connector = connector("p256");
    for is_resumed in [false, true] {
        let (client, server) = connect(&acceptor, &connector, NAME, pipe());
        assert_eq!(client.as_ref().unwrap().is_resumed(), is_resumed, "by the store of this crate");
        transfer(server.unwrap(), client.unwrap(), b"data");
    }
    // Another server has other keys of tickets: the handshake is a full one.
    let (client, _server) = connect(&support::acceptor("p256"), &connector, NAME, pipe());
    assert!(!client.unwrap().is_resumed());
}

/// Checks the error of the client, and the alert that the server gets.
#[track_caller]
fn refuses(result: (Connected<Pipe>, Connected<Pipe>), error: Error, alert: AlertDescription) {
    assert_eq!(result.0.expect_err("refused"), TlsError::Protocol(error));
    // In TLS 1.3 the server's handshake may be complete before the client refuses it.
    match result.1 {
        Err(found) => assert_eq!(found, TlsError::Protocol(Error::AlertReceived(alert))),
        Ok(mut server) => {
            let found = block_on(server.read(&mut [0; 1])).expect_err("an alert");
            assert_eq!(found, TlsError::Protocol(Error::AlertReceived(alert)));
        }
    }
}

#[test]
fn a_certificate_that_is_not_trusted_is_refused() {
    let result = connect(&acceptor("p256"), &connector("p384"), NAME, pipe());
    refuses(result, CertificateError::UnknownIssuer.into(), AlertDescription::UnknownCA);
}

#[test]
fn a_certificate_of_another_name_is_refused() {
    let (client, server) = connect(&acceptor("p256"), &connector("p256"), "other.test", pipe());
    let error = client.expect_err("refused");
    assert!(error.to_string().contains("NotValidForName"), "{error}");
    assert_eq!(
        server.expect_err("refused"),
        TlsError::Protocol(Error::AlertReceived(AlertDescription::BadCertificate))
    );
    let (client, _server) = connect(&acceptor("p256"), &connector("p256"), "127.0.0.1", pipe());
    client.expect("the address is in the certificate");
}

#[test]
fn a_certificate_that_is_not_valid_yet_is_refused() {
    for version in VERSIONS {
        let connector = connector_with("p256", version, b"http/1.1", Some(86_400));
        let (client, server) = connect(&acceptor("p256"), &connector, NAME, pipe());
        let error = client.expect_err("refused").to_string();
        assert!(error.contains("not valid yet"), "{error}");
        drop(server);
    }
}

#[test]
fn a_client_without_a_common_protocol_is_refused() {
    for version in VERSIONS {
        let connector = connector_with("p256", version, b"h2", None);
        let (client, server) = connect(&acceptor("p256"), &connector, NAME, pipe());
        assert_eq!(server.expect_err("refused"), TlsError::Protocol(Error::NoApplicationProtocol));
        let alert = Error::AlertReceived(AlertDescription::NoApplicationProtocol);
        assert_eq!(client.expect_err("refused"), TlsError::Protocol(alert));
    }
}

#[test]
fn an_end_without_close_notify_is_an_error() {
    let (client, server) = connect(&acceptor("p256"), &connector("p256"), NAME, pipe());
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    block_on(server.write_all(b"half")).unwrap();
    drop(server);
    let mut buffer = [0; 10];
    assert_eq!(block_on(client.read(&mut buffer)), Ok(4));
    assert_eq!(block_on(client.read(&mut buffer)), Err(TlsError::UnexpectedEof));
}

#[test]
fn each_direction_is_closed_by_itself() {
    let (client, server) = connect(&acceptor("p256"), &connector("p256"), NAME, pipe());
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    block_on(client.write_all(b"question")).unwrap();
    block_on(client.close()).unwrap();
    assert_eq!(block_on(client.write(b"more")), Err(TlsError::Closed));
    let mut buffer = [0; 10];
    assert_eq!(block_on(server.read(&mut buffer)), Ok(8));
    assert_eq!(block_on(server.read(&mut buffer)), Ok(0));
    block_on(server.write_all(b"answer")).unwrap();
    assert_eq!(block_on(client.read(&mut buffer)), Ok(6));
}
