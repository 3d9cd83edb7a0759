//! Tests a driver on QEMU's own model of its device. Skipped where QEMU is not installed.

use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::{Function, Resources};
use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock};
use switchboard_testing::qemu::Bench;

struct Registers;

impl RegisterBlock for Registers {
    const SIZE: u64 = 0x100;
}

const IDENTIFICATION: Reg<Registers, u32, ReadOnly> = Reg::at(0x00);
const LIVENESS: Reg<Registers, u32> = Reg::at(0x04);

/// A driver that inverts numbers by QEMU's edu device.
struct Inverter {
    registers: Bar<Registers>,
}

impl Driver for Inverter {
    const NAME: &'static str = "inverter";
    const MATCHES: &'static [Id] = &[Id::new(0x1234, 0x11e8)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let Resources { bar0, .. } = function.claim()?;
        let registers: Bar<Registers> = bar0.map()?;
        match registers.read(&IDENTIFICATION) & 0xffff {
            0x00ed => Ok(Self { registers }),
            _ => Err(ProbeError::Device("another device")),
        }
    }
}

#[test]
fn numbers_are_inverted() {
    Bench::qemu().device("edu").in_each_mode(|bench| {
        let inverter: Inverter = bench.attach();
        inverter.registers.write(&LIVENESS, 0x1234_5678);
        assert_eq!(inverter.registers.read(&LIVENESS), !0x1234_5678);
    });
}

/// A run is recorded, and played without QEMU.
#[test]
fn a_run_is_recorded_and_played() {
    let invert = |bench: &Bench| {
        let inverter: Inverter = bench.attach();
        inverter.registers.write(&LIVENESS, 7);
        assert_eq!(inverter.registers.read(&LIVENESS), !7);
    };
    let path = std::env::temp_dir().join(format!("inverter-{}.recording", std::process::id()));
    let Some(bench) = Bench::qemu().device("edu").record(&path).start() else { return };
    invert(&bench);
    drop(bench);
    let bench = Bench::replay(&path);
    invert(&bench);
    bench.check_nothing_left();
    drop(bench);
    // Another run differs at its first access that is another one.
    let difference = std::panic::catch_unwind(|| {
        let inverter: Inverter = Bench::replay(&path).attach();
        inverter.registers.write(&LIVENESS, 8);
    });
    std::fs::remove_file(&path).expect("a file");
    let text = *difference.expect_err("a difference").downcast::<String>().expect("text");
    assert!(text.contains("bar0+0x4 4 0x00000008"), "{text}");
}

#[test]
fn faults_are_survived() {
    let report = Bench::qemu().device("edu").inject::<Inverter, ProbeError>(10, |_, inverter| {
        inverter.registers.write(&LIVENESS, 1);
        match inverter.registers.read(&LIVENESS) {
            u32::MAX => Some(Err(ProbeError::Device("removed"))),
            value => Some((value == !1).then_some(()).ok_or(ProbeError::Device("a wrong number"))),
        }
    });
    assert!(report.is_none_or(|report| report.stuck == 0 && report.faults >= 8), "{report:?}");
}
