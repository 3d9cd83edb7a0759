//! The bare x86-64 machine below [`switchboard`]: CPU tables, APICs, page tables, heap, ACPI, boot protocols, chipset
//! routing.
//!
//! An image uses this crate through `switchboard-boot`; drivers do not depend on it. [`BootInfo::from_loader`] copies
//! the loader's structures, and [`init`] makes the [`Machine`] of them:
//!
//! ```no_run
//! use switchboard::machine::Machine;
//! use switchboard::platform::ModePolicy;
//! use switchboard_x86_64::{BootInfo, ImageLayout, console, init, shutdown};
//!
//! /// # Safety
//! /// Called once, by the entry, with the registers of the loader and the layout of this image.
//! unsafe fn start(eax: u32, ebx: u32, image: ImageLayout) -> &'static Machine {
//!     console::init(log::LevelFilter::Info);
//!     // The caller's contract is the same.
//!     let boot = unsafe { BootInfo::from_loader(eax, ebx, image) };
//!     let machine = boot.map_err(|error| log::error!("{error}")).and_then(|boot| {
//!         init(boot, ModePolicy::all(), usize::MAX).map_err(|error| log::error!("{error}"))
//!     });
//!     let Ok(machine) = machine else { shutdown::exit(false) };
//!     machine.scan();
//!     machine
//! }
//! ```
//!
//! | Public item | Purpose |
//! |---|---|
//! | [`BootInfo`], [`ImageLayout`], [`init`] | from the loader to a machine |
//! | [`Allocator`], [`forbid_allocation_in_handlers`], [`memory_usage`] | the heap |
//! | [`cpu_count`], [`current_cpu`], [`run_on_further_cpus`], [`wake_cpu`], [`executor_context`] | the CPUs |
//! | [`now_ns`], [`timer`], [`halt_until_interrupt`], [`idle_ns`] | time, for an executor |
//! | [`real_time_clock`] | date and time at boot |
//! | [`console`], [`Backtrace`], [`shutdown`] | output, panics, and the end |
//! | [`firmware_file`] | files of QEMU's `-fw_cfg` |
//! | [`random`], [`mark`](mod@mark) | raw random numbers, and marks for instruction counters |
//!
//! Section numbers of Intel's manual (SDM) are those of its edition of September 2023; others number the chapters differently.
//!
//! # Features
//!
//! - `instruments`: raising vectors by software and measuring interrupt windows. Safe code can raise any vector then.
//! - `fuzzing`: the parsers of firmware tables, for fuzzers and host tests.
//!
//! Neither is covered by the version's promises.
//!
//! # Dependencies in the public interface
//!
//! `log` 0.4 ([`console::init`] takes its `LevelFilter`) and [`switchboard`].
#![no_std]

extern crate alloc;

mod acpi;
mod acpi_hotplug;
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
mod cpus;
mod dispatch;
mod drain;
mod dsdt;
mod entry;
mod exceptions;
#[cfg(feature = "fuzzing")]
pub mod firmware_tables;
mod fw_cfg;
mod heap;
mod idt;
#[cfg(feature = "instruments")]
pub mod instruments;
mod integer;
mod madt;
pub mod mark;
mod memory;
mod memory_map;
mod mp_table;
mod pages;
mod paging;
mod physical;
mod ports;
pub mod random;
mod routing;
mod rtc;
pub mod shutdown;
mod stacks;
pub mod timer;
mod vectors;

use alloc::boxed::Box;

pub use acpi_hotplug::hotplug_controller;
pub use allocator::{Allocator, forbid_allocation_in_handlers};
pub use backtrace::Backtrace;
pub use boot_info::{BootError, BootInfo, BootProtocol, ImageLayout};
pub use clock::now_ns;
pub use cpu::{halt_until_interrupt, idle_ns};
pub use cpus::{cpu_count, current_cpu, executor_context, run_on_further_cpus, set_executor_context, wake_cpu};
pub use fw_cfg::firmware_file;
pub use heap::HeapUsage;
pub use memory::{MemorySetupError, MemoryUsage, usage as memory_usage};
pub use rtc::{RtcTime, real_time_clock};

