//! Typed PCI functions and typed interrupts for unikernels.
//!
//! The [scan](machine::Machine::scan) finds [functions](function). A [driver] claims one and gets its resources, each
//! of which moves out once: [registers](mmio) in its BARs, [DMA memory](dma) and [interrupts](interrupt). An interrupt
//! is a **line**, shared and level-triggered, or **messages**, unshared and edge-triggered; they are different types
//! with different handlers.
//!
//! The crate is `no_std`. It has no code for a loader, a device or an executor; the few CPU instructions that it needs
//! are in [`sync`], for x86-64, AArch64 and RISC-V. A machine is built by the crate `switchboard-x86-64` from hardware,
//! or by `switchboard-testing` from memory, for tests like this one:
//!
//! ```
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU32, Ordering};
//!
//! use switchboard::driver::{Driver, Id, ProbeError, attach};
//! use switchboard::function::{Function, Resources};
//! use switchboard::interrupt::{InIsr, Live, MessageIsr, Messages};
//! use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock};
//! use switchboard_testing::{FakeFunction, FakeMachine};
//!
//! /// The registers of the card: a block of 256 bytes, with a counter at 0x10.
//! struct Card;
//! impl RegisterBlock for Card {
//!     const SIZE: u64 = 0x100;
//! }
//! const COUNT: Reg<Card, u32, ReadOnly> = Reg::at(0x10);
//!
//! // The card's one message, and its handler with the state that it needs.
//! switchboard::messages! { pub enum CardMessage { Counted } }
//!
//! struct Handler {
//!     registers: Bar<Card>,
//!     last_count: AtomicU32,
//! }
//!
//! impl MessageIsr<1> for Handler {
//!     type Message = CardMessage;
//!     fn on_message(&self, CardMessage::Counted: CardMessage, _isr: &InIsr<'_>) {
//!         self.last_count.store(self.registers.read(&COUNT), Ordering::Relaxed);
//!     }
//! }
//!
//! /// The driver. Dropping it masks the interrupt, waits for the handler, and releases the function.
//! struct CardDriver {
//!     handler: Arc<Handler>,
//!     _interrupts: Messages<1, Handler, Live>,
//! }
//!
//! impl Driver for CardDriver {
//!     const NAME: &'static str = "card";
//!     const MATCHES: &'static [Id] = &[Id::new(0x1234, 0x5678)];
//!
//!     fn probe(function: Function) -> Result<Self, ProbeError> {
//!         let Resources { bar0, irq, .. } = function.claim()?;
//!         let handler = Arc::new(Handler { registers: bar0.map()?, last_count: AtomicU32::new(0) });
//!         let interrupts = irq.grant_messages()?.register(handler.clone()).unmask();
//!         Ok(Self { handler, _interrupts: interrupts })
//!     }
//! }
//!
//! // A machine with one card: BAR 0 of 4 KiB, whose upper half holds an MSI-X table of one entry.
//! let card = FakeFunction::new(0x1234, 0x5678).bar(0, 0x1000).msix(1, 0, 0x800, 0xc00);
//! let fake = FakeMachine::new([card]);
//! let function = fake.machine().take_all().remove(0);
//! let address = function.address();
//! let driver = attach::<CardDriver>(function).expect("the probe succeeds");
//!
//! // The card counts, and sends its message.
//! fake.write_register(address, 0, 0x10, 7);
//! fake.send(address, 0).expect("the message is unmasked");
//! assert_eq!(driver.handler.last_count.load(Ordering::Relaxed), 7);
//! assert_eq!(fake.machine().interrupt_report()[0].count, 1);
//!
//! drop(driver);
//! assert!(fake.send(address, 0).is_none(), "the card is off the bus");
//! assert!(fake.machine().take(address).is_some(), "another driver may have it");
//! ```
//!
//! # Modules
//! Each uses only modules on the lines below it:
//!
//! | module | contents |
//! |---|---|
//! | [`driver`] | the trait of a driver, match tables, `attach` |
//! | [`function`] | functions: take, claim, suspend, reset, hot-plug slots |
//! | [`event`] | wake-ups of tasks, and deferred calls, from handlers |
//! | [`interrupt`] | lines and messages with their handlers |
//! | [`mmio`] | registers in BARs |
//! | [`dma`] | DMA memory and bus addresses |
//! | `scan`, `ownership` | the walk and the assignment of addresses; owners and removal of a function |
//! | [`machine`] | one machine: its parts, its inventory of functions, its counters |
//! | `inventory` | records of functions |
//! | [`bar`], [`vector`] | BAR sizes; vectors and the handlers bound to them |
//! | [`assign`], [`platform`] | the arithmetic of address assignment; the traits that a machine implements |
//! | [`config`], [`sync`] | decoded configuration space; locks, fences and atomics |
//!
//! # Unsafe code
//! The crate denies `unsafe_code`. A module that needs it states the reason in its first lines, and each block holds
//! one operation and a comment that justifies it. Drivers need none and can forbid it.
//!
//! | where | why |
//! |---|---|
//! | [`machine`] | [`Machine::new`](machine::Machine::new), whose caller vouches for the hardware |
//! | [`platform`] | the contract of [`Memory`](platform::Memory), blocks of DMA memory, and configuration space by ECAM |
//! | [`mmio`] | volatile accesses to mapped registers |
//! | [`dma`] | memory that a device writes |
//! | [`vector`] | handlers behind one pointer, and the entry that the CPU's stubs call |
//! | [`sync`] | CPU registers and flags |
//! | [`config`] | a foreign trait whose methods are declared unsafe |
//!
//! Safe code of a driver cannot reach another function's configuration space, BARs, interrupts or DMA memory. It can
//! still tell its own device a wrong address in a plain register: closing that [needs an
//! IOMMU](dma#what-needs-an-iommu).
//!
//! # Dependencies in the public interface
//!
//! - `zerocopy` 0.8, re-exported as [`zerocopy`]: values in [`DmaShared`](dma::DmaShared) memory derive its traits. A driver
//!   may derive them without a dependency of its own.
//! - `pci_types` 0.10: [`config::Address`] and [`config::DeviceType`] are types of it.
//! - `bitflags` 2: sets of flags implement its `Flags`.
//!
//! A new incompatible version of one of them is a breaking change of this crate.
//!
//! ```
//! use switchboard::zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};
//!
//! #[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
//! #[repr(C)]
//! #[zerocopy(crate = "switchboard::zerocopy")]
//! struct Descriptor {
//!     address: [u8; 8],
//!     length: u32,
//!     flags: u32,
//! }
//! assert_eq!(size_of::<Descriptor>(), 16);
//! ```
#![no_std]

extern crate alloc;

pub mod assign;
pub mod bar;
pub mod config;
pub mod dma;
pub mod driver;
pub mod event;
pub mod function;
pub mod interrupt;
mod inventory;
pub mod machine;
pub mod mmio;
mod ownership;
pub mod platform;
mod scan;
mod sort;
pub mod sync;
pub mod vector;

pub use zerocopy;
