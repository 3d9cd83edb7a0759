//! After a panic no device writes to memory: all of it is compared while frames keep arriving.

use core::net::Ipv4Addr;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::net::UdpSocket;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use std::{fs, thread};

use switchboard_tests::{Guest, Machine, Nic, Protocol, Qemu, Qtest, ScratchPath, sha256};

const COMMAND: u8 = 4;
const BUS_MASTER: u16 = 4;
const INTX_DISABLE: u16 = 0x400;
/// UDP port that the frames are sent to; no listener is needed.
const PORT: u16 = 9;
const MEMORY: usize = 32 << 20;

const TIMEOUT: Duration = Duration::from_secs(20);
/// Time between two comparisons of memory: hundreds of frames.
const PAUSE: Duration = Duration::from_millis(500);

/// Returns a digest of the guest's whole memory as its CPU reads it.
fn memory(guest: &Guest) -> String {
    let file = ScratchPath::new("memory");
    guest.monitor(&format!("pmemsave 0 {MEMORY:#x} \"{}\"", file.path().display()));
    let start = Instant::now();
    while length(file.path()) != MEMORY as u64 {
        assert!(start.elapsed() < TIMEOUT, "QEMU has not saved memory");
        thread::sleep(Duration::from_millis(20));
    }
    sha256(&fs::read(file.path()).expect("what QEMU wrote"))
}

/// Waits until the guest has halted, after its last output.
fn wait_for_halt(guest: &Guest) {
    let start = Instant::now();
    while guest.console().wait_for("HLT=1", PAUSE).is_none() {
        assert!(start.elapsed() < TIMEOUT, "it does not halt");
        guest.monitor("info registers");
    }
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

/// A thread that sends small frames to ports of the guest's network functions until this is dropped.
struct Flood(Arc<AtomicBool>);

impl Flood {
    fn start(ports: [u16; 2]) -> Self {
        let is_done = Arc::new(AtomicBool::new(false));
        let flood = Self(Arc::clone(&is_done));
        thread::spawn(move || {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
            while !is_done.load(Ordering::Relaxed) {
                for port in ports {
                    // An error of the host costs one frame.
                    drop(socket.send_to(&[0xa5; 200], (Ipv4Addr::LOCALHOST, port)));
                }
                thread::sleep(Duration::from_micros(500));
            }
        });
        flood
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn panics(machine: Machine) {
    let qtest = Qtest::default();
    let qemu = Qemu::new(machine).memory("32M").nic(Nic::Virtio).nic(Nic::E1000).device("virtio-rng-pci").files();
    let guest = qtest.attach(qemu).forward(Protocol::Udp, PORT).without_exit().start();
    let functions = guest.functions();
    // Both cards have an address by now, and QEMU's user network has learned it.
    drop((guest.client_on(0), guest.client_on(1)));
    let ports = [0, 1].map(|nic| guest.port(nic, Protocol::Udp, PORT));
    let places: Vec<_> = functions.iter().map(|function| bdf(&function.address)).collect();
    let command = |bdf| qtest.read_config(bdf, COMMAND);
    let masters = || places.iter().filter(|bdf| command(**bdf) & BUS_MASTER != 0).count();
    assert!(masters() >= 4, "four drivers run");

    let _flood = Flood::start(ports);
    thread::sleep(PAUSE);
    // At an arbitrary point of the guest's work.
    guest.monitor("nmi");
    guest.wait_for("panicked at");
    wait_for_halt(&guest);
    let before = memory(&guest);
    thread::sleep(PAUSE);
    assert_eq!(memory(&guest), before, "a device has written to memory after the panic");
    assert_eq!(masters(), 0);

    // The frames arrived all the time: a function with bus mastering turned on again does write.
    let e1000 = functions.iter().find(|function| function.driver.as_deref() == Some("e1000")).expect("an e1000");
    let e1000 = bdf(&e1000.address);
    assert_eq!(command(e1000) & INTX_DISABLE, INTX_DISABLE);
    qtest.write_config(e1000, COMMAND, command(e1000) | BUS_MASTER);
    thread::sleep(PAUSE);
    assert_ne!(memory(&guest), before, "nothing was sent");
    assert!(guest.is_running());
}

/// Parses bus, device and function of an address.
fn bdf(address: &str) -> (u8, u8, u8) {
    let numbers: Vec<_> =
        address.split([':', '.']).map(|digits| u8::from_str_radix(digits, 16).expect("hexadecimal digits")).collect();
    let [.., bus, device, function] = numbers[..] else { panic!("{address} is no address") };
    (bus, device, function)
}

#[test]
fn q35() {
    panics(Machine::Q35);
}

#[test]
fn pc() {
    panics(Machine::Pc);
}
