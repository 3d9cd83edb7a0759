//! Crates outside the workspace: an image with a driver and an app of its own, and a driver that is tested on the host.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::{env, fs, thread};

use switchboard_tests::lan::{GUEST_MAC, Namespace, is_skipped_without_namespaces};
use switchboard_tests::{Guest, Machine, Nic, Protocol, Qemu, Qmp, archive, connect, read_until};

/// Maximum length of an image's `main.rs`, in lines.
const MAX_MAIN_LINES: usize = 30;

/// Copies a crate of `tests/outside` to a folder of its own, where it finds the checkout by absolute paths. The
/// versions of other crates are those of the checkout, which are there already.
fn copied(name: &str) -> PathBuf {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the checkout");
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join("outside").join(name);
    copy(&checkout.join("tests/outside").join(name), &to);
    fs::copy(checkout.join("Cargo.lock"), to.join("Cargo.lock")).expect("target/ is writable");
    let manifest = fs::read_to_string(to.join("Cargo.toml")).expect("it was copied");
    let checkout = checkout.to_str().expect("cargo reads manifests in UTF-8");
    fs::write(to.join("Cargo.toml"), manifest.replace("../../..", checkout)).expect("target/ is writable");
    to
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("target/ is writable");
    for entry in fs::read_dir(from).expect("a folder of the checkout") {
        let entry = entry.expect("a folder of the checkout");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match from.is_dir() {
            // Left by a build in place.
            true if entry.file_name() == "target" => {}
            true => copy(&from, &to),
            false => _ = fs::copy(&from, &to).expect("target/ is writable"),
        }
    }
}

/// Runs cargo in a folder, without what this cargo has set for this test.
#[track_caller]
fn cargo(folder: &Path, words: &[&str], variables: &[(&str, &str)]) {
    let mut command = Command::new(env!("CARGO"));
    command.args(words).args(["--offline", "--target-dir", "target"]).current_dir(folder);
    command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS").envs(variables.iter().copied());
    let output = command.output().expect("this test is run by cargo");
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stdout));
}

/// The folder of the image and its path, built once.
static IMAGE: LazyLock<(PathBuf, PathBuf)> = LazyLock::new(|| {
    let folder = copied("image");
    let main = fs::read_to_string(folder.join("src/main.rs")).expect("it was copied");
    assert!(main.lines().count() <= MAX_MAIN_LINES, "{} lines", main.lines().count());
    // Faster to build, which makes no difference to the test.
    let profile = [("LTO", "off"), ("OPT_LEVEL", "1"), ("CODEGEN_UNITS", "16")];
    let profile = profile.map(|(setting, value)| (format!("CARGO_PROFILE_RELEASE_{setting}"), value));
    let profile = profile.each_ref().map(|(variable, value)| (variable.as_str(), *value));
    cargo(&folder, &["build", "--release"], &profile);
    let image = folder.join("target/x86_64-unknown-linux-gnu/release/outside-image");
    (folder, image)
});

const TIMEOUT: Duration = Duration::from_secs(20);

#[test]
fn an_image_of_its_own_serves_and_outlives_its_card() {
    let (folder, image) = &*IMAGE;
    let disk = folder.join("disk.img");
    fs::write(&disk, archive("hello.txt", b"from a disk\n")).expect("target/ is writable");
    let qmp = Qmp::default();
    let qemu = Qemu::new(Machine::Q35)
        .image(image)
        // Disables hot-plug by ACPI, which q35 uses by default instead of native slot events.
        .argument("-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off")
        .option("grace=0")
        .bridge("pcie-root-port,id=bay,chassis=1,slot=7,addr=4")
        .nic(Nic::Virtio)
        .disk(&disk)
        .device("edu,id=card,bus=bay");
    let guest = qmp.attach(qemu).start();
    guest.wait_for("outside: 1 devices, 10! is Some(3628800)");
    let mut client = guest.client();
    assert_eq!(client.get("/").expect("a page").body, b"10! = 3628800\n");
    assert_eq!(client.get("/files/hello.txt").expect("a file").body, b"from a disk\n");

    let json = b"POST /sum HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n[40, 2]";
    client.send(json).expect("a body is sent");
    assert_eq!(client.response().expect("its sum").body, br#"{"sum":42}"#);
    client
        .send(b"POST /sum HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n[")
        .unwrap();
    assert_eq!(client.response().expect("a refusal").status, 400);

    let mut events = connect((Ipv4Addr::LOCALHOST, guest.http_port()).into(), TIMEOUT);
    events.write_all(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n").expect("a request is sent");
    read_until(&mut events, "data: 1\n\n");
    read_until(&mut events, "data: 3\n\n");

    let mut socket = connect((Ipv4Addr::LOCALHOST, guest.http_port()).into(), TIMEOUT);
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    write!(socket, "GET /socket HTTP/1.1\r\nHost: x\r\n{upgrade}\r\n{key}\r\n\r\n").expect("a request is sent");
    let head = read_until(&mut socket, "\r\n\r\n");
    assert!(head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
    // A text, whose mask is 0.
    socket.write_all(b"\x81\x85\0\0\0\0hello").expect("a frame is sent");
    read_until(&mut socket, "\x05hello");

    let mut session = qmp.connect();
    session.request_removal("card").expect("QEMU accepts the request");
    session.wait_until_deleted("card");
    guest.wait_for("outside: 0 devices, 10! is None");
    assert_eq!(client.get("/").expect("a page").body, b"no calculator\n");
    assert_eq!(client.get("/files/hello.txt").expect("a file").body, b"from a disk\n");

    session.add("edu", "another", &[("bus", "bay")]);
    assert!(guest.console().wait_for_nth("outside: 1 devices", 2, Duration::from_secs(30)).is_some());
    assert_eq!(client.get("/").expect("a page").body, b"10! = 3628800\n");
}

/// The protocols of a link.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Protocols {
    Ipv4,
    Ipv6,
    Both,
}

/// A link whose DNS server is `dnsmasq`, the guest on it, and a server that greets whom connects.
struct Lan {
    host: Namespace,
    guest: Guest,
}

const IPV4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 50));
/// By the prefix of the router and the Ethernet address.
const IPV6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 9, 0, 0, 0x5054, 0xff, 0xfe12, 0x3456));

