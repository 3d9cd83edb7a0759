//! The machine: the platform's implementations of clock, memory, interrupts and configuration space, and the functions.

#![expect(unsafe_code, reason = "the constructor whose caller guarantees exclusive use of the hardware")]

mod device;
mod quiesce;
mod watch;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::assign::Apertures;
use crate::config::{Address, ConfigAccess, Refusal};
use crate::inventory::{FunctionReport, Inventory, Record};
use crate::platform::{Clock, Gsi, InterruptController, Memory, ModePolicy};
use crate::sync;
use crate::vector::{Cpu, Cpus, Fault, Handlers, InterruptReport, LineTable, VectorTable};

/// A machine: its configuration space, interrupts, memory and functions.
///
/// A platform crate builds it from its parts with [`Machine::new`]. Drivers have no access to it: they get
/// [functions](crate::function::Function), and reach only the resources of those. The methods here are for the image that runs
/// the machine: [`scan`](Self::scan) and [`take`](Self::take), reports and counters, line storms, and
/// [`quiesce`](Self::quiesce) for its end.
///
/// ```
/// use switchboard::driver::{Driver, Id, attach, best_match};
/// use switchboard::machine::Machine;
/// # use switchboard::{driver::ProbeError, function::{Function, Resources}};
/// # use switchboard_testing::{FakeFunction, FakeMachine};
/// # struct Edu { _resources: Resources }
/// # impl Driver for Edu {
/// #     const NAME: &'static str = "edu";
/// #     const MATCHES: &'static [Id] = &[Id::new(0x1234, 0x11e8)];
/// #     fn probe(function: Function) -> Result<Self, ProbeError> {
/// #         Ok(Self { _resources: function.claim()? })
/// #     }
/// # }
///
/// fn attach_all(machine: &'static Machine) -> Vec<Edu> {
///     machine.scan();
///     let matching = |function: &_| best_match(function, [((), Edu::MATCHES)]).is_some();
///     let functions = machine.take_all().into_iter().filter(matching);
///     functions.filter_map(|function| attach::<Edu>(function).ok()).collect()
/// }
///
/// # let fake = FakeMachine::new([]);
/// # fake.insert(FakeFunction::new(0x1234, 0x11e8).at("00:03.0"));
/// # fake.insert(FakeFunction::new(0x8086, 0x100e).at("00:04.0"));
/// # let machine = fake.machine();
/// let devices = attach_all(machine);
/// assert_eq!(devices.len(), 1);
/// let drivers: Vec<_> = machine.functions().iter().map(|report| report.driver).collect();
/// assert_eq!(drivers, [Some("edu"), None]);
/// ```
pub struct Machine {
    pub(crate) config: &'static dyn ConfigAccess,
    pub(crate) root_buses: RootBuses,
    pub(crate) apertures: Apertures,
    pub(crate) controller: &'static dyn InterruptController,
    pub(crate) memory: &'static dyn Memory,
    pub(crate) clock: &'static dyn Clock,
    pub(crate) cpus: Cpus,
    pub(crate) handlers: Handlers,
    pub(crate) policy: ModePolicy,
    pub(crate) inventory: Inventory,
    pub(crate) lines: LineTable,
}

/// The parts of a machine, which its platform implements.
pub struct MachineParts {
    /// Access to configuration space, by I/O ports or by memory (ECAM).
    pub config: &'static dyn ConfigAccess,
    /// Where the scan looks for root buses other than the first.
    pub root_buses: RootBuses,
    /// The addresses for BARs and bridge windows to which firmware assigned none.
    pub apertures: Apertures,
    /// Interrupt delivery: message targets, line routes.
    pub controller: &'static dyn InterruptController,
    /// Device memory and DMA memory.
    pub memory: &'static dyn Memory,
    /// Monotonic time.
    pub clock: &'static dyn Clock,
    /// The vectors of each CPU that runs, the boot CPU's first. The interrupt entry of a CPU calls [`VectorTable::dispatch`].
    pub vectors: Vec<&'static VectorTable>,
    /// The interrupt modes that may be granted (`irq=` on the kernel command line of our image).
    pub policy: ModePolicy,
    /// What [`device_fence`](crate::sync::device_fence) consists of.
    pub fence: DeviceFence,
}

