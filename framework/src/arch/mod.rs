//! The bare machine: everything that is x86-64 and not PCI.
//!
//! [`init`] brings it up in the order that things need each other, and hands out the [`Machine`] that the
//! rest of the framework is written against. Ordinary code above this module knows no CPU register.
//!
//! [`Machine`]: crate::machine::Machine

mod boot_info;
mod clock;
mod heap;
mod memory;
mod memory_map;
mod paging;
pub mod power;
pub mod serial;

pub use boot_info::{BootError, BootInfo, ImageLayout};
pub use heap::{Allocator, HeapFigures};
pub use memory::{MemoryFigures, MemorySetupError, figures as memory_figures};

use crate::interrupt::ModePolicy;

/// Why the machine could not be brought up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InitError {
    /// There is no memory to run in.
    #[error(transparent)]
    Memory(#[from] MemorySetupError),
}

/// Brings the machine up.
///
/// # Errors
/// [`InitError`].
pub fn init(boot: BootInfo, _policy: ModePolicy) -> Result<(), InitError> {
    memory::init(&boot)?;
    Ok(())
}

/// An address or a length as a pointer-sized number.
#[expect(clippy::cast_possible_truncation, reason = "the target's pointers have 64 bits")]
pub(crate) const fn to_usize(value: u64) -> usize {
    value as usize
}
const _: () = assert!(size_of::<usize>() == size_of::<u64>());