use self::acpi::Tables;
use apic::{Controller, IoApics, local};
use memory::MachineMemory;
use routing::Chipset;

use switchboard::machine::Machine;
use switchboard::platform::{MemoryError, ModePolicy};

/// The reason why the machine cannot be initialised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// Memory cannot be set up.
    #[error(transparent)]
    Memory(#[from] MemorySetupError),
    /// The CPU has no local APIC, so it receives no interrupts.
    #[error("the CPU has no local APIC")]
    NoLocalApic,
    /// The registers of the local APIC cannot be mapped.
    #[error("the local APIC cannot be reached: {0}")]
    LocalApic(#[source] MemoryError),
}

/// Initialises the machine: memory, exceptions, interrupts, time, configuration space, and up to `max_cpus` CPUs. Interrupts are enabled when it
/// returns. Nothing is scanned yet.
///
/// # Errors
/// [`InitError`] when the image cannot run on this machine. A missing table, I/O APIC or ECAM is logged, and the
/// machine does without it.
pub fn init(boot: BootInfo, policy: ModePolicy, max_cpus: usize) -> Result<&'static Machine, InitError> {
    log::info!("boot: by {}", boot.protocol);
    backtrace::init(&boot.image);
    memory::init(&boot)?;
    stacks::init();
    idt::load();
    let tables = acpi::read(boot.root_pointer, &MachineMemory);
    init_interrupts()?;
    init_time(&tables);
    rtc::init(tables.century_register);

    let Tables { madt, ecam, aml, pci_lines, hardware, .. } = tables;
    let io_apics = IoApics::new(&madt);
    log::info!("interrupts: {} CPUs, {} lines", madt.cpus.len().max(1), io_apics.inputs());
    let cpu_ids = madt.cpus.clone();
    let ecam = config_space::outside_ram(ecam, &boot.memory.usable);
    let config = config_space::access(&ecam);
    let host_bridge = apertures::host_bridge(config);
    let apertures = apertures::apertures(&boot.memory.address_map, &ecam, &madt, cpu::address_bits(), host_bridge);
    let chipset = Chipset::find(config, &aml, pci_lines, boot.protocol, &MachineMemory);
    if let (Some(hardware), Some(dsdt)) = (hardware, aml.first()) {
        shutdown::set_soft_off(hardware.pm1a_control, *dsdt);
    }
    if let Some(hardware) = hardware
        && let Some(gsi) = madt.gsi_of(hardware.interrupt)
    {
        acpi_hotplug::init(acpi_hotplug::Facts { hardware, gsi, tables: aml, config });
    }
    let controller: &'static Controller = Box::leak(Box::new(Controller::new(madt, io_apics, chipset, config)));
    #[cfg(feature = "instruments")]
    instruments::init(controller);
    cpus::start(&cpu_ids, max_cpus, boot.memory.startup_page);
    let machine = build::machine(config, apertures, controller, policy);
    shutdown::init(machine);
    x86_64::instructions::interrupts::enable();
    Ok(machine)
}

/// Masks the 8259 pair and enables the boot CPU's local APIC.
fn init_interrupts() -> Result<(), InitError> {
    if !cpu::has_local_apic() {
        return Err(InitError::NoLocalApic);
    }
    apic::mask_legacy();
    let kind = local::init().map_err(InitError::LocalApic)?;
    let cpu = cpus::set_boot_id();
    cpu::with_name(|name| log::info!("CPU {cpu}: {name}, {kind:?}"));
    Ok(())
}

/// Starts the clock and the timer.
fn init_time(tables: &Tables) {
    let (tsc, source) = calibrate::tsc(tables.timers);
    clock::init(tsc);
    let (kind, timer) = timer::init(tsc);
    log::info!("time: TSC at {} MHz (by {source}), {kind} timer at {} MHz", tsc / 1_000_000, timer / 1_000_000);
}
