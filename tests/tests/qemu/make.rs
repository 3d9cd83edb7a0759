//! The commands `make run` and `make qemu-cmd`, as typed by a user.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use switchboard_tests::lan::is_skipped_without_namespaces;
use switchboard_tests::{Client, Console};

/// Returns a `make` at the top of the repository, without a terminal.
fn make(arguments: &[&str]) -> Command {
    let mut make = Command::new("make");
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    make.current_dir(top).args(arguments);
    // Removes what the surrounding `make test` exports.
    for variable in
        ["MAKEFLAGS", "MAKELEVEL", "MACHINE", "BOOT", "NIC", "NET", "IRQ", "PORT", "SMP", "MEM", "ACCEL", "APP", "DISK"]
    {
        make.env_remove(variable);
    }
    for variable in ["PROFILE", "FORWARD", "ARGS", "QEMU_ARGS"] {
        make.env_remove(variable);
    }
    make.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    make
}

/// Ends `make` by SIGTERM, so that it can end its QEMU. Uses the shell's `kill`, as a small system has no such program.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(Command::new("sh").args(["-c", &format!("kill {}", self.0.id())]).status());
        drop(self.0.wait());
    }
}

#[test]
fn run_serves_the_page_and_prints_its_address() {
    let mut running = Running(make(&["run", "FEATURES=clients"]).spawn().expect("make can be started"));
    let console = Console::default();
    console.follow(running.0.stdout.take().expect("stdout is a pipe"));
    console.follow(running.0.stderr.take().expect("stderr is a pipe"));
    // With the features that `make test-qemu` has built; without that it has to build first.
    let ready = console.wait_for("ready http://127.0.0.1:", Duration::from_secs(55));
    let ready = ready.unwrap_or_else(|| panic!("never ready:\n{}", console.text()));
    let port = ready.trim_start_matches("ready http://127.0.0.1:").trim_end_matches('/').parse().expect("a port");
    let mut client = Client::connect(port, Duration::from_secs(20)).expect("a connection");
    let page = client.get("/").expect("the page");
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{:?}", page.headers);
}

#[test]
fn run_on_a_tap_serves_the_page_at_the_guests_own_address() {
    if is_skipped_without_namespaces("run_on_a_tap_serves_the_page_at_the_guests_own_address") {
        return;
    }
    let mut running = Running(make(&["run", "NET=tap"]).spawn().expect("make can be started"));
    let console = Console::default();
    console.follow(running.0.stdout.take().expect("stdout is a pipe"));
    console.follow(running.0.stderr.take().expect("stderr is a pipe"));
    let made = console.wait_for("made sb-tap", Duration::from_secs(55));
    let made = made.unwrap_or_else(|| panic!("no tap:\n{}", console.text()));
    let tap = made.split_ascii_whitespace().nth(1).expect("the name of the tap").to_owned();
    assert!(Path::new("/sys/class/net").join(&tap).exists(), "{tap}");
    let ready = console.wait_for("ready http://198.18.", Duration::from_secs(55));
    let ready = ready.unwrap_or_else(|| panic!("never ready:\n{}", console.text()));
    let host: Ipv4Addr = ready.trim_start_matches("ready http://").trim_end_matches('/').parse().expect("an address");
    let mut client = Client::connect_to((host, 80).into(), Duration::from_secs(20)).expect("a connection");
    assert_eq!(client.get("/hello").expect("the greeting").body, b"Hello, world!");
    drop(client);
    drop(running);
    assert!(!Path::new("/sys/class/net").join(&tap).exists(), "{tap} is left:\n{}", console.text());
}

#[test]
fn qemu_cmd_prints_one_command() {
    let output = make(&["-s", "qemu-cmd", "MACHINE=pc", "NIC=e1000", "IRQ=intx", "MEM=256M"]).output().expect("make");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.lines().count() == 1, "{output:?}");
    for part in ["qemu-system-x86_64 -accel tcg -machine pc ", " -m 256M ", " -append irq=intx ", " e1000,netdev=net0"]
    {
        assert!(text.contains(part), "no `{part}` in {text}");
    }
}

#[test]
fn qemu_cmd_follows_its_variables() {
    let command = |words: &[&str]| {
        let output = make(&[&["-s", "qemu-cmd"], words].concat()).output().expect("make");
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (made, text) = command(&["BOOT=uefi", "IRQ=msi"]);
    assert!(made && text.contains("if=pflash,unit=0,") && text.contains("/switchboard.iso "), "{text}");
    assert!(!text.contains("-kernel") && !text.contains("irq=msi"), "the command line is in the ISO: {text}");
    let (made, text) = command(&["BOOT=iso"]);
    assert!(made && !text.contains("if=pflash") && text.contains("/switchboard.iso "), "{text}");
    let (made, text) = command(&["MACHINE=microvm"]);
    assert!(made && text.contains(" -machine microvm,pcie=on,") && text.contains(" -kernel "), "{text}");
    let (made, text) = command(&["MACHINE=microvm", "BOOT=iso"]);
    assert!(!made && text.contains("microvm has no CD"), "{text}");
}

#[test]
fn qemu_cmd_refuses_a_card_that_qemu_lacks() {
    let output = make(&["-s", "qemu-cmd", "NIC=igb"]).output().expect("make");
    let text = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
    let is_there = output.status.success() && text.contains(" igb,netdev=net0");
    assert!(is_there || text.contains("NIC=igb: this QEMU has no such device; QEMU 8.0 and newer have igb"), "{text}");
}

#[test]
fn invalid_values_are_refused_and_valid_ones_named() {
    for (variable, allowed) in [
        ("MACHINE=vax", "q35 pc microvm"),
        ("BOOT=floppy", "pvh iso uefi"),
        ("NIC=token-ring", "virtio e1000 e1000e igb rtl8139 vmxnet3 none"),
        ("NET=bridge", "user tap"),
        ("IRQ=loud", "auto msix msi intx"),
        ("ACCEL=warp", "tcg kvm"),
        ("PORT=0", "1 to 65535"),
    ] {
        let output = make(&["-s", "qemu-cmd", variable]).output().expect("make");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(variable) && text.contains(allowed), "{text}");
    }
}
