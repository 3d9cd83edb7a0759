//! Boot information from the loader: the memory map, the ACPI root pointer, and the command line.
//!
//! Two protocols are supported, distinguished by the registers at entry: PVH, as of QEMU's `-kernel`, and Multiboot2,
//! as of GRUB on BIOS and on UEFI. The loader's structures are in memory that the image will use, so everything that is
//! needed later is copied here first.

#![expect(unsafe_code, reason = "the caller guarantees that a loader left these structures")]

mod multiboot2;
mod physical;
mod pvh;
mod xen;

use core::fmt;
use core::ops::Range;

use super::acpi::RootPointer;
use super::memory_map::MemoryMap;

/// The boot information, copied and checked. It is not `Clone`: [`init`](super::init) takes it, and with it ownership
/// of the memory that it describes.
#[derive(Debug)]
pub struct BootInfo {
    pub(super) memory: MemoryMap,
    /// ACPI's root pointer, if the loader passes one.
    pub(super) root_pointer: Option<RootPointer>,
    pub(super) command_line: &'static str,
    pub(super) image: ImageLayout,
    pub(super) protocol: BootProtocol,
}

/// The sections of the image, by physical (and virtual) address, in whole pages.
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
    /// Returns the range of the whole image.
    fn range(&self) -> Range<u64> {
        self.text.start..self.data.end
    }
}

/// The boot protocol of the loader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BootProtocol {
    /// Xen's PVH, used by QEMU's `-kernel` and other virtual machine monitors.
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

/// The reason why boot information is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BootError {
    /// The PVH start info has a wrong magic number.
    #[error("no PVH start info at {address:#x}: the magic number is {magic:#x}")]
    NotPvh {
        /// Its physical address.
        address: u64,
        /// The magic number that was found.
        magic: u32,
    },
    /// The Multiboot2 information structure is not in mapped memory, or longer than supported.
    #[error("no Multiboot2 information of {length} bytes at {address:#x}")]
    Unreachable {
        /// Its physical address.
        address: u64,
        /// Its length field, in bytes.
        length: u32,
    },
    /// The Multiboot2 information structure is malformed.
    #[error("no Multiboot2 information at {address:#x}: {reason}")]
    NotMultiboot2 {
        /// Its physical address.
        address: u64,
        /// The defect.
        reason: &'static str,
    },
    /// The loader has not exited UEFI's boot services, which own most of the memory.
    #[error("the loader has not left UEFI's boot services")]
    BootServices,
    /// The loader passed no memory map.
    #[error("the loader gave no memory map ({protocol})")]
    NoMemoryMap {
        /// The protocol of the loader.
        protocol: BootProtocol,
    },
}

impl BootInfo {
    /// Reads the loader's structures, given the registers at entry.
    ///
    /// # Errors
    /// [`BootError`] when the structures are malformed, or have no memory map.
    ///
    /// # Safety
    /// Called once, by the boot CPU, with `eax` and `ebx` as they were at entry, and with the layout of the running
    /// image. The first 4 GiB are identity-mapped and stay so until [`init`](super::init), and the loader's structures
    /// have not been overwritten yet.
    pub unsafe fn from_loader(eax: u32, ebx: u32, image: ImageLayout) -> Result<Self, BootError> {
        if cfg!(feature = "multiboot") && eax == ::multiboot2::MAGIC {
            // SAFETY: the caller's contract is the same.
            unsafe { multiboot2::read(ebx.into(), image) }
        } else {
            // PVH does not define `eax`: the start info has a magic number of its own.
            // SAFETY: the caller's contract is the same.
            unsafe { pvh::read(ebx.into(), image) }
        }
    }

    /// Returns the kernel command line.
    #[must_use]
    pub fn command_line(&self) -> &'static str {
        self.command_line
    }

    /// Returns the boot protocol of the loader.
    #[must_use]
    pub fn protocol(&self) -> BootProtocol {
        self.protocol
    }
}
