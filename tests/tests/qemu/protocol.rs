//! Requests that are not HTTP, or incomplete: a 4xx response or the end of the connection, never a hang.

use core::time::Duration;

use switchboard_tests::{Client, Guest, Machine, Nic, Qemu, exchange};

const TIMEOUT: Duration = Duration::from_secs(20);

fn boot() -> Guest {
    Qemu::new(Machine::Q35).nic(Nic::Virtio).files().start()
}

#[test]
fn malformed_requests_get_4xx() {
    let guest = boot();
    drop(guest.client());
    let header = "X-Long: ".to_owned() + &"a".repeat(64 * 1024) + "\r\n";
    let cases: [(&str, Vec<u8>); 8] = [
        ("binary junk", (0..=255).cycle().take(1024).chain(*b"\r\n\r\n").collect()),
        ("zeros", [&[0; 512][..], b"\r\n\r\n"].concat()),
        ("no method", b" / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("no version", b"GET /\r\n\r\n".to_vec()),
        ("another protocol", b"GET / SMTP/9.9\r\nHost: x\r\n\r\n".to_vec()),
        ("a header without a colon", b"GET / HTTP/1.1\r\nHost x\r\n\r\n".to_vec()),
        ("a header that is too long", format!("GET / HTTP/1.1\r\nHost: x\r\n{header}\r\n").into_bytes()),
        ("a length that is no number", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n".to_vec()),
    ];
    for (name, request) in cases {
        let mut client = Client::connect(guest.http_port(), TIMEOUT).expect("a connection");
        // The server may respond before everything has been sent.
        drop(client.send(&request));
        let answer = client.response().unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!((400..500).contains(&answer.status), "{name} got {}", answer.status);
    }
    works(&guest);
}

#[test]
fn unknown_paths_and_methods_get_4xx() {
    let guest = boot();
    let mut client = guest.client();
    for path in ["/nothing", "/files/nothing", "/files/../secret", "/files/%2e%2e/secret"] {
        let answer = client.get(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!((400..500).contains(&answer.status), "{path} got {}", answer.status);
    }
    client.send(b"DELETE /hello HTTP/1.1\r\nHost: x\r\n\r\n").expect("a request is sent");
    let answer = client.response().expect("an answer");
    assert!((400..500).contains(&answer.status), "DELETE got {}", answer.status);
    works(&guest);
}

/// Incomplete requests must not hold their connections for ever: their number is limited.
#[test]
fn incomplete_requests_do_not_block_others() {
    let guest = boot();
    drop(guest.client());
    for (index, part) in ["", "G", "GET /hello", "GET /hello HTTP/1.1\r\n", "GET /hello HTTP/1.1\r\nHost:"]
        .iter()
        .cycle()
        .take(60)
        .enumerate()
    {
        let answer = exchange(guest.http_port(), part.as_bytes(), TIMEOUT)
            .unwrap_or_else(|error| panic!("connection {index}, cut after `{}`: {error}", part.escape_debug()));
        let text = String::from_utf8_lossy(&answer);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "`{}` got: {text}", part.escape_debug());
    }
    works(&guest);
}

/// Idle connections are closed after a timeout, so that they do not block others for long.
#[test]
fn idle_connections_do_not_block_others() {
    let guest = boot();
    drop(guest.client());
    let connect = |_| Client::connect(guest.http_port(), TIMEOUT).expect("a connection");
    let silent: Vec<Client> = (0..48).map(connect).collect();
    works(&guest);
    drop(silent);
    works(&guest);
}

/// Checks that the page is served.
fn works(guest: &Guest) {
    let hello = guest.client().get("/hello").expect("an answer");
    assert_eq!((hello.status, hello.body.len()), (200, 13));
}
