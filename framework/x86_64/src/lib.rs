//! The bare x86-64 machine below `switchboard`: CPU, APICs, page tables, ACPI tables, loaders, chipset routing.
//!
//! [`init`] brings it up in the order that its parts need each other, and returns the [`Machine`]. Drivers do not depend on this crate.
#![no_std]

extern crate alloc;

mod acpi;
mod allocator;
mod apertures;
mod apic;
mod backtrace;
mod boot_info;
mod build;
mod calibrate;
mod clock;
mod config_space;
pub mod console;
mod cpu;
mod dispatch;
mod dsdt;
mod entry;
mod exceptions;
#[cfg(feature = "fuzzing")]
pub mod firmware_tables;
mod heap;
mod idt;
#[cfg(feature = "instruments")]
pub mod instruments;
mod madt;
pub mod mark;
mod memory;
mod memory_map;
mod pages;
mod paging;
mod physical;
mod ports;
mod routing;
pub mod shutdown;
mod stacks;
pub mod timer;
mod vectors;

use alloc::boxed::Box;

pub use allocator::{Allocator, forbid_allocation_in_handlers};
pub use backtrace::Backtrace;
pub use boot_info::{BootError, BootInfo, BootProtocol, ImageLayout};
pub use clock::now_ns;
pub use cpu::{halt_until_interrupt, random_seed};
pub use heap::HeapUsage;
pub use memory::{MemorySetupError, MemoryUsage, usage as memory_usage};

use self::acpi::Tables;
use apic::{Controller, IoApics, local};
use memory::MachineMemory;
use routing::Chipset;

use switchboard::machine::Machine;
use switchboard::platform::{MemoryError, ModePolicy};

/// Why the machine could not be brought up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// There is no memory to run in.
    #[error(transparent)]
    Memory(#[from] MemorySetupError),
    /// The CPU has no local APIC, so no interrupt could arrive.
    #[error("the CPU has no local APIC")]
    NoLocalApic,
    /// The local APIC cannot be reached.
    #[error("the local APIC cannot be reached: {0}")]
    LocalApic(#[source] MemoryError),
}

/// Brings the machine up: memory, exceptions, interrupts, time, configuration space. Ends with interrupts on.
///
/// # Errors
/// [`InitError`] when it cannot run here at all. What is merely missing (a table, an I/O APIC, ECAM) is logged
/// and done without.
pub fn init(boot: BootInfo, policy: ModePolicy) -> Result<&'static Machine, InitError> {
    log::info!("boot: by {}", boot.protocol);
    backtrace::init(&boot.image);
    memory::init(&boot)?;
    stacks::init();
    idt::init();
    let tables = acpi::read(boot.root_pointer, &MachineMemory);
    let cpu = init_interrupts()?;
    init_time(&tables);

    let Tables { madt, ecam, .. } = tables;
    let io_apics = IoApics::new(&madt);
    log::info!("interrupts: {} CPUs, {} lines", madt.cpus.max(1), io_apics.inputs());
    let ecam = config_space::credible(ecam, &boot.usable);
    let config = config_space::access(&ecam);
    let host_bridge = apertures::host_bridge(config);
    let apertures = apertures::apertures(&boot.address_map, &ecam, &madt, cpu::address_bits(), host_bridge);
    let chipset = Chipset::find(config);
    let controller: &'static Controller = Box::leak(Box::new(Controller::new(madt, io_apics, chipset, config)));
    #[cfg(feature = "instruments")]
    instruments::init(controller);
    let machine = build::machine(config, apertures, controller, cpu, policy);
    shutdown::init(machine);
    x86_64::instructions::interrupts::enable();
    Ok(machine)
}

/// Quiets the 8259 pair and enables the boot CPU's local APIC. Returns the CPU's number.
fn init_interrupts() -> Result<u32, InitError> {
    if !cpu::has_local_apic() {
        return Err(InitError::NoLocalApic);
    }
    apic::silence_legacy();
    let kind = local::init().map_err(InitError::LocalApic)?;
    let cpu = local::id();
    cpu::with_name(|name| log::info!("CPU {cpu}: {name}, {kind:?}"));
    Ok(cpu)
}

/// Starts the clock and the alarm.
fn init_time(tables: &Tables) {
    let (tsc, source) = calibrate::tsc(tables.pm_timer);
    clock::init(tsc);
    let (kind, timer) = timer::init(tsc);
    log::info!("time: TSC at {} MHz (by {source}), {kind} timer at {} MHz", tsc / 1_000_000, timer / 1_000_000);
}

/// An address or a length as a pointer-sized number.
#[expect(clippy::cast_possible_truncation, reason = "the target's pointers have 64 bits")]
pub(crate) const fn to_usize(value: u64) -> usize {
    value as usize
}
const _: () = assert!(size_of::<usize>() == size_of::<u64>());
