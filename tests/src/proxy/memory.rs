//! The guest's memory as a file of ours: proxied functions need it shared, and a test can look and write.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use nix::sys::memfd::{MFdFlags, memfd_create};

/// The memory of a guest that is yet to start.
#[derive(Debug, Clone)]
pub struct GuestMemory {
    file: Arc<File>,
    bytes: u64,
}

impl GuestMemory {
    /// So many mebibytes, below 2 GiB: there addresses are places in the file.
    ///
    /// # Panics
    /// When there is no such memory.
    #[must_use]
    pub fn mebibytes(count: u64) -> Self {
        assert!(count < 2048, "{count} MiB would not lie in one piece");
        let file = File::from(memfd_create(c"guest", MFdFlags::MFD_CLOEXEC).expect("a file in memory"));
        let bytes = count << 20;
        file.set_len(bytes).expect("memory for it");
        Self { file: Arc::new(file), bytes }
    }

    /// A further descriptor of it.
    pub(crate) fn descriptor(&self) -> OwnedFd {
        self.file.try_clone().expect("a second descriptor").into()
    }

    /// As QEMU's `-m` takes it.
    pub(crate) fn size(&self) -> String {
        format!("{}M", self.bytes >> 20)
    }

    /// Reads at a physical address of the guest.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn read(&self, address: u64, bytes: &mut [u8]) -> std::io::Result<()> {
        self.file.read_exact_at(bytes, address)
    }

    /// Writes at a physical address of the guest, as a device does.
    ///
    /// # Errors
    /// When there is no memory.
    pub fn write(&self, address: u64, bytes: &[u8]) -> std::io::Result<()> {
        // A file grows; memory does not.
        let fits = address.checked_add(bytes.len() as u64).is_some_and(|end| end <= self.bytes);
        if fits { self.file.write_all_at(bytes, address) } else { Err(std::io::ErrorKind::UnexpectedEof.into()) }
    }
}
