//! The shell on a virtio socket, whose host is this test.

use core::time::Duration;
use std::sync::mpsc::{Receiver, channel};

use switchboard_tests::{Exit, Machine, Nic, Qemu, ScratchPath};

#[path = "../../../drivers/tests/qemu/vhost_user.rs"]
mod vhost_user;

use vhost_user::{Backend, DATA, Packet, REQUEST, RESET, RESPONSE, SHUTDOWN};

const TIMEOUT: Duration = Duration::from_secs(20);

/// Waits until text was received, and returns how many bytes were in all.
fn wait_for(packets: &Receiver<Packet>, text: &str) -> u32 {
    let mut shown = Vec::new();
    while !String::from_utf8_lossy(&shown).contains(text) {
        let packet =
            packets.recv_timeout(TIMEOUT).unwrap_or_else(|_| panic!("{text}: {}", String::from_utf8_lossy(&shown)));
        assert!(![RESET, SHUTDOWN].contains(&packet.operation), "{packet:?}");
        shown.extend(packet.data);
    }
    u32::try_from(shown.len()).expect("a short text")
}

#[test]
fn the_shell_serves_the_host() {
    let socket = ScratchPath::new("vsock");
    let (sender, packets) = channel();
    let backend =
        Backend::start(socket.path(), move |packet| sender.send(packet).map_or_else(|_| Vec::new(), |()| Vec::new()));
    let (chardev, device) = backend.options();
    let guest = Qemu::new(Machine::Q35)
        .nic(Nic::Virtio)
        .argument("-object", "memory-backend-memfd,id=memory,size=128M,share=on")
        .argument("-machine", "memory-backend=memory")
        .argument("-chardev", &chardev)
        .device(device)
        .start();
    guest.wait_for("CID 3, shell on port 23");
    let request = Packet { host_port: 5000, guest_port: 23, operation: REQUEST, flags: 0, taken: 0, data: Vec::new() };
    backend.send(request.clone());
    assert_eq!(packets.recv_timeout(TIMEOUT).map(|packet| packet.operation), Ok(RESPONSE));
    let mut taken = wait_for(&packets, "> ");
    backend.send(request.answer(DATA, taken, b"functions\r"));
    taken += wait_for(&packets, "virtio-vsock");
    backend.send(request.answer(DATA, taken, b"poweroff\r"));
    // The exit device may be faster than ACPI.
    assert!(matches!(guest.exit(), Exit::Qemu(0) | Exit::Success));
}
