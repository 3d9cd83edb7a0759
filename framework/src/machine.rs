//! What the core needs from the machine it runs on.
//!
//! Everything above this seam (the walk, the typestates, the ladder, the rings) is plain logic: it runs
//! on the bare machine ([`crate::arch`]) and under `cargo test` on a machine made of memory
//! (`crate::fake`). A [`Machine`] is a handful of references, built once and never torn down.

use core::fmt;
use core::ptr::NonNull;

use crate::assign::Apertures;
use crate::config::ConfigAccess;
use crate::dma::DmaBlock;
use crate::function::Inventory;
use crate::interrupt::{Gsi, ModePolicy, Route, RouteError, Vector, VectorTable, Wire};

/// The seams of one machine.
pub struct Machine {
    /// Configuration space, by ports or by memory.
    pub config: &'static dyn ConfigAccess,
    /// Where BARs and bridge windows may be put that firmware put nowhere.
    pub apertures: Apertures,
    /// Interrupt delivery: where a message goes, how a line is routed.
    pub controller: &'static dyn InterruptController,
    /// Device memory and DMA memory.
    pub memory: &'static dyn Memory,
    /// Monotonic time.
    pub clock: &'static dyn Clock,
    /// The vectors of the machine's CPUs and who serves them.
    pub vectors: &'static VectorTable,
    /// Which interrupt modes may be granted (`irq=` on the kernel command line).
    pub policy: ModePolicy,
    /// The functions that were found; begin with [`Inventory::new`], and fill with [`Machine::scan`].
    pub inventory: Inventory,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// Interrupt delivery as the CPU side sees it.
pub trait InterruptController: Send + Sync {
    /// The memory write that raises `vector` on its CPU (SDM vol. 3, 11.11).
    fn message(&self, vector: Vector) -> MessageTarget;

    /// Raises `vector` on its CPU from software, as a message to it would.
    fn raise(&self, vector: Vector);

    /// Has the handlers of a vector called, from software.
    ///
    /// Not by the vector itself, which may be that of a line: it would be an edge, and the local APIC then takes a level of the line that is being served
    /// for one too. Its end is not told to the I/O APIC (SDM vol. 3, 11.8.4), which would wait for it for ever, and the
    /// line with all its sharers would be dead. Nor can the I/O APIC be made to forget: while its input is an edge for a
    /// moment, a level that is asserted then is not noticed, and just as dead.
    fn call(&self, vector: Vector);

    /// Ends deliveries of a line's vector whose end nobody told the I/O APIC: a message that a device forged with that vector
    /// has the local APIC keep it to itself, as above, and the line with all its sharers would be dead.
    fn end_deliveries(&self, vector: Vector);

    /// The line that a wire ends at, given what firmware wrote into Interrupt Line of the function that drives it.
    ///
    /// # Errors
    /// [`RouteError`] when nothing on this machine knows the wire.
    fn route(&self, wire: Wire, interrupt_line: u8) -> Result<Route, RouteError>;

    /// Points the line at `vector`: level-triggered, active low unless firmware says otherwise, left masked.
    ///
    /// # Errors
    /// [`RouteError::NoSuchGsi`] when no I/O APIC has that input.
    fn connect(&self, gsi: Gsi, vector: Vector) -> Result<(), RouteError>;

    /// Stops deliveries of a line at the I/O APIC. A level that stays asserted is delivered after [`unmask`](Self::unmask).
    fn mask(&self, gsi: Gsi);

    /// Lets deliveries of a line through again.
    fn unmask(&self, gsi: Gsi);
}

/// The address and data of a message: what an MSI capability or an MSI-X entry is programmed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageTarget {
    /// Where the device writes.
    pub address: u64,
    /// What it writes; the low bits carry the message number in multi-message MSI.
    pub data: u32,
}

/// Device memory and DMA memory.
pub trait Memory: Send + Sync {
    /// Maps device memory, uncached, and returns where it can be reached. Mapping a range twice gives the
    /// same answer; mappings are never taken back.
    ///
    /// # Errors
    /// [`MemoryError`] when the range cannot be addressed or there is no memory for page tables.
    fn map(&self, physical: u64, length: u64) -> Result<NonNull<u8>, MemoryError>;

    /// Zeroed memory that devices can reach: whole pages of 4,096 bytes, physically contiguous.
    ///
    /// # Errors
    /// [`MemoryError::OutOfMemory`].
    fn allocate(&self, pages: usize) -> Result<DmaBlock, MemoryError>;

    /// Takes a block back.
    ///
    /// The caller has made sure that no device writes there any more: the function that it was lent to no
    /// longer masters the bus.
    fn release(&self, block: DmaBlock);
}

/// Why memory was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// The allocator is exhausted.
    #[error("out of memory: {wanted} bytes wanted")]
    OutOfMemory {
        /// Bytes asked for.
        wanted: usize,
    },
    /// The range is not a device's: some of it is RAM, which a driver could then write as if it were registers.
    #[error("{length:#x} bytes at physical {physical:#x} are not device memory: RAM is there")]
    Ram {
        /// Where the range begins.
        physical: u64,
        /// Its bytes.
        length: u64,
    },
    /// The range is beyond what the page tables here address, or wraps.
    #[error("{length:#x} bytes at physical {physical:#x} cannot be mapped")]
    Unreachable {
        /// Where the range begins.
        physical: u64,
        /// Its bytes.
        length: u64,
    },
}

/// Monotonic time.
pub trait Clock: Send + Sync {
    /// Nanoseconds since an arbitrary start; never goes back.
    fn now(&self) -> u64;
}
