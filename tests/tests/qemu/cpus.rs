//! Several CPUs: all are started on every machine, tasks run on each, and a panic on one of them stops all.

use switchboard_tests::{Boot, Exit, Machine, Qemu};

/// Runs the app `cpus` with that many CPUs to the end.
fn run(qemu: Qemu, cpus: &str, options: &str) -> (Exit, String) {
    let guest = qemu.argument("-smp", cpus).option(&format!("app=cpus {options}")).start();
    let exit = guest.exit();
    (exit, guest.console().text())
}

/// Checks that all CPUs run, and that they agree with one CPU on the number of primes.
fn all_count_primes(qemu: Qemu, cpus: &str) {
    let (exit, console) = run(qemu, cpus, "");
    assert_eq!(exit, Exit::Success, "{console}");
    assert!(console.contains(&format!("INFO  {cpus} of {cpus} CPUs run")), "{console}");
    // The number of primes below 64,000.
    assert!(console.contains("6413 by 1 CPUs in") && console.contains(&format!("6413 by {cpus} CPUs in")), "{console}");
}

#[test]
fn each_machine_runs_tasks_on_all_cpus() {
    all_count_primes(Qemu::new(Machine::Q35), "4");
    all_count_primes(Qemu::new(Machine::Pc).cpu("qemu64"), "2");
    all_count_primes(Qemu::new(Machine::Microvm), "3");
}

#[test]
fn each_loader_leaves_a_page_to_start_cpus_in() {
    all_count_primes(Qemu::new(Machine::Q35).boot(Boot::Iso), "2");
    all_count_primes(Qemu::new(Machine::Q35).boot(Boot::Uefi), "2");
}

#[test]
fn the_number_of_cpus_is_limited() {
    let (exit, console) = run(Qemu::new(Machine::Q35), "4", "cpus=2");
    assert_eq!(exit, Exit::Success, "{console}");
    assert!(console.contains("INFO  2 of 4 CPUs run") && console.contains("6413 by 2 CPUs in"), "{console}");
    let (exit, console) = run(Qemu::new(Machine::Q35), "2", "cpus=0");
    assert_eq!(exit, Exit::Success, "{console}");
    assert!(console.contains("kernel option `cpus=0` is ignored"), "{console}");
}

#[test]
fn cpus_without_memory_for_stacks_are_left_halted() {
    let (exit, console) = run(Qemu::new(Machine::Q35).memory("16M"), "32", "");
    assert_eq!(exit, Exit::Success, "{console}");
    let lines = console.lines().filter(|line| line.contains("CPUs left halted: no memory for more stacks")).count();
    assert_eq!(lines, 1, "{console}");
}

/// A panic on any CPU is reported once, with the CPU, and ends the machine.
#[test]
fn a_panic_on_one_cpu_stops_all() {
    for cpu in 0..3 {
        let (exit, console) = run(Qemu::new(Machine::Q35), "3", &format!("-- panic {cpu}"));
        assert_eq!(exit, Exit::Failure, "CPU {cpu}: {console}");
        assert_eq!(console.matches("panicked at").count(), 1, "CPU {cpu}: {console}");
        assert!(console.contains(&format!("CPU {cpu}: panicked at")), "{console}");
        assert!(console.contains(&format!("as requested, on CPU {cpu}")), "{console}");
    }
}
