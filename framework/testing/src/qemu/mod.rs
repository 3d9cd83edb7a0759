//! QEMU's own device models under `cargo test`, with nothing booted. Needs the feature `qemu`, Linux, and
//! `qemu-system-x86_64`.
//!
//! A driver's test names its `-device` words. The framework and the driver run unchanged, in the test's process;
//! the device is QEMU's.
//!
//! ```
//! use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock};
//! use switchboard_testing::qemu::Bench;
//!
//! struct Edu;
//! impl RegisterBlock for Edu {
//!     const SIZE: u64 = 0x100;
//! }
//! const IDENTIFICATION: Reg<Edu, u32, ReadOnly> = Reg::at(0x00);
//!
//! // Without QEMU the closure is not called, and the test prints that it was skipped.
//! Bench::qemu().device("edu").in_each_mode(|bench| {
//!     let function = bench.take_id(0x1234, 0x11e8);
//!     let registers: Bar<Edu> = function.claim().expect("an endpoint").bar0.map().expect("a BAR");
//!     assert_eq!(registers.read(&IDENTIFICATION) & 0xff, 0xed);
//! });
//! ```
//!
//! # Design
//!
//! - **The machine** is a q35 whose only CPU is halted: its firmware is one `hlt` instruction. Time is QEMU's `-icount
//!   sleep=off`: with the CPU halted, virtual time jumps to the next timer of a device, so that a timer of 100 ms
//!   expires at once and always at the same place. (QEMU's `clock_step` needs its qtest accelerator, which
//!   distributions do not build; a machine that is stopped by `-S` has no time at all.)
//! - **Registers and configuration space** are reached by the qtest protocol over a socket: as
//!   [`Mapping::Emulated`](switchboard::platform::Mapping) windows, and by ECAM. A real machine's register path has
//!   no hook for this. The framework assigns all BARs, since no firmware did.
//! - **DMA memory** is the RAM of the guest, a `memfd` that QEMU and the test map. Bus addresses are offsets in it.
//! - **Messages** go to RAM that the bench owns, one dword for each vector; a write there is a delivery.
//!   **Lines** are the inputs of the I/O APIC as QEMU reports them. They are levels: while one is asserted and
//!   unmasked, its handlers are called again and again.
//! - **A thread plays the CPU:** it calls handlers, as a second CPU would, beside the test's thread. After each access
//!   the test's thread waits for the interrupts that the access caused, unless it holds a lock that a handler needs.
//! - **The clock** advances with each reading, faster the longer a wait loop lasts; before each reading QEMU and the
//!   CPU's thread get time, and QEMU's time is made to pass where it may stand. So a time limit of a driver expires after some hundred turns, however loaded the host is.
//! - **The end:** QEMU is the child of a shell that ends it by process id as soon as the test's process closes a pipe,
//!   by whatever death. A bench that exceeds its time limit is cut off; if the test does not end then, the process is.
//! - **Faults** are injected where all accesses, messages and allocations pass: see [`BenchBuilder::inject`].
//! - **Posted writes:** on request, writes to registers arrive late, as on a bus: see [`BenchBuilder::posted_writes`].
//! - **Recordings:** a run can be written to a file and played without QEMU, with every access compared: see
//!   [`BenchBuilder::record`] and [`Bench::replay`].
//! - **Hot-plug:** devices are added and their removal is requested by QEMU's monitor, a second socket: see
//!   [`Bench::add_device`]. A port handles it natively with `-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off`.
//!
//! # Limits
//!
//! - Several messages of one MSI block share an address: of those that a device sends in one step, the last is seen.
//! - QEMU 7.2 hangs when `edu` is removed before the interrupt of a factorial whose result is in its register already. The panic of a
//!   bench whose QEMU does not respond lists the threads of that QEMU, each with its system call.
//! - Functions behind `pxb` root buses have no line, and I/O BARs are assigned but not reached by drivers.

mod access;
mod bench;
mod builder;
mod clock;
mod connection;
mod controller;
mod cpu;
mod fault;
mod fence;
mod injection;
mod memory;
mod monitor;
mod posted;
mod process;
mod progress;
mod ram;
mod recording;
mod session;
mod start;
mod tasks;
mod turns;

pub use bench::Bench;
pub use builder::BenchBuilder;
pub use injection::{Injected, InjectionReport};
