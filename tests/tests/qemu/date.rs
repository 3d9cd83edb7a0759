//! Date and time: from the machine's real-time clock, in log lines, and without such a clock.

use switchboard_tests::{Machine, Qemu};

fn hello(machine: Machine) -> Qemu {
    Qemu::new(machine).option("app=hello")
}

#[test]
fn the_real_time_clock_sets_the_date() {
    for machine in [Machine::Q35, Machine::Pc] {
        let guest = hello(machine).argument("-rtc", "base=2039-02-28T23:50:00").start();
        guest.wait_for("date: 2039-02-28T23:50:0");
    }
}

#[test]
fn a_machine_without_a_clock_has_no_date() {
    let guest = hello(Machine::Microvm).argument("-machine", "rtc=off").option("log-time=utc").start();
    let console = guest.wait_for("date: unknown, this machine has no real-time clock");
    assert!(!console.contains("[20"), "{console}");
    guest.wait_for("hello from");
}

#[test]
fn log_lines_have_the_date_when_asked() {
    let rtc = "base=2039-02-28T23:50:00";
    let guest = Qemu::new(Machine::Q35).files().option("log-time=utc").argument("-rtc", rtc).start();
    let console = guest.wait_for("INFO  files: ");
    let line = console.lines().find(|line| line.contains("INFO  files: ")).unwrap_or_default();
    assert!(line.starts_with("[2039-02-28T23:50:"), "{console}");
}
