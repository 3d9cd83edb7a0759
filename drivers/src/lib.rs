//! Drivers on [`switchboard`], all of them without `unsafe`: a folder for each device, and the interfaces that drivers of a
//! class share.
//!
//! | Module | Devices | Interface |
//! |---|---|---|
//! | [`virtio`] | network cards, disks, sources of random bytes of virtio 1.2 | [`NetworkCard`](interfaces::network::NetworkCard), [`BlockDevice`](interfaces::block::BlockDevice), [`RandomDevice`](interfaces::random::RandomDevice) |
//! | [`e1000`] | Intel's 8254x network cards | [`NetworkCard`](interfaces::network::NetworkCard) |
//! | [`hotplug`] | PCI Express ports with a slot | its own |
//! | [`edu`] | QEMU's edu, the model of a driver | its own |
//!
//! A driver takes a function and is a value: nothing is registered, and dropping it gives the function back.
//!
//! ```
//! use switchboard::config::Address;
//! use switchboard::driver::{ProbeError, attach};
//! use switchboard_drivers::edu::{Edu, EduError};
//! use switchboard_testing::{FakeFunction, FakeMachine};
//!
//! /// What an app does with a device.
//! async fn ten_factorial(edu: &mut Edu) -> Result<u32, EduError> {
//!     edu.factorial(10).await
//! }
//!
//! // On a machine made of memory there is a function with edu's ids, and no edu behind its registers.
//! let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).at("00:03.0").bar(0, 0x1000).pin(1, 10)]);
//! let function = fake.machine().take(Address::new(0, 0, 3, 0)).expect("nothing has taken it");
//! match attach::<Edu>(function) {
//!     Ok(mut edu) => drop(ten_factorial(&mut edu)),
//!     Err(ProbeError::Unexpected { what, found, .. }) => assert_eq!((what, found), ("identification", 0)),
//!     Err(error) => panic!("{error}"),
//! }
//! ```
//!
//! # Dependencies in the public interface
//!
//! - `embassy-net-driver` 0.2, re-exported as [`embassy_net_driver`]: network drivers implement its `Driver`.
//! - `embedded-hal-async` 1: the hot-plug [`Runner`](hotplug::Runner) waits by its `DelayNs`.
//! - [`switchboard`], and by it `zerocopy` 0.8.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod adaptive_polling;
pub mod e1000;
pub mod edu;
pub mod hotplug;
pub mod interfaces;
pub mod virtio;

pub use embassy_net_driver;
