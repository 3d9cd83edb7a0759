//! Reset and sleep, of a virtio function behind a port: QEMU's own account of what was written, and a device that works
//! before and after.

use switchboard_tests::{Exit, Machine, Qemu, Trace};

const NAME: &str = "virtio-rng-pci";

/// The value that was written to a register of the function, if that is what a line of the trace tells.
fn written(line: &str, register: u16) -> Option<u32> {
    let (_, rest) = line.split_once(NAME)?;
    let (_, value) = rest.split_once(&format!("@{register:#x} <- 0x"))?;
    u32::from_str_radix(value.trim(), 16).ok()
}

#[test]
fn a_function_is_reset_and_sleeps_and_is_as_it_was() {
    let trace = Trace::of("pci_cfg_write");
    let port = "pcie-root-port,id=above,chassis=1";
    let qemu = Qemu::new(Machine::Q35).device(port).device("virtio-rng-pci,bus=above,disable-legacy=on");
    let guest = trace.attach(qemu).option("app=power").start();
    assert_eq!(guest.exit(), Exit::Success);
    let said = |text| guest.wait_for(text);
    assert!(said("reset by").ends_with("by function-level reset"));
    said("random bytes after the reset");
    said("asleep");
    said("random bytes after the sleep");

    // It was told to reset once, to sleep once, and to wake once.
    let told = |value| trace.count(|line| line.contains(NAME) && line.ends_with(&format!("<- {value}")));
    assert_eq!((told("0x8000"), told("0x3")), (1, 1));
    // QEMU clears the BARs of a function that resets: of this one's three registers two held something.
    let is_put_back = |bar: &u16| writes(&trace, *bar, |value| value != 0 && value != u32::MAX) >= 2;
    assert!((0x10..0x28).step_by(4).filter(is_put_back).count() >= 2, "the BARs of {NAME} were not put back");
}

/// How often such a value was written to a register.
fn writes(trace: &Trace, register: u16, is_meant: impl Fn(u32) -> bool) -> u64 {
    trace.count(|line| written(line, register).is_some_and(&is_meant))
}
