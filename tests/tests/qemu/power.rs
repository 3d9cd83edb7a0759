//! Reset and sleep of a virtio function behind a port: QEMU's trace shows the register writes, and the device works
//! before and after.

use switchboard_tests::{Exit, Machine, Qemu, Trace};

const NAME: &str = "virtio-rng-pci";

/// Returns the value that a line of the trace reports as written to a register of the function, if it does.
fn written(line: &str, register: u16) -> Option<u32> {
    let (_, rest) = line.split_once(NAME)?;
    let (_, value) = rest.split_once(&format!("@{register:#x} <- 0x"))?;
    u32::from_str_radix(value.trim(), 16).ok()
}

#[test]
fn a_function_works_after_reset_and_sleep() {
    let trace = Trace::of("pci_cfg_write");
    let port = "pcie-root-port,id=above,chassis=1";
    let qemu = Qemu::new(Machine::Q35).device(port).device("virtio-rng-pci,bus=above,disable-legacy=on");
    let guest = trace.attach(qemu).option("app=power").start();
    assert_eq!(guest.exit(), Exit::Success);
    let wait_for = |text| guest.wait_for(text);
    assert!(wait_for("reset by").ends_with("by function-level reset"));
    wait_for("random bytes after the reset");
    wait_for("asleep");
    wait_for("random bytes after the sleep");

    // One reset, one transition to sleep, one to wake.
    let writes_of = |value| trace.count(|line| line.contains(NAME) && line.ends_with(&format!("<- {value}")));
    assert_eq!((writes_of("0x8000"), writes_of("0x3")), (1, 1));
    // QEMU clears the BARs of a function that is reset: of this one's three registers two held a value.
    let is_restored = |bar: &u16| writes(&trace, *bar, |value| value != 0 && value != u32::MAX) >= 2;
    assert!((0x10..0x28).step_by(4).filter(is_restored).count() >= 2, "the BARs of {NAME} were not restored");
}

/// Returns how often such a value was written to a register.
fn writes(trace: &Trace, register: u16, is_counted: impl Fn(u32) -> bool) -> u64 {
    trace.count(|line| written(line, register).is_some_and(&is_counted))
}