/// The rule by which the scan finds root buses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootBuses {
    /// Every bus that is behind no bridge is probed as a root bus.
    Any,
    /// Further root buses exist only if the first bus has a host bridge for each of them, besides its own. This saves some
    /// thousand reads.
    ShownOnFirst,
}

/// What orders a CPU's writes before its reads, as devices see them.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum DeviceFence {
    /// The CPU's fence.
    Cpu,
    /// The CPU's fence and a read of a harmless I/O port, which this code is allowed. QEMU's code generator before 8.1 omits fences while
    /// the machine has one CPU, although devices run on threads of their own; a port access takes QEMU's global lock and orders, too.
    CpuAndIo,
    /// The CPU's fence and a call, from every thread that passes a fence in this process: for devices outside the process that do not
    /// share the driver's memory directly.
    CpuAndCall(fn()),
}

impl Machine {
    /// Builds a machine from its parts.
    ///
    /// # Safety
    /// - The parts belong to one machine, and no other `Machine` for the same hardware exists or will be made: two of them would each hand out
    ///   the same function.
    /// - `config` reaches configuration space and nothing else, each address one function; nothing but this `Machine` writes to it from here on,
    ///   except to functions that the `Machine` does not know.
    /// - The message that `controller` returns for a vector raises that vector and does nothing else. Vectors 32 to 239 of the CPUs, and the lines
    ///   of the interrupt controller that `route` can return, are used by nothing else.
    /// - `apertures` are addresses that no RAM and no other device decodes.
    /// - [`DeviceFence::CpuAndIo`] only where this code may access I/O ports.
    /// - The interrupt entry of each CPU passes vectors 32 to 239 to the CPU's own table in `vectors`, which belongs to no other machine.
    /// - `memory` is an implementation for this machine (its own contract is at [`Memory`]).
    #[must_use]
    pub unsafe fn new(parts: MachineParts) -> Self {
        let MachineParts { config, root_buses, apertures, controller, memory, clock, vectors, policy, fence } = parts;
        match fence {
            DeviceFence::Cpu => {}
            DeviceFence::CpuAndIo => sync::enable_io_fence(),
            DeviceFence::CpuAndCall(function) => sync::set_fence_call(function),
        }
        let (cpus, handlers) = (Cpus::new(vectors), Handlers::new());
        let (inventory, lines) = (Inventory::new(), LineTable::new());
        Self { config, root_buses, apertures, controller, memory, clock, cpus, handlers, policy, inventory, lines }
    }

