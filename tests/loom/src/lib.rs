//! Models of the interrupt core, by loom: the framework's own source, run in every order and with every stale value
//! that the memory model allows.
//!
//! `build.rs` takes the source and turns its words for atomics and memory to the [stand-ins](stand_in); nothing is
//! copied by hand. Each model is also run with [bugs planted](planted) in that source, one at a time, and must fail.
#![cfg(test)]

extern crate alloc;

use std::env;
use std::sync::LazyLock;

#[path = "../planted.rs"]
mod planted;

mod models;
mod stand_in;

pub(crate) use stand_in::function;
pub(crate) use stand_in::window as bar;

/// As `switchboard::config`, of what the models need.
mod config {
    include!(concat!(env!("OUT_DIR"), "/config.rs"));

    pub(crate) use access::{ConfigAccess, Space, Width};
    pub(crate) use msi::MsiCapability;
    pub(crate) use msix::{BarOffset, MsixCapability};
    pub(crate) use pci_types::PciAddress as Address;
}

/// As `switchboard::interrupt`, of what the models need.
mod interrupt {
    include!(concat!(env!("OUT_DIR"), "/interrupt.rs"));

    pub(crate) use crate::stand_in::function::{GrantError, lines};
    pub(crate) use grant::MessageGrant;
    pub(crate) use isr::{Claim, InIsr};
    pub(crate) use mask::MessageMask;
    pub(crate) use mode::{Gsi, Mode, Vector};
    pub(crate) use row::InterruptRow;
    pub(crate) use slot::{Bound, Serve, Slot};
    pub(crate) use vectors::{VectorBlock, VectorTable, VectorsExhausted};
}

/// As `switchboard::machine`, of what the models need.
mod machine {
    /// Never asked for: no model waits by the clock.
    pub(crate) trait Clock {
        fn now(&self) -> u64;
    }

    /// Where a message goes.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct MessageTarget {
        pub(crate) address: u64,
        pub(crate) data: u32,
    }
}

/// As `switchboard::sync`, of what the models need.
mod sync {
    include!(concat!(env!("OUT_DIR"), "/sync.rs"));

    pub(crate) use crate::stand_in::lock::{IrqLock, IrqLockGuard};
    pub(crate) use event::event;
}

/// What `build.rs` did not find in the source.
const MOVED: &[&str] = include!(concat!(env!("OUT_DIR"), "/moved.rs"));

/// Names the bug that is in the source of this run, by its place in [`planted::PLANTED`].
const PLANT: &str = "SWITCHBOARD_PLANT";

static PLANT_INDEX: LazyLock<Option<usize>> = LazyLock::new(|| env::var(PLANT).ok()?.parse().ok());

/// Whether this bug is in the source of this run.
fn is_planted(index: usize) -> bool {
    *PLANT_INDEX == Some(index)
}
