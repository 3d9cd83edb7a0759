//! Requests for files, over the network of memory.

mod support;

use embassy_futures::block_on;
use support::{disk, pattern};
use switchboard::config::Address;
use switchboard_fileserver::FileServer;
use switchboard_http::{Answer, HttpCounters, Request, Response, Site, StatusCode};
use switchboard_net_testing::TestNetwork;
use switchboard_runtime::devices::Found;

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let tar = include!("support/tar.rs");
    tar(files)
}

struct Page {
    files: FileServer,
}

impl Site for Page {
    fn answer(&'static self, request: &Request<'_>) -> Answer {
        let file = self.files.answer(request);
        file.unwrap_or_else(|| Answer::Now(Response::text(StatusCode::NOT_FOUND, "Nothing is here\n")))
    }
}

/// A server of disks with these archives.
struct Server {
    network: TestNetwork,
}

/// A response: its head as lines, and its body.
struct Reply {
    head: String,
    body: Vec<u8>,
}

impl Reply {
    fn status(&self) -> u16 {
        self.head[9..12].parse().expect("a number")
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

fn without_chunks(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|part| part == b"\r\n").expect("a size");
        let size = core::str::from_utf8(&rest[..line]).expect("text");
        let size = usize::from_str_radix(size, 16).expect("a size");
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&rest[line + 2..][..size]);
        rest = &rest[line + 2 + size + 2..];
    }
}

impl Server {
    fn new(images: &[Vec<u8>], block_bytes: usize) -> Self {
        let page: &'static Page = Box::leak(Box::new(Page { files: FileServer::new("/files") }));
        let disks: Vec<_> = images.iter().map(|image| disk(image, block_bytes)).collect();
        let found: Vec<_> = (3..)
            .zip(&disks)
            .map(|(number, device)| Found { function: Address::new(0, 0, number, 0), driver: "memory", device })
            .collect();
        block_on(page.files.update_disks(&found));
        let network = TestNetwork::new();
        switchboard_http::serve(network.group(), network.stack(), page, HttpCounters::leak());
        Self { network }
    }

    fn get(&mut self, path: &str, headers: &str) -> Reply {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        let reply = self.network.exchange(80, request.as_bytes());
        let end = reply.windows(4).position(|part| part == b"\r\n\r\n").expect("a head");
        let mut reply =
            Reply { head: String::from_utf8(reply[..end].to_vec()).expect("text"), body: reply[end + 4..].to_vec() };
        if reply.header("Transfer-Encoding") == Some("chunked") {
            reply.body = without_chunks(&reply.body);
        }
        reply
    }

    fn tag(&mut self, path: &str) -> String {
        self.get(path, "").header("ETag").expect("a tag").into()
    }
}

#[test]
fn tags_follow_the_content() {
    // The same sizes, times and places.
    let mut one = Server::new(&[tar(&[("a", b"one"), ("b", b"same")])], 512);
    let mut two = Server::new(&[tar(&[("a", b"two"), ("b", b"same")])], 512);
    assert_ne!(one.tag("/files/a"), two.tag("/files/a"));
    assert_eq!(one.tag("/files/b"), two.tag("/files/b"), "the same content has the same tag after a restart");
    let large = pattern(5 << 20);
    let mut other = large.clone();
    other[3_333_333] ^= 1;
    let (mut one, mut two) = (Server::new(&[tar(&[("a", &large)])], 512), Server::new(&[tar(&[("a", &other)])], 512));
    assert_ne!(one.tag("/files/a"), two.tag("/files/a"));
    assert_eq!(one.tag("/files/a"), one.tag("/files/a"));
}

