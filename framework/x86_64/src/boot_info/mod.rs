//! What the loader says: memory, where the ACPI tables are, and the command line.
//!
//! Two protocols are understood, and told apart by what is in the registers: PVH, as spoken by QEMU's `-kernel`, and
//! Multiboot2, as spoken by GRUB on BIOS and on UEFI. Either way the loader's structures lie in memory that becomes
//! ours. So everything that is needed later is copied here, before that memory is used.

#![expect(unsafe_code, reason = "whoever calls promises that a loader left these structures")]

mod multiboot2;
mod physical;
mod pvh;

use core::fmt;
use core::ops::Range;

use super::acpi::RootPointer;
use super::memory_map::{AddressMap, Ranges};

/// What the loader said, copied and checked. Not `Clone`: [`init`](super::init) takes it, and with it the
/// memory that it describes.
#[derive(Debug)]
pub struct BootInfo {
    /// Memory that is free to use: whole pages, sorted, apart from each other and from the image.
    pub(super) usable: Ranges,
    /// All memory, and what firmware reserves.
    pub(super) address_map: AddressMap,
    /// ACPI's root pointer, if the loader gave one.
    pub(super) root_pointer: Option<RootPointer>,
    pub(super) command_line: &'static str,
    pub(super) image: ImageLayout,
    pub(super) protocol: BootProtocol,
}

/// Where the image's parts are, by physical (and virtual) address, in whole pages.
#[derive(Debug, Clone)]
pub struct ImageLayout {
    /// Code: readable and executable.
    pub text: Range<u64>,
    /// Constants: readable.
    pub rodata: Range<u64>,
    /// Data and stacks: readable and writable.
    pub data: Range<u64>,
    /// The page below the boot stack, inside `data`: never mapped.
    pub stack_guard: u64,
}

impl ImageLayout {
    /// All of it.
    fn range(&self) -> Range<u64> {
        self.text.start..self.data.end
    }
}

/// How the loader hands over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootProtocol {
    /// Xen's PVH, which QEMU's `-kernel` and other monitors speak.
    Pvh,
    /// Multiboot2, by a loader that ran on a BIOS.
    Multiboot2,
    /// Multiboot2, by a loader that ran on UEFI and has left its boot services.
    Multiboot2Uefi,
}

impl fmt::Display for BootProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pvh => "PVH",
            Self::Multiboot2 => "Multiboot2",
            Self::Multiboot2Uefi => "Multiboot2 on UEFI",
        })
    }
}

/// Why the loader's word was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BootError {
    /// What should be a PVH start info is none.
    #[error("no PVH start info at {address:#x}: the magic number is {magic:#x}")]
    NotPvh {
        /// Where it was looked for.
        address: u64,
        /// What was there.
        magic: u32,
    },
    /// What should be a Multiboot2 information structure is not in memory that can be read now, or endless.
    #[error("no Multiboot2 information of {length} bytes at {address:#x}")]
    Unreachable {
        /// Where it is said to be.
        address: u64,
        /// The bytes that it claims to have.
        length: u32,
    },
    /// What should be a Multiboot2 information structure is none.
    #[error("no Multiboot2 information at {address:#x}: {reason}")]
    NotMultiboot2 {
        /// Where it was looked for.
        address: u64,
        /// What is wrong with it.
        reason: ::multiboot2::LoadError,
    },
    /// The loader left firmware's boot services running, which own most of the memory.
    #[error("the loader has not left UEFI's boot services")]
    BootServices,
    /// The loader gave no memory map.
    #[error("the loader gave no memory map ({protocol})")]
    NoMemoryMap {
        /// What it speaks.
        protocol: BootProtocol,
    },
}

impl BootInfo {
    /// Reads what the loader left, by the two registers that it left it in.
    ///
    /// # Errors
    /// [`BootError`] when it is nothing that is known here, or has no memory map.
    ///
    /// # Safety
    /// Called once, by the boot CPU, with `eax` and `ebx` as they were at the entry and with `image` telling the
    /// truth. The first 4 GiB are mapped one to one and stay so until [`init`](super::init), and the loader's
    /// structures have not been overwritten yet.
    pub unsafe fn from_loader(eax: u32, ebx: u32, image: ImageLayout) -> Result<Self, BootError> {
        if eax == ::multiboot2::MAGIC {
            // SAFETY: the caller's promise.
            unsafe { multiboot2::read(ebx.into(), image) }
        } else {
            // PVH says nothing about `eax`: the start info has a magic number of its own.
            // SAFETY: the caller's promise.
            unsafe { pvh::read(ebx.into(), image) }
        }
    }

    /// The kernel command line.
    #[must_use]
    pub fn command_line(&self) -> &'static str {
        self.command_line
    }

    /// How the loader handed over.
    #[must_use]
    pub fn protocol(&self) -> BootProtocol {
        self.protocol
    }
}
