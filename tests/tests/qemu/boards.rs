//! CPUs and firmware with less than usual: the image boots without, or ends with a reason.

use switchboard_tests::{Exit, Machine, Qemu};

/// Runs `hello`, or what comes before it, to the end.
fn run(qemu: Qemu) -> (Exit, String) {
    let guest = qemu.option("app=hello").start();
    let exit = guest.exit();
    (exit, guest.console().text())
}

#[test]
fn a_cpu_without_nx_boots_without_execute_protection() {
    let (exit, console) = run(Qemu::new(Machine::Q35).cpu("max,-nx"));
    assert_eq!(exit, Exit::Success, "{console}");
    assert!(console.contains("WARN  the CPU has no NX bit: data is not protected from execution"), "{console}");
}

#[test]
fn a_cpu_without_long_mode_ends_with_a_reason() {
    for cpu in ["qemu32", "486"] {
        let (exit, console) = run(Qemu::new(Machine::Q35).cpu(cpu));
        assert_eq!(exit, Exit::Failure, "{cpu}: {console}");
        assert!(console.contains("the CPU has no 64-bit mode (long mode)"), "{cpu}: {console}");
    }
}

#[test]
fn without_a_serial_port_the_console_is_the_debug_console() {
    let (exit, console) = run(Qemu::new(Machine::Q35).debug_console());
    assert_eq!(exit, Exit::Success, "{console}");
    assert!(console.contains("INFO  boot: by PVH") && console.contains("hello from Switchboard"), "{console}");
}

/// Returns the megahertz of the TSC in the line that reports the clock, and the line.
fn tsc_mhz(machine: Machine, cpu: &str, options: &str) -> (u64, String) {
    let (exit, console) = run(Qemu::new(machine).cpu(cpu).argument("-machine", options));
    assert_eq!(exit, Exit::Success, "{console}");
    let line = console.lines().find(|line| line.contains("time: TSC at ")).expect("the line of the clock");
    let number = line.split("TSC at ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a number");
    (number.parse().expect("a number"), line.to_owned())
}

/// A machine without PIT and ACPI timer measures its TSC by the timers that are left, to ten percent on a busy host.
#[test]
fn without_pit_and_acpi_timer_the_clock_runs_at_the_right_speed() {
    let (right, line) = tsc_mhz(Machine::Q35, "max", "q35");
    assert!(line.contains("by ACPI timer"), "{line}");
    for (cpu, source) in [("max", "by APIC timer"), ("max,-hypervisor", "by RTC")] {
        let (measured, line) = tsc_mhz(Machine::Microvm, cpu, "pit=off");
        assert!(line.contains(source), "{line}");
        assert!(measured.abs_diff(right) < right / 10, "{right} MHz: {line}");
    }
}

#[test]
fn a_clock_without_a_reference_has_a_warning() {
    let machine = Qemu::new(Machine::Microvm).cpu("max,-hypervisor").argument("-machine", "pit=off,rtc=off");
    let (exit, console) = run(machine);
    assert_eq!(exit, Exit::Success, "{console}");
    assert!(console.contains("WARN  time: no timer of a known frequency"), "{console}");
}

/// A relative of a known card, and a port that firmware serves, are each a line at INFO, and no error.
#[test]
fn what_is_left_without_a_driver_has_a_reason_once() {
    let qemu = ["1", "2", "3"].iter().fold(Qemu::new(Machine::Q35), |qemu, port| {
        let bridge = format!("pcie-root-port,id=port{port},chassis={port}");
        qemu.bridge(&bridge).device(&format!("virtio-rng-pci,bus=port{port}"))
    });
    let (exit, console) = run(qemu.nic_device("i82559er,addr=9"));
    assert_eq!(exit, Exit::Success, "{console}");
    let lines = |text: &str| console.lines().filter(|line| line.contains(text)).count();
    assert_eq!(lines("INFO  0000:00:09.0: left without a driver: 8086:1209 is a network card"), 1, "{console}");
    assert_eq!(lines("INFO  0000:00:01.0 (and any others like it): hotplug: left alone: "), 1, "{console}");
    assert_eq!((lines("ERROR"), lines("failed")), (0, 0), "{console}");
}
