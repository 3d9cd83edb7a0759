//! One machine: the parts that its builder hands over, and its functions.

#![expect(unsafe_code, reason = "the one constructor whose caller vouches for the hardware")]

mod quiesce;

use alloc::vec::Vec;
use core::fmt;

use crate::assign::Apertures;
use crate::config::{ConfigAccess, Refusal};
use crate::inventory::{FunctionReport, Inventory};
use crate::platform::{Clock, InterruptController, Memory, ModePolicy};
use crate::sync;
use crate::vector::{InterruptReport, LineTable, VectorTable};

/// A machine: its configuration space, interrupts, memory and functions.
///
/// Whoever builds it hands its parts over in [`Machine::new`], and drivers never meet it: they get
/// [functions](crate::function::Function), whose resources are all that they can reach. What is left here is for the image that
/// runs the machine: [`scan`](Self::scan) and [`take`](Self::take), reports and counters, line storms, and
/// [`quiesce`](Self::quiesce) for its end.
pub struct Machine {
    pub(crate) config: &'static dyn ConfigAccess,
    pub(crate) root_buses: RootBuses,
    pub(crate) apertures: Apertures,
    pub(crate) controller: &'static dyn InterruptController,
    pub(crate) memory: &'static dyn Memory,
    pub(crate) clock: &'static dyn Clock,
    pub(crate) vectors: &'static VectorTable,
    pub(crate) policy: ModePolicy,
    pub(crate) inventory: Inventory,
    pub(crate) lines: LineTable,
}

/// The parts of a machine.
pub struct MachineParts {
    /// Configuration space, by ports or by memory.
    pub config: &'static dyn ConfigAccess,
    /// Where root buses are looked for beside the first.
    pub root_buses: RootBuses,
    /// Addresses for BARs and bridge windows to which firmware gave none.
    pub apertures: Apertures,
    /// Interrupt delivery: message targets, line routes.
    pub controller: &'static dyn InterruptController,
    /// Device memory and DMA memory.
    pub memory: &'static dyn Memory,
    /// Monotonic time.
    pub clock: &'static dyn Clock,
    /// The vectors of the machine's CPU, whose interrupt entry calls [`VectorTable::dispatch`].
    pub vectors: &'static VectorTable,
    /// The interrupt modes that may be granted (`irq=` on the kernel command line of our image).
    pub policy: ModePolicy,
    /// What [`device_fence`](crate::sync::device_fence) runs beside the CPU's own fence; `None` on most machines. QEMU's code
    /// generator before 8.1 leaves fences out while the machine has one CPU, though devices run on threads of their own: there an
    /// access to a port, which takes QEMU's global lock, orders as well.
    pub fence: Option<fn()>,
}

/// Where root buses may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootBuses {
    /// On any bus that no bridge leads to.
    Any,
    /// On further buses only if the first bus shows a host bridge for each of them, beside its own. Saves some thousand reads.
    ShownOnFirst,
}

impl Machine {
    /// Builds a machine of its parts.
    ///
    /// # Safety
    /// - The parts belong to one machine, and no other `Machine` for the same hardware exists or will be made: two of them would each hand out
    ///   the same function.
    /// - `config` reaches configuration space and nothing else, each address one function; nothing but this `Machine` writes to it from here on,
    ///   except to functions that the `Machine` does not know.
    /// - The message that `controller` returns for a vector raises that vector and does nothing else. Vectors 32 to 239 of the CPU, and the lines
    ///   of the interrupt controller that `route` can return, are used by nothing else.
    /// - `apertures` are addresses that no RAM and no other device decodes.
    /// - The CPU's interrupt entry passes vectors 32 to 239 to `vectors`, which belongs to no other machine.
    /// - `memory` is an implementation for this machine (its own contract is at [`Memory`]).
    #[must_use]
    pub unsafe fn new(parts: MachineParts) -> Self {
        let MachineParts { config, root_buses, apertures, controller, memory, clock, vectors, policy, fence } = parts;
        if let Some(fence) = fence {
            sync::set_machine_fence(fence);
        }
        let (inventory, lines) = (Inventory::new(), LineTable::new());
        Self { config, root_buses, apertures, controller, memory, clock, vectors, policy, inventory, lines }
    }

    /// Returns the clock.
    #[must_use]
    pub fn clock(&self) -> &'static dyn Clock {
        self.clock
    }

    /// Returns a report of every function that was found, in order of address.
    #[must_use]
    pub fn functions(&self) -> Vec<FunctionReport> {
        self.inventory.records().iter().map(|record| FunctionReport::new(record)).collect()
    }

    /// Returns the functions that were left out at the last scan, and why.
    #[must_use]
    pub fn refusals(&self) -> Vec<Refusal> {
        self.inventory.refusals()
    }

    /// Returns the counters of every registered handler, in order of vector.
    #[must_use]
    pub fn interrupt_report(&self) -> Vec<InterruptReport> {
        self.vectors.report()
    }

    /// Returns the number of vectors that are free.
    #[must_use]
    pub fn free_vectors(&self) -> usize {
        self.vectors.free()
    }

    /// Limits the vectors that functions can be granted to `count` in all, to test how a machine fares that has few.
    pub fn limit_vectors(&self, count: usize) {
        self.vectors.limit(count);
    }

    /// Returns the number of deliveries to vectors that have no handler: forged, stray or late messages.
    #[must_use]
    pub fn unexpected_interrupts(&self) -> u64 {
        self.vectors.unexpected()
    }

    /// Returns the number of spurious interrupts of the interrupt controller.
    #[must_use]
    pub fn spurious_interrupts(&self) -> u64 {
        self.vectors.spurious()
    }

    /// Returns how often a line was masked because no handler claimed its interrupts.
    #[must_use]
    pub fn storms(&self) -> u64 {
        self.lines.storms()
    }
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl fmt::Debug for MachineParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MachineParts").field("policy", &self.policy).finish_non_exhaustive()
    }
}
