//! The shell at a virtio keyboard.

use switchboard_tests::{Exit, Machine, Nic, Qemu};

#[test]
fn the_shell_is_typed_into() {
    let guest =
        Qemu::new(Machine::Q35).nic(Nic::Virtio).device("virtio-keyboard-pci").device("virtio-tablet-pci").start();
    guest.wait_for("left alone: virtio-input: no keyboard");
    guest.wait_for("virtio-input, with a shell");
    for key in ["h", "e", "l", "p", "ret"] {
        guest.monitor(&format!("sendkey {key}"));
    }
    guest.wait_for("every handler, and how often it was called");
    for key in ["p", "o", "w", "e", "r", "o", "f", "f", "ret"] {
        guest.monitor(&format!("sendkey {key}"));
    }
    // The exit device may be faster than ACPI.
    assert!(matches!(guest.exit(), Exit::Qemu(0) | Exit::Success));
}
