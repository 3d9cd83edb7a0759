//! The guest's memory as a file: proxied functions need it shared, and tests read and write it.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use nix::sys::memfd::{MFdFlags, memfd_create};

/// The memory of a guest.
#[derive(Debug, Clone)]
pub struct GuestMemory {
    file: Arc<File>,
    bytes: u64,
}

impl GuestMemory {
    /// Creates memory of `count` MiB, less than 2 GiB, so that a physical address is an offset in the file.
    ///
    /// # Panics
    /// Panics when it is too large, or the host has no memory for it.
    #[must_use]
    pub fn mebibytes(count: u64) -> Self {
        assert!(count < 2048, "{count} MiB are not contiguous in guest memory");
        let file = File::from(memfd_create(c"guest", MFdFlags::MFD_CLOEXEC).expect("a file in memory"));
        let bytes = count << 20;
        file.set_len(bytes).expect("memory for it");
        Self { file: Arc::new(file), bytes }
    }

    /// Returns a new descriptor of the file.
    pub(crate) fn descriptor(&self) -> OwnedFd {
        self.file.try_clone().expect("a second descriptor").into()
    }

    /// Returns the size in the format of QEMU's `-m`.
    pub(crate) fn size(&self) -> String {
        format!("{}M", self.bytes >> 20)
    }

    /// Reads at a physical address of the guest.
    ///
    /// # Errors
    /// Returns an error when the range is outside the memory.
    pub fn read(&self, address: u64, bytes: &mut [u8]) -> std::io::Result<()> {
        self.file.read_exact_at(bytes, address)
    }

    /// Writes at a physical address of the guest, as a device does.
    ///
    /// # Errors
    /// Returns an error when the range is outside the memory.
    pub fn write(&self, address: u64, bytes: &[u8]) -> std::io::Result<()> {
        // A write past the end of the file would extend it.
        let fits = address.checked_add(bytes.len() as u64).is_some_and(|end| end <= self.bytes);
        if fits { self.file.write_all_at(bytes, address) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
    }
}
