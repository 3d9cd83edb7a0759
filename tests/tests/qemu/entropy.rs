//! The entropy source: fit for keys with the CPU's instructions or a device, and not with timing alone.

use switchboard_tests::{Machine, Nic, Qemu};

/// Returns the status of a guest with this CPU and these devices, without spaces.
fn status(cpu: &str, devices: &[&str]) -> String {
    let qemu = Qemu::new(Machine::Q35).cpu(cpu).nic(Nic::Virtio);
    let guest = devices.iter().fold(qemu, |qemu, device| qemu.device(device)).start();
    let status = guest.client().get("/status").expect("an answer");
    String::from_utf8(status.body).expect("text")
}

#[test]
fn instructions_of_the_cpu_are_fit_for_keys() {
    let status = status("max", &[]);
    assert!(status.contains(r#""entropy":{"is_fit":true,"reason":null"#), "{status}");
    assert!(status.contains(r#"{"name":"rdrand","state":"healthy","bits":"#), "{status}");
}

#[test]
fn a_device_is_fit_for_keys() {
    let status = status("qemu64,-rdrand,-rdseed", &["virtio-rng-pci"]);
    assert!(status.contains(r#""entropy":{"is_fit":true,"reason":null"#), "{status}");
    assert!(status.contains(r#"{"name":"rdrand","state":"absent","bits":0}"#), "{status}");
    assert!(status.contains(r#"{"name":"device","state":"healthy","bits":256}"#), "{status}");
}

#[test]
fn timing_alone_is_not_fit_for_keys() {
    let status = status("qemu64,-rdrand,-rdseed", &[]);
    assert!(status.contains(r#""entropy":{"is_fit":false,"reason":"no source: the CPU has neither"#), "{status}");
}
