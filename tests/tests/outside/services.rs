//! The services of the image, one by one, from outside.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use std::{fs, thread};

use switchboard_tests::{
    Client, Guest, Machine, Nic, Protocol, Qemu, Response, archive, connect, free_port, read_until,
};

use crate::{IMAGE, TIMEOUT};

/// The folder of the test certificates.
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../image/tls/tests/data");

fn start() -> Guest {
    let (folder, image) = &*IMAGE;
    let disk = folder.join("ranges.img");
    // Any bytes may be said to be compressed; the two blocks that end an archive are at its end alone.
    let mut files = archive("hello.txt", b"from a disk\n");
    files.truncate(files.len() - 1024);
    files.extend(archive("page.html.gz", b"\x1f\x8bnot quite"));
    fs::write(&disk, files).expect("target/ is writable");
    Qemu::new(Machine::Q35)
        .image(image)
        .nic(Nic::Virtio)
        .disk(&disk)
        .device("virtio-rng-pci")
        .argument("-fw_cfg", &format!("name=opt/outside/cert,file={DATA}/p256.pem"))
        .argument("-fw_cfg", &format!("name=opt/outside/key,file={DATA}/p256.key"))
        .forward(Protocol::Tcp, 443)
        .forward(Protocol::Tcp, 4003)
        .forward(Protocol::Tcp, 8080)
        .start()
}

#[test]
fn an_image_of_its_own_has_every_service() {
    let guest = start();
    guest.wait_for("outside: configured");
    requests(&guest);
    conditional_requests(&guest);
    streams(&guest);
    second_server(&guest);
    https(&guest);
    tls_client(&guest);
}

/// Sends requests one after the other, as they are.
fn asker(guest: &Guest, port: u16) -> impl FnMut(&str) -> Response {
    let address = (Ipv4Addr::LOCALHOST, guest.port(0, Protocol::Tcp, port)).into();
    let mut client = Client::connect_to(address, TIMEOUT).expect("a connection");
    move |request| {
        client.send(request.as_bytes()).expect("a request is sent");
        client.response().unwrap_or_else(|error| panic!("{request}: {error}"))
    }
}

