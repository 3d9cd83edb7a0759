//! A machine made of memory, for tests of [`switchboard`] drivers on the host, with `cargo test`.
//!
//! The framework and the driver run unchanged. Configuration space is an array, and BARs and DMA memory are heap. The
//! test plays the device: it reads what the driver wrote, writes what a device would, and raises interrupts as a device
//! does, through the MSI-X table that the framework programmed or by asserting a line.
//!
//! # A driver and its test
//!
//! ```
//! use std::sync::Arc;
//!
//! use switchboard::config::Address;
//! use switchboard::driver::{Driver, Id, ProbeError, attach};
//! use switchboard::event::{Notifier, Waiter, event};
//! use switchboard::function::{Function, Resources};
//! use switchboard::interrupt::{Claim, InIsr, Line, LineIsr, Live};
//! use switchboard::mmio::{Bar, Reg, RegisterBlock};
//! use switchboard_testing::{FakeFunction, FakeMachine};
//!
//! // The driver: a stopwatch card that counts down and interrupts.
//! struct Registers;
//! impl RegisterBlock for Registers {
//!     const SIZE: u64 = 0x10;
//! }
//! const COUNTDOWN: Reg<Registers, u32> = Reg::at(0x0);
//! /// Bits are cleared by writing ones.
//! const CAUSE: Reg<Registers, u32> = Reg::at(0x8);
//! const EXPIRED: u32 = 1 << 0;
//!
//! struct Handler {
//!     registers: Arc<Bar<Registers>>,
//!     expired: Notifier,
//! }
//! impl LineIsr for Handler {
//!     fn on_line(&self, isr: &InIsr<'_>) -> Claim {
//!         if self.registers.read(&CAUSE) & EXPIRED == 0 {
//!             return Claim::NotMine;
//!         }
//!         self.registers.write(&CAUSE, EXPIRED);
//!         self.expired.notify(isr);
//!         Claim::Mine
//!     }
//! }
//!
//! struct Stopwatch {
//!     registers: Arc<Bar<Registers>>,
//!     expired: Waiter,
//!     _line: Line<Handler, Live>,
//! }
//! impl Driver for Stopwatch {
//!     const NAME: &'static str = "stopwatch";
//!     const MATCHES: &'static [Id] = &[Id::new(0x1234, 0x0001)];
//!     fn probe(function: Function) -> Result<Self, ProbeError> {
//!         let Resources { bar0, irq, .. } = function.claim()?;
//!         let registers = Arc::new(bar0.map::<Registers>()?);
//!         let (notifier, expired) = event();
//!         let handler = Handler { registers: registers.clone(), expired: notifier };
//!         let line = irq.grant_line()?.register(Arc::new(handler)).unmask();
//!         Ok(Self { registers, expired, _line: line })
//!     }
//! }
//! impl Stopwatch {
//!     fn start(&self, ticks: u32) {
//!         self.registers.write(&COUNTDOWN, ticks);
//!     }
//! }
//!
//! // Its test: the machine has the card at 00:03.0, with its INTA routed to line 10.
//! let card = FakeFunction::new(0x1234, 0x0001).at("00:03.0").bar(0, 0x1000).pin(1, 10);
//! let fake = FakeMachine::new([card]);
//! let address = Address::new(0, 0, 3, 0);
//! fake.on_write(address, 0, |write| match write.offset {
//!     0x8 => write.old & !write.value,
//!     _ => write.value,
//! });
//!
//! let function = fake.machine().take(address).expect("the card");
//! let mut stopwatch = attach::<Stopwatch>(function).expect("a good card");
//! stopwatch.start(1_000);
//! assert_eq!(fake.read_register(address, 0, 0x0), 1_000);
//!
//! // The card counts down and interrupts.
//! assert!(!stopwatch.expired.take());
//! fake.write_register(address, 0, 0x8, EXPIRED);
//! assert!(fake.assert_line(10));
//! assert!(stopwatch.expired.take());
//! assert_eq!(fake.read_register(address, 0, 0x8), 0, "the handler acknowledges");
//!
//! // Nothing is left behind.
//! drop(stopwatch);
//! assert!(!fake.assert_line(10));
//! assert_eq!(fake.dma_pages(), 0);
//! ```
//!
//! # The parts of a test
//!
//! | to | use |
//! |---|---|
//! | describe a device | [`FakeFunction`]: BARs, pin, MSI, MSI-X, capabilities, extended capabilities |
//! | read and write registers as the device | [`FakeMachine::write_register`], `_u8` and `_u16` |
//! | model registers that do more than hold a value | [`FakeMachine::on_write`], [`FakeMachine::on_read`] |
//! | let a device become ready while the driver waits | [`FakeMachine::on_tick`], [`FakeMachine::advance_ns`] |
//! | read and write memory as the device | [`FakeMachine::dma_read`], [`FakeMachine::dma_write`] |
//! | run a driver's futures beside the device | [`run_while`], [`start_future`] |
//! | interrupt | [`FakeMachine::send`], [`FakeMachine::assert_line`] |
//! | permit only some interrupt modes | [`FakeMachine::with_policy`] |
//! | remove the device by surprise | [`FakeMachine::remove`], [`RemovalTest`] |
//! | replace the clock, configuration space or all registers | [`Builder`] |
//! | test on QEMU's model of the device | the module `qemu`, behind the feature of that name |
//!
//! # Limits
//!
//! - I/O BARs are found and sized, and no ports are behind them: the framework maps none, here or on hardware.
//! - There is one CPU. Interrupts are delivered by the thread that raises them, one at a time.
//! - A line is asserted for one delivery. A test that models a level asserts it again while the cause is set.
//! - BARs do not move: registers stay at the addresses that the machine assigned.
//! - There is no IOMMU: DMA that reaches any allocated memory succeeds.
//! - Prefetchable BARs, expansion ROMs and virtual functions (SR-IOV) are not modelled.
#![no_std]

extern crate alloc;
#[cfg(feature = "qemu")]
extern crate std;

mod assignment;
mod builder;
mod capabilities;
mod clock;
mod config;
mod controller;
mod device;
mod device_state;
mod dma;
mod function;
mod machine;
mod memory;
mod poll;
#[cfg(feature = "qemu")]
pub mod qemu;
mod registers;
mod removal_test;
mod signals;

pub use assignment::check_assignment;
pub use builder::Builder;
pub use config::UniformConfig;
pub use function::FakeFunction;
pub use machine::FakeMachine;
pub use poll::{run_while, start_future};
pub use registers::{DeviceRegisters, RegisterRead, RegisterWrite};
pub use removal_test::{RemovalDetection, RemovalTest};
