//! Drivers that raise interrupts and account for each, and the apps that use them, for tests and measurements.
//!
//! They are part of the image only with its feature `instruments`, which the tests use. A driver implements
//! [`Raise`](raise::Raise):
//!
//! ```
//! use switchboard_instruments::edu::EduRaiser;
//! use switchboard_instruments::raise::{Raise, RaiseError};
//! # use switchboard_testing::{FakeFunction, FakeMachine};
//!
//! # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).at("00:03.0").bar(0, 0x10_0000).pin(1, 10).msi(1)]);
//! # let function = fake.machine().take_all().remove(0);
//! # let address = function.address();
//! # fake.write_register(address, 0, 0, 0x0100_00ed);
//! let mut edu: EduRaiser = switchboard::driver::attach(function)?;
//! edu.raise(0)?;
//! assert_eq!(edu.count(0).outstanding(), 1);
//!
//! # fake.send(address, 0).expect("a message");
//! // The handler has run.
//! assert_eq!((edu.count(0).handled, edu.count(0).outstanding()), (1, 0));
//! assert_eq!(edu.raise(1), Err(RaiseError::NoSource { index: 1, sources: 1 }));
//! # Ok::<_, Box<dyn core::error::Error>>(())
//! ```
//!
//! | Module | Device | Its interrupts |
//! |---|---|---|
//! | [`edu`] | QEMU's edu | one message or the line, raised by a register |
//! | [`e1000e`] | Intel's 82574 card | five messages, or all causes on one message or on the line |
//! | [`xhci`] | USB controllers | a message for each of up to 16 interrupters |
//! | [`ivshmem`] | QEMU's ivshmem-doorbell | eight messages, sent by another process |
//!
//! The apps are [`interrupts`], which raises, counts and stresses, and [`bench_interrupts`], which measures.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod bench_interrupts;
mod bench_steering;
pub mod e1000e;
pub mod edu;
pub mod interrupts;
pub mod ivshmem;
pub mod raise;
pub mod xhci;
