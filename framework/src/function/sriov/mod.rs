//! Virtual functions as values (Single Root I/O Virtualization, PCIe 5.0, chapter 9).
//!
//! A physical function with the capability has a [`SriovPort`] among its [`Resources`](super::Resources). Enabling its virtual
//! functions consumes the port and returns [`VirtualFunctions`], which hands each out as a value:
//!
//! - [`VirtualFunctions::lend`] returns a [`VirtualFunction`] that borrows from it. Its driver borrows, too, so that disabling the
//!   virtual functions, or dropping their owner, while a driver lives does not compile.
//! - [`VirtualFunctions::take`] returns a plain [`Function`](super::Function), for drivers in a registry.
//!   [`VirtualFunctions::disable`] then returns [`InUse`] with the one that still lives.
//!
//! In both cases each virtual function keeps its physical function claimed: it is not released, reset or suspended (all of which
//! need the [`Function`](super::Function) by value) and its virtual functions stay enabled until the last of them is dropped.
//!
//! # Routing IDs
//! Alternative Routing-ID Interpretation (ARI) stays off, so that a virtual function has an address with a device number as any
//! other function. Behind a port there is only device 0: virtual functions beyond function 7 are not reachable there, and
//! [`SriovPort::enable`] refuses a number that needs them, or another bus.

mod enable;
mod error;
mod lend;

pub use enable::{SriovPort, VirtualFunctions};
pub use error::{EnableError, InUse};
pub use lend::{LentDriver, VirtualFunction};
