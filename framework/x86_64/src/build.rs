//! The construction of the `Machine` from the parts of this crate.

#![expect(unsafe_code, reason = "vouches for the parts of the machine")]

use alloc::boxed::Box;

use switchboard::assign::Apertures;
use switchboard::config::ConfigAccess;
use switchboard::machine::{DeviceFence, Machine, MachineParts, RootBuses};
use switchboard::platform::ModePolicy;

use super::apic::Controller;
use super::clock::TscClock;
use super::memory::MachineMemory;
use super::{cpu, cpus, routing};

/// Builds the machine. Called once, by `init`.
pub(super) fn machine(
    config: &'static dyn ConfigAccess,
    apertures: Apertures,
    controller: &'static Controller,
    policy: ModePolicy,
) -> &'static Machine {
    let parts = MachineParts {
        config,
        // On QEMU's boards, looking for further root buses would take tens of milliseconds.
        root_buses: if routing::is_qemu(config) { RootBuses::ShownOnFirst } else { RootBuses::Any },
        apertures,
        controller,
        memory: &MachineMemory,
        clock: &TscClock,
        vectors: cpus::online().iter().filter_map(|cpu| cpu.vectors()).collect(),
        policy,
        fence: if cpu::is_tcg() { DeviceFence::CpuAndIo } else { DeviceFence::Cpu },
    };
    // SAFETY: there is one `BootInfo`, which `init` took, so this runs once. The parts are those of this machine:
    // `config` is the only access to configuration space outside this crate, APICs and vectors belong to this crate,
    // and `entry` dispatches to the vectors of its CPU.
    let machine = unsafe { Machine::new(parts) };
    Box::leak(Box::new(machine))
}
