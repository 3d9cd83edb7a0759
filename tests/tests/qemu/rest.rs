//! The app `rest`: a table over HTTP, its changes as server-sent events, and a WebSocket.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::io::{Read, Write};

use switchboard_tests::{Client, Guest, Machine, Nic, Qemu, Response, connect, read_until};

const TIMEOUT: Duration = Duration::from_secs(20);

fn boot() -> Guest {
    Qemu::new(Machine::Q35).nic(Nic::Virtio).option("app=rest").start()
}

fn request(client: &mut Client, method: &str, path: &str, body: &str) -> Response {
    let json = "Host: x\r\nContent-Type: application/json";
    let text = format!("{method} {path} HTTP/1.1\r\n{json}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    client.send(text.as_bytes()).expect("a request is sent");
    client.response().unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

fn text(response: &Response) -> &str {
    core::str::from_utf8(&response.body).expect("text")
}

#[test]
fn a_table_is_read_and_changed() {
    let guest = boot();
    let mut client = guest.client();
    assert_eq!(text(&request(&mut client, "GET", "/items", "")), "[]");
    let added = request(&mut client, "POST", "/items", r#"{"name":"bolt","quantity":3}"#);
    assert_eq!((added.status, added.header("location")), (201, Some("/items/1")));
    request(&mut client, "POST", "/items", r#"{"name":"nut","quantity":4}"#);
    assert_eq!(text(&request(&mut client, "GET", "/items/1", "")), r#"{"id":1,"name":"bolt","quantity":3}"#);
    assert_eq!(text(&request(&mut client, "GET", "/items?name=nut", "")), r#"[{"id":2,"name":"nut","quantity":4}]"#);
    assert_eq!(request(&mut client, "PUT", "/items/1", r#"{"name":"bolt","quantity":9}"#).status, 204);
    assert_eq!(text(&request(&mut client, "GET", "/%69tems/1", "")), r#"{"id":1,"name":"bolt","quantity":9}"#);
    assert_eq!(request(&mut client, "DELETE", "/items/1", "").status, 204);
    for (method, path, body, status) in [
        ("GET", "/items/1", "", 404),
        ("DELETE", "/items/1", "", 404),
        ("GET", "/items/x", "", 404),
        ("POST", "/items", "{", 400),
        ("POST", "/items", r#"{"name":"bolt"}"#, 422),
        ("POST", "/items", r#"{"name":"","quantity":1}"#, 422),
        ("PATCH", "/items", "{}", 405),
        ("BREW", "/items", "", 501),
    ] {
        assert_eq!(request(&mut client, method, path, body).status, status, "{method} {path} {body}");
    }
}

#[test]
fn a_body_is_echoed_while_it_arrives() {
    let guest = boot();
    drop(guest.client());
    let mut stream = connect((Ipv4Addr::LOCALHOST, guest.http_port()).into(), TIMEOUT);
    let body: Vec<u8> = (0..1_000_000_u32).map(|index| index.wrapping_mul(0x9e37_79b9).to_be_bytes()[0]).collect();
    let (mut writer, sent) = (stream.try_clone().expect("a second handle"), body.clone());
    let sender = std::thread::spawn(move || {
        let head = "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
        writer.write_all(head.as_bytes()).expect("the head is sent");
        for chunk in sent.chunks(30_000) {
            writer.write_all(format!("{:x};a=b\r\n", chunk.len()).as_bytes()).expect("a size is sent");
            writer.write_all(chunk).expect("a chunk is sent");
            writer.write_all(b"\r\n").expect("its end is sent");
        }
        writer.write_all(b"0\r\nX-Sum: 0\r\n\r\n").expect("the end is sent");
    });
    let mut received = Vec::new();
    stream.read_to_end(&mut received).expect("the echo");
    sender.join().expect("all was sent");
    let head = received.windows(4).position(|end| end == b"\r\n\r\n").expect("a head") + 4;
    assert!(received.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", received[..head].escape_ascii());
    let (mut coded, mut echoed) = (&received[head..], Vec::new());
    loop {
        let end = coded.windows(2).position(|end| end == b"\r\n").expect("a size");
        let size = core::str::from_utf8(&coded[..end]).expect("text");
        let size = usize::from_str_radix(size, 16).expect("a number");
        if size == 0 {
            break;
        }
        echoed.extend_from_slice(&coded[end + 2..][..size]);
        coded = &coded[end + 2 + size + 2..];
    }
    assert!(echoed == body, "{} of {} bytes came back, or others", echoed.len(), body.len());
}

/// A client that reads only when it has sent all is not waited for.
#[test]
fn a_long_body_is_echoed_to_a_client_that_sends_it_first() {
    let guest = boot();
    drop(guest.client());
    let mut stream = connect((Ipv4Addr::LOCALHOST, guest.http_port()).into(), TIMEOUT);
    stream.set_write_timeout(Some(TIMEOUT)).expect("a timeout");
    // More than the buffers of the host, of QEMU's network and of the image take.
    let body = vec![b'x'; 900_000];
    let head = format!("POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).expect("the head is sent");
    stream.write_all(&body).expect("the body is sent");
    let mut received = Vec::new();
    stream.read_to_end(&mut received).expect("the echo");
    assert!(received.starts_with(b"HTTP/1.1 200 OK\r\n") && received.ends_with(b"\r\n0\r\n\r\n"));
    let echoed = received.iter().filter(|byte| **byte == b'x').count();
    assert!((body.len()..body.len() + 2).contains(&echoed), "{echoed}");
}

#[test]
fn changes_are_sent_as_events_and_over_a_web_socket() {
    let guest = boot();
    let mut client = guest.client();
    let mut events = connect((Ipv4Addr::LOCALHOST, guest.http_port()).into(), TIMEOUT);
    events
        .write_all(b"GET /events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
        .expect("a request is sent");
    read_until(&mut events, "data: {\"items\":0,\"quantity\":0}\n\n");
    let mut socket = connect((Ipv4Addr::LOCALHOST, guest.http_port()).into(), TIMEOUT);
    let upgrade = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    write!(socket, "GET /socket HTTP/1.1\r\nHost: x\r\n{upgrade}\r\n{key}\r\n\r\n").expect("a request is sent");
    let head = read_until(&mut socket, "\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    assert!(head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
    // A masked text in two frames, with a ping between them; the mask is 0.
    socket.write_all(b"\x01\x83\0\0\0\0hel\x89\x81\0\0\0\0p\x80\x82\0\0\0\0lo").expect("frames are sent");
    read_until(&mut socket, "\x01p");
    read_until(&mut socket, "\x05hello");
    request(&mut client, "POST", "/items", r#"{"name":"bolt","quantity":3}"#);
    read_until(&mut events, "data: {\"items\":1,\"quantity\":3}\n\n");
    read_until(&mut socket, "{\"items\":1,\"quantity\":3}");
    socket.write_all(b"\x88\x82\0\0\0\0\x03\xe8").expect("a close is sent");
    let mut rest = Vec::new();
    socket.read_to_end(&mut rest).expect("the end");
    assert_eq!(rest, b"\x88\x02\x03\xe8");
}