#[test]
fn conditional_requests_are_answered() {
    let mut server = Server::new(&[tar(&[("hello.txt", b"hello, world")])], 512);
    let tag = server.tag("/files/hello.txt");
    let time = "Thu, 01 Jan 1970 00:16:40 GMT";
    let mut status = |headers: String| server.get("/files/hello.txt", &headers).status();
    for (headers, wanted) in [
        (format!("If-None-Match: {tag}\r\n"), 304),
        (format!("If-None-Match: \"x\", W/{tag}\r\n"), 304),
        ("If-None-Match: \"x\"\r\n".into(), 200),
        (format!("If-Match: {tag}\r\n"), 200),
        (format!("If-Match: W/{tag}\r\n"), 412),
        ("If-Match: \"x\"\r\n".into(), 412),
        ("If-Match: *\r\n".into(), 200),
        (format!("If-Modified-Since: {time}\r\n"), 304),
        (format!("If-Unmodified-Since: {time}\r\n"), 200),
        ("If-Unmodified-Since: Thu, 01 Jan 1970 00:16:39 GMT\r\n".into(), 412),
        (format!("If-Range: {tag}\r\nRange: bytes=0-1\r\n"), 206),
        ("If-Range: \"x\"\r\nRange: bytes=0-1\r\n".into(), 200),
        (format!("If-Range: {time}\r\nRange: bytes=0-1\r\n"), 206),
        (format!("If-None-Match: {tag}\r\nRange: bytes=0-1\r\n"), 304),
    ] {
        assert_eq!(status(headers.clone()), wanted, "{headers}");
    }
    let reply = server.get("/files/hello.txt", &format!("If-None-Match: {tag}\r\n"));
    assert_eq!((reply.header("ETag"), reply.header("Last-Modified")), (Some(&*tag), Some(time)));
}

#[test]
fn ranges_are_served_alone_and_together() {
    let content = pattern(200_000);
    for block_bytes in [512, 4096] {
        let mut server = Server::new(&[tar(&[("first", b"1"), ("a.bin", &content)])], block_bytes);
        assert!(server.get("/files/a.bin", "").body == content, "{block_bytes}");
        let one = server.get("/files/a.bin", "Range: bytes=511-70000\r\n");
        assert_eq!((one.status(), one.header("Content-Range")), (206, Some("bytes 511-70000/200000")));
        assert!(one.body == content[511..70_001]);
        let last = server.get("/files/a.bin", "Range: bytes=-1\r\n");
        assert!(last.body == content[199_999..]);
        let none = server.get("/files/a.bin", "Range: bytes=200000-\r\n");
        assert_eq!((none.status(), none.header("Content-Range")), (416, Some("bytes */200000")));
        let several = server.get("/files/a.bin", "Range: bytes=0-4,100000-140000,-5\r\n");
        let kind = several.header("Content-Type").expect("a type");
        let boundary = kind.strip_prefix("multipart/byteranges; boundary=").expect("several ranges");
        let mut wanted = Vec::new();
        for range in [0..5, 100_000..140_001, 199_995..200_000] {
            let place = format!("{}-{}", range.start, range.end - 1);
            let head = format!(
                "\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes {place}/200000\r\n\r\n"
            );
            wanted.extend_from_slice(head.as_bytes());
            wanted.extend_from_slice(&content[range]);
        }
        wanted.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        assert!(several.status() == 206 && several.body == wanted);
        assert_eq!(several.header("Content-Length"), Some(&*wanted.len().to_string()));
    }
}

