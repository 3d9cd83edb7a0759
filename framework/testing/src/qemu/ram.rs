//! The RAM of QEMU's machine: a `memfd` that QEMU and the test map.

#![expect(unsafe_code, reason = "maps the memory that QEMU's devices write to")]

use core::num::NonZeroUsize;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, Ordering};
use std::format;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::process;
use std::string::String;
use std::vec;
use std::vec::Vec;

use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use nix::unistd::ftruncate;

/// Bytes of RAM. Only what is used takes memory.
pub(super) const RAM_BYTES: usize = 64 << 20;

/// Memory that QEMU's devices and this process share.
///
/// # Invariants
/// `start` is a mapping of `RAM_BYTES` bytes that is never unmapped.
#[derive(Debug)]
pub(super) struct Ram {
    start: NonNull<u8>,
    file: File,
}

// SAFETY: the mapping is not tied to a thread.
unsafe impl Send for Ram {}
// SAFETY: as above; `&Ram` gives out pointers, and accesses whole values atomically.
unsafe impl Sync for Ram {}

impl Ram {
    pub(super) fn new() -> io::Result<Self> {
        let file = memfd_create(c"switchboard-ram", MFdFlags::MFD_CLOEXEC)?;
        ftruncate(&file, RAM_BYTES as i64)?;
        let length = NonZeroUsize::new(RAM_BYTES).ok_or(io::ErrorKind::InvalidInput)?;
        let rights = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address that the kernel chooses. The file is this value's own, and never shrinks.
        let start = unsafe { mmap(None, length, rights, MapFlags::MAP_SHARED, &file, 0) }?;
        Ok(Self { start: start.cast(), file: file.into() })
    }

    /// Returns a path by which QEMU can open the memory while this process lives.
    pub(super) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.file.as_raw_fd())
    }

    /// Returns the memory at a bus address, or `None` when the range is not all RAM.
    pub(super) fn at(&self, bus: usize, length: usize) -> Option<NonNull<u8>> {
        let is_inside = bus.checked_add(length).is_some_and(|end| end <= RAM_BYTES);
        // SAFETY: the offset is within the mapping.
        is_inside.then(|| unsafe { self.start.add(bus) })
    }

    fn word(&self, bus: usize) -> Option<&AtomicU32> {
        let place = self.at(bus, 4)?.cast::<AtomicU32>();
        if !place.is_aligned() {
            return None;
        }
        // SAFETY: the mapping lives for ever, and any bits are an `AtomicU32`. The words of messages are in no block of
        // DMA memory: they are accessed here and by devices only.
        Some(unsafe { place.as_ref() })
    }

    /// Takes the dword at a bus address, leaving 0.
    pub(super) fn take(&self, bus: usize) -> u32 {
        self.word(bus).filter(|word| word.load(Ordering::Acquire) != 0).map_or(0, |word| word.swap(0, Ordering::AcqRel))
    }

    /// Returns whether the dword at a bus address is not 0.
    pub(super) fn is_set(&self, bus: usize) -> bool {
        self.word(bus).is_some_and(|word| word.load(Ordering::Acquire) != 0)
    }

    /// Copies bytes from a bus address on, by a system call: a device may write there.
    ///
    /// # Panics
    /// When the range is not all RAM.
    pub(super) fn read(&self, bus: usize, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, bus as u64).expect("a range of RAM");
        bytes
    }

    /// Writes bytes from a bus address on, in the same way.
    ///
    /// # Panics
    /// When the range is not all RAM.
    pub(super) fn write(&self, bus: usize, bytes: &[u8]) {
        assert!(bus + bytes.len() <= RAM_BYTES, "a range of RAM");
        self.file.write_all_at(bytes, bus as u64).expect("a range of RAM");
    }

    /// Returns the host's memory behind all of it; the contents read as zeros afterwards. For a bench that has ended
    /// with no DMA memory in use.
    pub(super) fn discard(&self) {
        let hole = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        let _ = fallocate(&self.file, hole, 0, RAM_BYTES as i64);
    }
}
