//! What the runtime needs of the machine that it runs on.

use core::fmt;

use spin::Once;

/// The machine below: the console, its end, and what is left of its memory. There is one in a program.
pub trait Hal: Sync {
    /// Prints on the console.
    fn print(&self, text: fmt::Arguments<'_>);

    /// Ends the machine, with success or failure.
    fn exit(&self, is_success: bool) -> !;

    /// Returns how much memory there is, and how much is used.
    fn memory_usage(&self) -> MemoryUsage;

    /// Returns random bits, as good as the CPU has them.
    fn random_seed(&self) -> u64;
}

/// How much memory there is, and how much is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryUsage {
    /// Bytes of the heap.
    pub heap_bytes: usize,
    /// Bytes of the heap that are in use.
    pub heap_bytes_used: usize,
    /// Bytes of the heap that are free.
    pub heap_bytes_free: usize,
    /// Pages of 4,096 bytes for devices.
    pub dma_pages: usize,
    /// Pages for devices that are in use.
    pub dma_pages_used: usize,
}

static HAL: Once<&'static dyn Hal> = Once::new();

/// Sets the host, once, before anything else here is used. A second call changes nothing.
pub fn install(host: &'static dyn Hal) {
    HAL.call_once(|| host);
}

/// Returns the host, if one was set: not in tests.
pub(crate) fn get() -> Option<&'static dyn Hal> {
    HAL.get().copied()
}

/// Ends the machine, with success or failure.
///
/// # Panics
/// When no host was set.
pub fn exit(is_success: bool) -> ! {
    match get() {
        Some(host) => host.exit(is_success),
        None => panic!("the program ends, with success: {is_success}"),
    }
}

/// Returns how much memory there is, and how much is used; zeros when no host was set.
#[must_use]
pub fn memory_usage() -> MemoryUsage {
    get().map(Hal::memory_usage).unwrap_or_default()
}

/// Returns random bits, as good as the CPU has them; 0 when no host was set.
#[must_use]
pub fn random_seed() -> u64 {
    get().map_or(0, Hal::random_seed)
}