#[test]
fn compressed_files_are_served_to_those_who_accept_them() {
    let image = tar(&[("a.css", b"plain"), ("a.css.gz", b"packed"), ("only.js.gz", b"packed, too"), ("b.css", b"b")]);
    let mut server = Server::new(&[image], 512);
    let reply = server.get("/files/a.css", "Accept-Encoding: br, gzip\r\n");
    assert_eq!((reply.header("Content-Encoding"), &reply.body[..]), (Some("gzip"), &b"packed"[..]));
    assert_eq!(
        (reply.header("Vary"), reply.header("Content-Type")),
        (Some("Accept-Encoding"), Some("text/css; charset=utf-8"))
    );
    let plain = server.get("/files/a.css", "Accept-Encoding: gzip;q=0\r\n");
    assert_eq!((plain.header("Content-Encoding"), plain.header("Vary")), (None, Some("Accept-Encoding")));
    assert_eq!(plain.body, b"plain");
    assert_ne!(plain.header("ETag"), reply.header("ETag"));
    assert_eq!(server.get("/files/b.css", "Accept-Encoding: gzip\r\n").header("Vary"), None);
    assert_eq!(server.get("/files/only.js", "Accept-Encoding: gzip\r\n").body, b"packed, too");
    assert_eq!(server.get("/files/only.js", "").status(), 404);
    assert_eq!(server.get("/files/a.css.gz", "").header("Content-Encoding"), None);
}

#[test]
fn lists_are_whole_however_long() {
    let names: Vec<String> = (0..1000).map(|number| format!("many/{number:04}-\"<{}", "'".repeat(80))).collect();
    let mut files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    files.push(("one.txt", b"first"));
    let mut server = Server::new(&[tar(&files), tar(&[("one.txt", b"second"), ("two/three.txt", b"3")])], 512);
    let list = server.get("/files/many/", "");
    let text = String::from_utf8(list.body.clone()).expect("text");
    assert_eq!(list.head.lines().next(), Some("HTTP/1.1 200 OK"));
    assert_eq!((text.matches("<tr>").count(), list.header("Transfer-Encoding")), (1001, Some("chunked")));
    assert!(
        text.contains("0999-&quot;&lt;&#39;")
            && text.contains("href=\"0000-%22%3C%27")
            && text.trim_end().ends_with("</table>")
    );
    // Of two volumes, whose names reach what is on both.
    let root = String::from_utf8(server.get("/files/", "").body).expect("text");
    assert_eq!(root.matches("one.txt</a>").count(), 1);
    for name in ["two/", "many/", "@0000:00:03.0/", "@0000:00:04.0/"] {
        assert!(root.contains(&format!("{name}</a>")), "{name} is not in {root}");
    }
    assert_eq!(server.get("/files/one.txt", "").body, b"first");
    assert_eq!(server.get("/files/@0000%3A00%3A04.0/one.txt", "").body, b"second");
    assert_eq!(server.get("/files/two", "").header("Location"), Some("/files/two/"));
    assert_eq!(server.get("/files/@0000:00:04.0/two", "").header("Location"), Some("/files/%400000%3A00%3A04.0/two/"));
    assert_eq!(server.get("/files/@0000:00:04.0", "").status(), 301);
    assert_eq!(server.get("/files/none/", "").status(), 404);
    assert_eq!(server.get("/files/one.txt/", "").status(), 404);
}

#[test]
fn long_files_arrive_whole_from_any_block_size() {
    // Neither begins nor ends at a block of 4,096 bytes.
    let content = pattern(300_007);
    let image = tar(&[("first", b"x"), ("long.bin", &content), ("after", b"y")]);
    for block_bytes in [512, 4096] {
        let mut server = Server::new(core::slice::from_ref(&image), block_bytes);
        let reply = server.get("/files/long.bin", "");
        assert_eq!((reply.status(), reply.header("Content-Length")), (200, Some("300007")));
        assert!(reply.body == content, "blocks of {block_bytes} bytes");
        for range in [1..300_007, 4095..200_000, 65_535..150_001] {
            let reply = server.get("/files/long.bin", &format!("Range: bytes={}-{}\r\n", range.start, range.end - 1));
            assert!(reply.status() == 206 && reply.body == content[range.clone()], "{range:?} of {block_bytes}");
        }
        let reply = server.get("/files/long.bin", "Range: bytes=5-100004,200000-299999\r\n");
        let find = |part: &[u8]| reply.body.windows(part.len()).any(|window| window == part);
        assert!(reply.status() == 206 && find(&content[5..100_005]) && find(&content[200_000..300_000]));
    }
}