/// Parameters, forms, ranges, limits, methods.
fn requests(guest: &Guest) {
    let mut respond = asker(guest, 80);
    let mut ask = |request: &str| {
        let response = respond(request);
        (response.status, String::from_utf8_lossy(&response.body).into_owned())
    };
    assert_eq!(ask("GET /double/21 HTTP/1.1\r\nHost: x\r\n\r\n"), (200, "42".into()));
    assert_eq!(ask("GET /double/x HTTP/1.1\r\nHost: x\r\n\r\n").0, 404);
    let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 20";
    let request = format!("POST /form HTTP/1.1\r\nHost: x\r\n{form}\r\n\r\nname=a+b%21&count=3\n");
    assert_eq!(ask(&request).0, 400, "3 and a line feed is no number");
    let request = format!("POST /form HTTP/1.1\r\nHost: x\r\n{form}\r\n\r\nname=a+b%21&count=30");
    assert_eq!(ask(&request), (200, "30 x a b!".into()));
    let range = |range: &str| format!("GET /files/hello.txt HTTP/1.1\r\nHost: x\r\nRange: bytes={range}\r\n\r\n");
    assert_eq!(ask(&range("5-5")), (206, "a".into()));
    assert_eq!(ask(&range("-5")), (206, "disk\n".into()));
    assert_eq!(ask(&range("12-")).0, 416);
    let list = ask(&range("0-3,-2")).1;
    assert!(list.contains("bytes 0-3/12\r\n\r\nfrom\r\n") && list.contains("bytes 10-11/12\r\n\r\nk\n\r\n"), "{list}");
    let long = format!("POST /form HTTP/1.1\r\nHost: x\r\n{}", form.replace("20", "70000"));
    // The limit is known before the body is sent: no 100 (RFC 9110, 10.1.1).
    assert_eq!(asker(guest, 80)(&format!("{long}\r\nExpect: 100-continue\r\n\r\n")).status, 413);
    let options = respond("OPTIONS /document HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(options.header("allow"), Some("GET, HEAD, PUT, DELETE, OPTIONS"));
    assert_eq!(respond("PATCH /document HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").status, 405);
    assert_eq!(respond("GET http://x/double/4?a=b HTTP/1.1\r\nHost: x\r\n\r\n").body, b"8");
    assert_eq!(asker(guest, 80)("GET / HTTP/1.1\r\n\r\n").status, 400, "without Host");
    let page = respond("GET /files/page.html HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n");
    assert_eq!((page.status, page.header("content-encoding")), (200, Some("gzip")));
    assert_eq!(
        (page.header("content-type"), &*page.body),
        (Some("text/html; charset=utf-8"), &b"\x1f\x8bnot quite"[..])
    );
}

/// A document that is read and replaced as long as it is the version that the client knows; files alike.
fn conditional_requests(guest: &Guest) {
    let mut respond = asker(guest, 80);
    let mut ask = |method: &str, headers: &str, body: &str| {
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        respond(&format!("{method} HTTP/1.1\r\nHost: x\r\n{headers}{length}\r\n{body}"))
    };
    let stored = ask("PUT /document", "If-Match: \"v0\"\r\n", "the first text");
    assert_eq!((stored.status, stored.header("etag")), (204, Some("\"v1\"")));
    assert_eq!(ask("PUT /document", "If-Match: \"v0\"\r\n", "another").status, 412);
    assert_eq!(ask("GET /document", "If-None-Match: \"v0\"\r\n", "").body, b"the first text");
    assert_eq!(ask("GET /document", "If-None-Match: W/\"v1\"\r\n", "").status, 304);
    let part = ask("GET /document", "If-Range: \"v1\"\r\nRange: bytes=4-8\r\n", "");
    assert_eq!((part.status, part.header("content-range"), &*part.body), (206, Some("bytes 4-8/14"), &b"first"[..]));
    assert_eq!(ask("GET /document", "If-Range: \"v0\"\r\nRange: bytes=4-8\r\n", "").status, 200);
    assert_eq!(ask("DELETE /document", "If-Match: \"v0\", \"v1\"\r\n", "").status, 204);
    assert_eq!(ask("GET /document", "Range: bytes=0-\r\n", "").status, 416);

    let file = ask("GET /files/hello.txt", "", "");
    let tag = file.header("etag").expect("a tag").to_owned();
    assert!(tag.starts_with('"'), "a strong one: {tag}");
    assert_eq!(ask("GET /files/hello.txt", &format!("If-None-Match: {tag}\r\n"), "").status, 304);
    assert_eq!(ask("GET /files/hello.txt", "If-Match: \"other\"\r\n", "").status, 412);
}

/// Bodies that are answered while they arrive, a protocol of its own, frames.
fn streams(guest: &Guest) {
    let mut stream = connect((Ipv4Addr::LOCALHOST, guest.http_port()).into(), TIMEOUT);
    let chunked = "Transfer-Encoding: chunked\r\nConnection: close\r\nExpect: 100-continue";
    write!(stream, "PUT /upper HTTP/1.1\r\nHost: x\r\n{chunked}\r\n\r\n").expect("a head is sent");
    read_until(&mut stream, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"3\r\nabc\r\n").expect("a part is sent");
    // The answer begins before the body has ended.
    read_until(&mut stream, "3\r\nABC\r\n");
    stream.write_all(b"2\r\nde\r\n0\r\nX-Sum: 7\r\n\r\n").expect("the rest is sent");
    read_until(&mut stream, "2\r\nDE\r\n0\r\nX-Length: 5\r\nX-Sum: 7\r\n\r\n");

    let mut stream = connect((Ipv4Addr::LOCALHOST, guest.http_port()).into(), TIMEOUT);
    write!(stream, "GET /raw HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n").expect("it is sent");
    read_until(&mut stream, "\r\n\r\n");
    stream.write_all(b"no more HTTP\n").expect("it is sent");
    read_until(&mut stream, "no more HTTP\n");

    let mut stream = connect((Ipv4Addr::LOCALHOST, guest.port(0, Protocol::Tcp, 4003)).into(), TIMEOUT);
    let frame: Vec<u8> = [0x13, 0x88].into_iter().chain((0..5000_u16).map(|index| index.to_be_bytes()[1])).collect();
    stream.write_all(&[&frame[..], b"\0\0\0\x01"].concat()).expect("frames are sent");
    stream.write_all(b"x").expect("their end is sent");
    let mut received = vec![0; frame.len() + 5];
    stream.read_exact(&mut received).expect("they come back");
    assert!(received == [&frame[..], b"\0\0\0\x01x"].concat());
}

/// The server of another port, with the configuration, random numbers and the date.
fn second_server(guest: &Guest) {
    let mut respond = asker(guest, 8080);
    let mut get = |path: &str| respond(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert_eq!(get("/double/2").status, 404, "that is a path of the first server");
    let configuration = get("/configuration");
    assert_eq!(configuration.header("server"), Some("outside"));
    let text = String::from_utf8_lossy(&configuration.body);
    assert!(text.contains("\"10.0.2.15/24\"") && text.contains("\"0.0.0.0/0 by 10.0.2.2\""), "{text}");
    let numbers = [get("/random"), get("/random")];
    assert!(numbers[0].body != numbers[1].body, "{numbers:?}");
    assert!(numbers.iter().all(|number| number.status == 200 && number.body.len() == 16), "{numbers:?}");
    let time = String::from_utf8(get("/time").body).expect("text");
    let (time, source) = time.split_once(' ').expect("a source");
    assert!(time.len() == 24 && time.starts_with("20") && time.ends_with('Z'), "{time}");
    assert_eq!(source, "RealTimeClock");
}

fn https(guest: &Guest) {
    let port = guest.port(0, Protocol::Tcp, 443);
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--max-time", "20", "--resolve", &format!("switchboard.test:{port}:127.0.0.1"), "--cacert"]);
    curl.args([&format!("{DATA}/p256.pem"), &format!("https://switchboard.test:{port}/double/4")]);
    match curl.output() {
        Ok(output) => assert_eq!(String::from_utf8_lossy(&output.stdout), "8", "{output:?}"),
        Err(_) => println!("skipped: HTTPS: curl is not installed"),
    }
}

/// A server of the host, killed when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The guest connects to a server of the host, and verifies its certificate.
fn tls_client(guest: &Guest) {
    let port = free_port(Protocol::Tcp);
    let mut openssl = Command::new("openssl");
    openssl.args(["s_server", "-quiet", "-www", "-accept", &format!("127.0.0.1:{port}")]);
    openssl.args(["-cert", &format!("{DATA}/p256.pem"), "-key", &format!("{DATA}/p256.key")]);
    openssl.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(server) = openssl.spawn() else { return println!("skipped: the TLS client: openssl is not installed") };
    let _server = Server(server);
    let end = Instant::now() + TIMEOUT;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(Instant::now() < end, "openssl does not listen");
        thread::sleep(Duration::from_millis(20));
    }
    let mut respond = asker(guest, 80);
    let mut get = |name: &str| {
        let target = format!("/secure?host=10.0.2.2&port={port}&name={name}");
        respond(&format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n"))
    };
    assert_eq!(get("switchboard.test").body, b"HTTP/1.0 200 ok");
    let refused = String::from_utf8(get("other.test").body).expect("text");
    assert!(refused.contains("invalid peer certificate"), "{refused}");
}