    /// Returns the clock.
    #[must_use]
    pub fn clock(&self) -> &'static dyn Clock {
        self.clock
    }

    /// Returns a report of every function that was found, in order of address.
    #[must_use]
    pub fn functions(&self) -> Vec<FunctionReport> {
        let interrupts = self.handlers.report();
        let report = |record: &Arc<Record>| {
            let mut report = FunctionReport::new(record);
            let own = interrupts.iter().filter(|row| row.function == report.address);
            report.faults = own.flat_map(Fault::of).collect();
            report
        };
        self.inventory.records().iter().map(report).collect()
    }

    /// Returns the functions that were left out at the last scan, and why.
    #[must_use]
    pub fn refusals(&self) -> Vec<Refusal> {
        self.inventory.refusals()
    }

    /// Returns the counters of every registered handler, in order of CPU and vector.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use switchboard::interrupt::{Claim, InIsr, LineIsr};
    /// # use switchboard_testing::{FakeFunction, FakeMachine};
    /// # struct Shared;
    /// # impl LineIsr for Shared {
    /// #     fn on_line(&self, _: &InIsr<'_>) -> Claim { Claim::Mine }
    /// # }
    /// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).at("00:03.0").pin(1, 11)]);
    /// # let machine = fake.machine();
    /// # let line = machine.take_all().remove(0).claim()?.irq.grant_line()?.register(Arc::new(Shared)).unmask();
    /// # fake.assert_line(11);
    /// for row in machine.interrupt_report() {
    ///     println!("{} {}: {} calls, {} unclaimed", row.function, row.names.join("+"), row.count, row.unclaimed);
    /// #   assert_eq!((row.names, row.count, row.unclaimed), (vec!["line"], 1, 0));
    /// }
    /// # drop(line);
    /// # assert!(machine.interrupt_report().is_empty());
    /// # Ok::<(), switchboard::driver::ProbeError>(())
    /// ```
    #[must_use]
    pub fn interrupt_report(&self) -> Vec<InterruptReport> {
        self.handlers.report()
    }

    /// Returns the CPUs that run, the boot CPU first.
    pub fn cpus(&self) -> impl ExactSizeIterator<Item = Cpu> {
        self.cpus.all()
    }

    /// Sets whether interrupts are granted on the CPU that has fewest, instead of on the boot CPU while that has vectors. Concerns grants
    /// from now on that name no CPU ([`InterruptPort::prefer_cpu`](crate::interrupt::InterruptPort::prefer_cpu)).
    ///
    /// Every handler may run on any CPU. But a driver's tasks run where they were started, most on the boot CPU: a handler on another CPU
    /// wakes them by one more interrupt.
    pub fn spread_interrupts(&self, is_spread: bool) {
        self.cpus.spread(is_spread);
    }

    /// Returns the number of vectors that are free, of all CPUs.
    #[must_use]
    pub fn free_vectors(&self) -> usize {
        self.cpus.free()
    }

    /// Returns the number of vectors of a CPU that are in use.
    #[must_use]
    pub fn used_vectors(&self, cpu: Cpu) -> usize {
        cpu.used_vectors()
    }

    /// Limits the vectors that functions can be granted to `count` in total, those of the boot CPU first, to test with few vectors.
    pub fn limit_vectors(&self, count: usize) {
        self.cpus.limit(count);
    }

    /// Routes the line of the function at `address` to `gsi`, instead of where chipset and firmware route it. Concerns lines that are
    /// granted from now on.
    ///
    /// ```
    /// use switchboard::config::Address;
    /// use switchboard::interrupt::{Gsi, RouteSource};
    /// # use switchboard::interrupt::{Claim, InIsr, LineIsr};
    /// # use switchboard_testing::{FakeFunction, FakeMachine};
    /// # struct Shared;
    /// # impl LineIsr for Shared {
    /// #     fn on_line(&self, _: &InIsr<'_>) -> Claim { Claim::Mine }
    /// # }
    /// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).at("00:03.0").pin(1, 11)]);
    /// # let machine = fake.machine();
    /// machine.route_line(Address::new(0, 0, 3, 0), Gsi(19));
    /// # let irq = machine.take_all().remove(0).claim()?.irq;
    /// let line = irq.grant_line::<Shared>()?;
    /// assert_eq!((line.gsi(), line.route_source()), (Gsi(19), RouteSource::Option));
    /// # Ok::<(), switchboard::driver::ProbeError>(())
    /// ```
    pub fn route_line(&self, address: Address, gsi: Gsi) {
        self.lines.set_route(address, gsi);
    }

    /// Returns the number of interrupts on vectors without a handler: forged, stray or late messages.
    #[must_use]
    pub fn unexpected_interrupts(&self) -> u64 {
        self.cpus.unexpected()
    }

    /// Returns the number of spurious interrupts of the interrupt controller.
    #[must_use]
    pub fn spurious_interrupts(&self) -> u64 {
        self.cpus.spurious()
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
