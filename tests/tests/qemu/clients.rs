//! The apps of the feature `clients` against servers of the host, which the guest reaches as 10.0.2.2. Each is skipped, with
//! the reason, where its server or the image with the feature is missing.

use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use std::{env, fs, thread};

use switchboard_tests::{Client, Guest, Machine, Nic, Protocol, Qemu, ScratchPath};

const TIMEOUT: Duration = Duration::from_secs(20);
/// The folder of the test certificates.
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../image/tls/tests/data");

/// A server of the host, killed when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Starts a server; `None`, with a line, where it is not installed.
fn start(test: &str, command: &mut Command, port: u16) -> Option<Server> {
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(child) = command.spawn() else {
        println!("skipped: {test}: {} is not installed", command.get_program().display());
        return None;
    };
    let server = Server(child);
    let (end, address) = (Instant::now() + TIMEOUT, SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    while std::net::TcpStream::connect(address).is_err() {
        assert!(Instant::now() < end, "{test}: the server does not listen on port {port}");
        thread::sleep(Duration::from_millis(50));
    }
    Some(server)
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr()).expect("a port").port()
}

/// Returns the guest that runs an app, before its start.
fn qemu(test: &str, app: &str) -> Option<Qemu> {
    let Ok(image) = env::var("SWITCHBOARD_TLS_IMAGE") else {
        println!("skipped: {test}: SWITCHBOARD_TLS_IMAGE is not set; `make test-qemu` sets it");
        return None;
    };
    Some(Qemu::new(Machine::Q35).image(Path::new(&image)).nic(Nic::Virtio).option(app))
}

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).expect("target/ is writable");
    folder
}

#[test]
fn reqwless_fetches_from_python() {
    const TEST: &str = "reqwless_fetches_from_python";
    let (port, closed, folder) = (free_port(), free_port(), scratch("http-get"));
    let bytes: Vec<u8> = (0..100_000_u32).map(|index| (index % 251) as u8).collect();
    fs::write(folder.join("file.bin"), &bytes).expect("target/ is writable");
    let mut python = Command::new("python3");
    python.args(["-m", "http.server", "--bind", "127.0.0.1", &port.to_string()]).current_dir(&folder);
    let Some(qemu) = qemu(TEST, "app=http-get") else { return };
    let Some(_server) = start(TEST, &mut python, port) else { return };
    let url = format!("http://10.0.2.2:{port}");
    let guest = qemu.option(&format!("-- {url}/file.bin {url}/none http://10.0.2.2:{closed}/")).start();
    let sum: u64 = bytes.iter().copied().map(u64::from).sum();
    guest.wait_for(&format!("/file.bin: 200, 100000 bytes, of sum {sum}"));
    guest.wait_for("/none: 404, ");
    guest.wait_for(&format!("http://10.0.2.2:{closed}/: Network(ConnectionRefused)"));
}

#[test]
fn rust_mqtt_publishes_and_receives_by_mosquitto() {
    const TEST: &str = "rust_mqtt_publishes_and_receives_by_mosquitto";
    let port = free_port();
    let config = scratch("mqtt").join("mosquitto.conf");
    fs::write(&config, format!("listener {port} 127.0.0.1\nallow_anonymous true\n")).expect("target/ is writable");
    let Some(qemu) = qemu(TEST, "app=mqtt") else { return };
    // Debian has it where only the superuser's PATH leads.
    let program = ["/usr/sbin/mosquitto", "mosquitto"].into_iter().find(|path| Path::new(path).exists());
    let Some(_server) = start(TEST, Command::new(program.unwrap_or("mosquitto")).arg("-c").arg(&config), port) else {
        return;
    };
    let guest = qemu.option(&format!("-- 10.0.2.2:{port} lamps/1 all on")).start();
    guest.wait_for("mqtt lamps/1: all on");
}

#[test]
fn tls_verifies_the_certificate_of_openssl() {
    const TEST: &str = "tls_verifies_the_certificate_of_openssl";
    for (root, name, line) in [
        ("p256", "switchboard.test", "tls switchboard.test: HTTP/1.0 200 ok, "),
        ("p256", "other.test", "tls other.test: TLS: invalid peer certificate: "),
        ("rsa", "switchboard.test", "tls switchboard.test: TLS: invalid peer certificate: "),
    ] {
        let Some(qemu) = qemu(TEST, "app=tls-get") else { return };
        let port = free_port();
        let mut openssl = Command::new("openssl");
        openssl.args(["s_server", "-quiet", "-www", "-accept", &format!("127.0.0.1:{port}")]);
        openssl.args(["-cert", &format!("{DATA}/p256.pem"), "-key", &format!("{DATA}/p256.key")]);
        let Some(_server) = start(TEST, &mut openssl, port) else { return };
        let roots = format!("name=opt/switchboard/tls/roots,file={DATA}/{root}.pem");
        let guest = qemu.argument("-fw_cfg", &roots).option(&format!("-- 10.0.2.2:{port} {name}")).start();
        guest.wait_for(line);
    }
}