impl Lan {
    fn start(protocols: Protocols) -> Self {
        let (_, image) = &*IMAGE;
        let mut host = Namespace::new();
        host.add_tap("tap0");
        let mut arguments = vec!["--address=/ipv4.test/10.9.0.1", "--address=/both.test/10.9.0.1"];
        if protocols != Protocols::Ipv6 {
            host.ip("addr add 10.9.0.1/24 dev tap0");
            arguments.extend(["--dhcp-range=10.9.0.50,10.9.0.60", "--dhcp-host=52:54:00:12:34:56,10.9.0.50"]);
        }
        if protocols != Protocols::Ipv4 {
            host.ip("addr add fd00:9::1/64 dev tap0 nodad");
            arguments.extend(["--enable-ra", "--dhcp-range=fd00:9::,ra-stateless", "--address=/both.test/fd00:9::1"]);
            arguments.push("--address=/ipv6.test/fd00:9::1");
        }
        let log = host.start_dnsmasq("tap0", &arguments);
        assert!(log.wait_for_nth("started", 1, TIMEOUT).is_some(), "dnsmasq starts");
        let server = host.enter(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, 4001))).expect("a port");
        thread::spawn(move || server.incoming().flatten().for_each(greet));
        let guest = Qemu::new(Machine::Q35).image(image).nic_on_tap(&host, "tap0", "virtio-net-pci", GUEST_MAC).start();
        if protocols != Protocols::Ipv6 {
            guest.wait_for("address 10.9.0.50/24 by dhcp");
        }
        if protocols != Protocols::Ipv4 {
            guest.wait_for("address fd00:9::5054:ff:fe12:3456/64 by router advertisement");
        }
        Self { host, guest }
    }

    /// Sends a request, and returns the whole response.
    fn request(&self, address: IpAddr, request: &str) -> String {
        self.host.enter(|| {
            let mut stream = connect((address, 80).into(), TIMEOUT);
            stream.write_all(request.as_bytes()).expect("a request is sent");
            let mut response = String::new();
            stream.read_to_string(&mut response).expect("a response");
            response
        })
    }

    /// Returns the last line of a response.
    fn get(&self, address: IpAddr, path: &str) -> String {
        let response = self.request(address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        response.lines().last().unwrap_or_default().to_owned()
    }

    /// Page, events, names, outgoing connections and UDP over one protocol: the greeting names it.
    fn check(&self, address: IpAddr, name: &str, greeting: &str) {
        assert_eq!(self.get(address, "/"), "no calculator");
        assert_eq!(self.get(address, &format!("/greeting?host={name}&port=4001")), greeting);
        assert_eq!(self.get(address, &format!("/line?host={name}&port=4001")), greeting);
        let refused = self.get(address, &format!("/greeting?host={name}&port=4002"));
        assert_eq!(refused, format!("{name}: the peer refused the connection"));
        assert_eq!(self.get(address, "/greeting?host=none.invalid&port=1").split(": ").next(), Some("none.invalid"));
        let events = self.request(address, "GET /events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        assert!(events.contains("data: 1\n\n") && events.contains("data: 3\n\n"), "{events}");
        let local = if address.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
        let socket = self.host.enter(|| UdpSocket::bind((local, 0))).expect("a socket");
        socket.set_read_timeout(Some(TIMEOUT)).expect("a time limit");
        let peer = SocketAddr::new(address, 4000);
        socket.send_to(b"stressed", peer).expect("a datagram is sent");
        let mut buffer = [0; 100];
        let (length, from) = socket.recv_from(&mut buffer).expect("it comes back");
        assert_eq!((&buffer[..length], from), (&b"desserts"[..], peer));
    }
}

fn greet(mut stream: TcpStream) {
    let kind = match stream.peer_addr().map(|peer| peer.ip().to_canonical()) {
        Ok(IpAddr::V4(_)) => "IPv4",
        Ok(IpAddr::V6(_)) => "IPv6",
        Err(_) => return,
    };
    writeln!(stream, "welcome by {kind}").ok();
    // Closed with the greeting of the peer unread, Linux would reset the connection, and the line could be lost.
    stream.shutdown(Shutdown::Write).ok();
    io::copy(&mut stream, &mut io::sink()).ok();
}

#[test]
fn an_image_of_its_own_serves_and_connects_over_ipv4_alone() {
    if is_skipped_without_namespaces("an_image_of_its_own_serves_and_connects_over_ipv4_alone") {
        return;
    }
    let lan = Lan::start(Protocols::Ipv4);
    lan.check(IPV4, "ipv4.test", "welcome by IPv4");
    lan.check(IPV4, "both.test", "welcome by IPv4");
}

#[test]
fn an_image_of_its_own_serves_and_connects_over_ipv6_alone() {
    if is_skipped_without_namespaces("an_image_of_its_own_serves_and_connects_over_ipv6_alone") {
        return;
    }
    let lan = Lan::start(Protocols::Ipv6);
    lan.check(IPV6, "ipv6.test", "welcome by IPv6");
    lan.check(IPV6, "both.test", "welcome by IPv6");
}

#[test]
fn an_image_of_its_own_serves_and_connects_over_both_protocols() {
    if is_skipped_without_namespaces("an_image_of_its_own_serves_and_connects_over_both_protocols") {
        return;
    }
    let lan = Lan::start(Protocols::Both);
    for address in [IPV4, IPV6] {
        lan.check(address, "ipv4.test", "welcome by IPv4");
        lan.check(address, "ipv6.test", "welcome by IPv6");
        lan.check(address, "both.test", "welcome by IPv6");
    }
    assert_eq!(lan.get(IPV4, "/ping?host=10.9.0.1"), "2000 bytes from 10.9.0.1");
    assert!(lan.guest.console().text().contains("outside: 0 devices"));
}

/// Bodies, forms, parameters, ranges, frames, a raw stream, random numbers, the date, and HTTPS.
#[test]
fn an_image_of_its_own_has_every_service() {
    let (folder, image) = &*IMAGE;
    let disk = folder.join("ranges.img");
    fs::write(&disk, archive("hello.txt", b"from a disk\n")).expect("target/ is writable");
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../image/tls/tests/data");
    let guest = Qemu::new(Machine::Q35)
        .image(image)
        .nic(Nic::Virtio)
        .disk(&disk)
        .device("virtio-rng-pci")
        .argument("-fw_cfg", &format!("name=opt/outside/cert,file={data}/p256.pem"))
        .argument("-fw_cfg", &format!("name=opt/outside/key,file={data}/p256.key"))
        .forward(Protocol::Tcp, 443)
        .forward(Protocol::Tcp, 4003)
        .start();
    let mut client = guest.client();
    let mut ask = |request: &str| {
        client.send(request.as_bytes()).expect("a request is sent");
        let response = client.response().unwrap_or_else(|error| panic!("{request}: {error}"));
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
    let numbers = [ask("GET /random HTTP/1.1\r\nHost: x\r\n\r\n"), ask("GET /random HTTP/1.1\r\nHost: x\r\n\r\n")];
    assert!(numbers[0] != numbers[1] && numbers.iter().all(|number| number.1.len() == 16), "{numbers:?}");
    let time = ask("GET /time HTTP/1.1\r\nHost: x\r\n\r\n").1;
    assert!(time.len() == 24 && time.starts_with("20") && time.ends_with('Z'), "{time}");

    let mut stream = connect((Ipv4Addr::LOCALHOST, guest.http_port()).into(), TIMEOUT);
    let chunked = "Transfer-Encoding: chunked\r\nConnection: close";
    write!(stream, "PUT /upper HTTP/1.1\r\nHost: x\r\n{chunked}\r\n\r\n3\r\nabc\r\n").expect("a part is sent");
    // The answer begins before the body has ended.
    read_until(&mut stream, "3\r\nABC\r\n");
    stream.write_all(b"2\r\nde\r\n0\r\n\r\n").expect("the rest is sent");
    read_until(&mut stream, "2\r\nDE\r\n0\r\nX-Length: 5\r\n\r\n");

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

    let port = guest.port(0, Protocol::Tcp, 443);
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--max-time", "20", "--resolve", &format!("switchboard.test:{port}:127.0.0.1"), "--cacert"]);
    curl.args([&format!("{data}/p256.pem"), &format!("https://switchboard.test:{port}/double/4")]);
    match curl.output() {
        Ok(output) => assert_eq!(String::from_utf8_lossy(&output.stdout), "8", "{output:?}"),
        Err(_) => println!("skipped: HTTPS: curl is not installed"),
    }
}

#[test]
fn a_driver_of_its_own_is_tested_on_the_host() {
    cargo(
        &copied("driver"),
        &["test"],
        &[("CARGO_BUILD_TARGET", "x86_64-unknown-linux-gnu"), ("CARGO_PROFILE_DEV_DEBUG", "0")],
    );
}
