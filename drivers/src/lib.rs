//! Drivers on [`switchboard`]: a folder for each device, and the interfaces that drivers of a class share.
//!
//! | Module | Devices | Interface |
//! |---|---|---|
//! | [`virtio`] | network cards, disks, SCSI adapters, entropy sources and consoles of virtio 1.2 | [`NetworkCard`](interfaces::network::NetworkCard), [`BlockDevice`](interfaces::block::BlockDevice), [`RandomDevice`](interfaces::random::RandomDevice), [`ConsoleDevice`](interfaces::console::ConsoleDevice) |
//! | [`nvme`] | NVM Express disks | [`BlockDevice`](interfaces::block::BlockDevice) |
//! | [`ahci`] | AHCI controllers with SATA disks and CD drives | [`DiskController`](interfaces::block::DiskController) |
//! | [`e1000`] | Intel's 8254x network cards | [`NetworkCard`](interfaces::network::NetworkCard) |
//! | [`e1000e`] | Intel's 82574L network card | [`NetworkCard`](interfaces::network::NetworkCard) |
//! | [`igb`] | Intel's 82576 network card | [`NetworkCard`](interfaces::network::NetworkCard) |
//! | [`rtl8139`] | Realtek's RTL8139C+ network card | [`NetworkCard`](interfaces::network::NetworkCard) |
//! | [`vmxnet3`] | VMware's network card | [`NetworkCard`](interfaces::network::NetworkCard) |
//! | [`xhci`] | USB host controllers, with [`usb`] sticks and keyboards at them | [`DiskController`](interfaces::block::DiskController), [`KeyboardDevice`](interfaces::keyboard::KeyboardDevice) |
//! | [`hotplug`] | PCI Express ports with a slot | its own |
//! | [`edu`] | QEMU's edu device, the model of a driver | its own |
//!
//! | [`adaptive_polling`] | | the choice between interrupts and polling, for drivers and their users |
//!
//! A driver takes a function and is a value: nothing is registered, and dropping it gives the function back. No driver uses
//! `unsafe`, knows an interrupt vector, or can reach another function.
//!
//! Here is a whole use, of a card on a machine made of memory. On hardware, only the machine differs.
//!
//! ```
//! use core::task::{Context, Waker};
//! use switchboard::config::Address;
//! use switchboard::driver::attach;
//! use switchboard_drivers::e1000::E1000;
//! use switchboard_drivers::interfaces::network::embassy_net_driver::{Driver, HardwareAddress, TxToken};
//! use switchboard_testing::{FakeFunction, FakeMachine};
//!
//! /// Sends one frame with any network card.
//! fn send(card: &mut impl Driver, payload: &[u8]) -> bool {
//!     let token = card.transmit(&mut Context::from_waker(Waker::noop()));
//!     token.map(|token| token.consume(payload.len(), |frame| frame.copy_from_slice(payload))).is_some()
//! }
//!
//! let card = FakeFunction::new(0x8086, 0x100e).at("00:03.0").bar(0, 0x20000).pin(1, 10);
//! let address = Address::new(0, 0, 3, 0);
//! # let fake: &FakeMachine = Box::leak(Box::new(FakeMachine::new([card])));
//! # // The card completes resets, and has no EEPROM but an address in its receive filter.
//! # fake.on_access(address, move || {
//! #     fake.write_register(address, 0, 0, fake.read_register(address, 0, 0) & !(1 << 26));
//! #     fake.write_register(address, 0, 0x5400, 0x1200_5452);
//! #     fake.write_register(address, 0, 0x5404, 0x8000_5634);
//! # });
//! let function = fake.machine().take(address).expect("a function that no driver has");
//! let mut card = attach::<E1000>(function)?;
//! assert!(card.hardware_address() == HardwareAddress::Ethernet([0x52, 0x54, 0, 0x12, 0x34, 0x56]));
//! assert!(send(&mut card, &[0x5a; 60]));
//! assert_eq!(card.counters().sent(), 1);
//! drop(card);
//! assert!(fake.machine().take(address).is_some());
//! # Ok::<(), switchboard::driver::ProbeError>(())
//! ```
//!
//! # Dependencies in the public interface
//!
//! - `embassy-net-driver` 0.2, re-exported as [`embassy_net_driver`]: network drivers implement its `Driver`.
//! - `embedded-io-async` 0.7: errors of consoles implement its `Error`.
//! - `embedded-hal-async` 1: the hot-plug [`Runner`](hotplug::Runner) waits by its `DelayNs`.
//! - `embedded-io-async` 0.7: [`KeyReader`](interfaces::keyboard::KeyReader) implements its `Read`.
//! - [`switchboard`], and by it `zerocopy` 0.8.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod adaptive_polling;
pub mod ahci;
pub mod e1000;
pub mod e1000e;
pub mod edu;
pub mod hotplug;
pub mod igb;
mod intel;
pub mod interfaces;
pub mod nvme;
mod planted;
mod requests;
mod ring_nic;
pub mod rtl8139;
mod scsi;
pub mod usb;
pub mod virtio;
pub mod vmxnet3;
pub mod xhci;

pub use embassy_net_driver;