#[test]
fn embedded_tls_verifies_the_certificate_of_openssl() {
    const TEST: &str = "embedded_tls_verifies_the_certificate_of_openssl";
    let root = ScratchPath::new("der");
    let mut convert = Command::new("openssl");
    convert.args(["x509", "-outform", "DER", "-in", &format!("{DATA}/p256.pem"), "-out"]).arg(root.path());
    if !convert.status().is_ok_and(|status| status.success()) {
        return println!("skipped: {TEST}: openssl is not installed");
    }
    for (name, line) in [
        ("switchboard.test", "embedded-tls switchboard.test: HTTP/1.0 200 ok"),
        ("other.test", "embedded-tls other.test: InvalidCertificate"),
    ] {
        let Some(qemu) = qemu(TEST, "app=embedded-tls") else { return };
        let port = free_port();
        let mut openssl = Command::new("openssl");
        openssl.args(["s_server", "-quiet", "-www", "-accept", &format!("127.0.0.1:{port}")]);
        openssl.args(["-cert", &format!("{DATA}/p256.pem"), "-key", &format!("{DATA}/p256.key")]);
        let Some(_server) = start(TEST, &mut openssl, port) else { return };
        let file = format!("name=opt/switchboard/tls/root.der,file={}", root.path().display());
        let guest = qemu.argument("-fw_cfg", &file).option(&format!("-- 10.0.2.2:{port} {name}")).start();
        guest.wait_for(line);
    }
}

#[test]
fn picoserve_serves_on_a_listener() {
    let Some(qemu) = qemu("picoserve_serves_on_a_listener", "app=picoserve") else { return };
    let guest = qemu.forward(Protocol::Tcp, 8000).start();
    guest.wait_for("address 10.0.2.15/24 by dhcp");
    let mut client = picoserve_client(&guest);
    assert_eq!(client.get("/").expect("a page").body, b"served by picoserve\n");
    // The same connection.
    assert_eq!(client.get("/double/21").expect("a number").body, b"42\n");
    assert_eq!(client.get("/none").expect("a refusal").status, 404);
}

fn picoserve_client(guest: &Guest) -> Client {
    let address = (Ipv4Addr::LOCALHOST, guest.port(0, Protocol::Tcp, 8000)).into();
    Client::connect_to(address, TIMEOUT).expect("a connection")
}

/// The server's time is in another decade, so that the clock makes a step.
#[test]
fn the_clock_steps_to_the_time_of_a_server() {
    const SECONDS_OFF: u64 = 300_000_000;
    const UNIX_EPOCH_IN_NTP: u64 = 2_208_988_800;
    let socket = match UdpSocket::bind((Ipv4Addr::LOCALHOST, 123)) {
        Ok(socket) => socket,
        Err(error) => return println!("skipped: the_clock_steps_to_the_time_of_a_server: port 123: {error}"),
    };
    thread::spawn(move || {
        let mut request = [0; 48];
        while let Ok((48, from)) = socket.recv_from(&mut request) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
            let seconds = (now.as_secs() + UNIX_EPOCH_IN_NTP + SECONDS_OFF) & 0xffff_ffff;
            let fraction = (u64::from(now.subsec_nanos()) << 32) / 1_000_000_000;
            let time = (seconds << 32 | fraction).to_be_bytes();
            let mut answer = [0; 48];
            // Version 4, of a server; stratum 1, a poll interval of 64 s, a precision of a microsecond (RFC 5905, 7.3).
            answer[..4].copy_from_slice(&[0x24, 1, 6, 0xec]);
            answer[12..16].copy_from_slice(b"TEST");
            answer[16..24].copy_from_slice(&time);
            answer[24..32].copy_from_slice(&request[40..48]);
            answer[32..40].copy_from_slice(&time);
            answer[40..48].copy_from_slice(&time);
            socket.send_to(&answer, from).ok();
        }
    });
    let guest = Qemu::new(Machine::Q35).nic(Nic::Virtio).option("ntp=10.0.2.2").start();
    let line = guest.wait_for("time by ntp 10.0.2.2, ");
    let off = line.split("10.0.2.2, ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
    let off = off.unwrap_or_else(|| panic!("{line}"));
    assert!(off.abs_diff(SECONDS_OFF * 1_000_000) < 60_000_000, "{line}");
}
