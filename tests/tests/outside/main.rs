//! Crates outside the workspace: an image with a driver and an app of its own, and a driver that is tested on the host.

mod lan;
mod servers;
mod services;

use core::net::Ipv4Addr;
use core::time::Duration;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use switchboard_tests::{Machine, Nic, Qemu, Qmp, archive, connect, read_until};

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

#[test]
fn a_driver_of_its_own_is_tested_on_the_host() {
    cargo(
        &copied("driver"),
        &["test"],
        &[("CARGO_BUILD_TARGET", "x86_64-unknown-linux-gnu"), ("CARGO_PROFILE_DEV_DEBUG", "0")],
    );
}
