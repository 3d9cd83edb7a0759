//! A machine of one CPU or two and one device, as the framework sees it.

#![expect(unsafe_code, reason = "what lives for ever on a machine lives for one run of a model here")]

use core::sync::atomic::{AtomicU64, Ordering};

use loom::thread;

use super::cpu::Cpu;
use super::device::{BAR, Device, Sends, Window};
use crate::assign::Apertures;
use crate::interrupt::InterruptPort;
use crate::machine::{DeviceFence, Machine, MachineParts, RootBuses};
use crate::platform::{
    Clock, DmaBlock, Gsi, InterruptController, Mapping, Memory, MemoryError, MessageTarget, ModePolicy, Route,
    RouteError, Vector, Wire,
};

/// Words of stack: a scan needs more than loom's threads have.
const STACK: usize = 0x2_0000;

/// What the CPUs and the device are to the framework.
struct Board {
    cpus: Vec<&'static Cpu>,
    device: &'static Device,
    /// Nanoseconds, which pass when they are looked at.
    now: AtomicU64,
}

impl Board {
    fn cpu(&self, vector: Vector) -> &'static Cpu {
        self.cpus[vector.cpu() as usize]
    }
}

impl InterruptController for Board {
    fn message(&self, vector: Vector) -> MessageTarget {
        MessageTarget { address: 0xfee0_0000 | u64::from(vector.cpu()) << 12, data: vector.number().into() }
    }

    fn raise(&self, vector: Vector) {
        self.cpu(vector).request(vector.number());
    }

    fn call(&self, vector: Vector) {
        self.raise(vector);
    }

    fn drain(&self, vector: Vector) -> bool {
        self.cpu(vector).drain(vector.number())
    }

    fn clear_remote_irr(&self, _: Vector) {}

    fn route(&self, _: Wire, _: u8) -> Result<Route, RouteError> {
        Err(RouteError::NoPin)
    }

    fn connect(&self, gsi: Gsi, _: Vector) -> Result<(), RouteError> {
        unreachable!("no line is routed, {gsi} neither")
    }

    fn mask(&self, _: Gsi) {}

    fn unmask(&self, _: Gsi) {}
}

// SAFETY: registers are reached by calls, and there is no DMA memory.
unsafe impl Memory for Board {
    fn map(&self, physical: u64, _length: u64) -> Result<Mapping, MemoryError> {
        let window = Window { device: self.device, start: physical - u64::from(BAR) };
        Ok(Mapping::Emulated(Box::leak(Box::new(window))))
    }

    fn allocate(&self, pages: usize) -> Result<DmaBlock, MemoryError> {
        Err(MemoryError::OutOfMemory { wanted: pages * DmaBlock::PAGE })
    }

    unsafe fn release(&self, _: DmaBlock) {}
}

impl Clock for Board {
    fn now_ns(&self) -> u64 {
        self.now.fetch_add(1_000_000, Ordering::Relaxed)
    }
}

/// A value that what is made of it takes for permanent.
struct Permanent<T>(*mut T);

impl<T> Permanent<T> {
    fn new(value: T) -> Self {
        Self(Box::into_raw(Box::new(value)))
    }

    fn get(&self) -> &'static T {
        // SAFETY: it lives until the end of `with_function`, which outlasts all that the model makes.
        unsafe { &*self.0 }
    }
}

impl<T> Drop for Permanent<T> {
    fn drop(&mut self) {
        // SAFETY: the model is over, nothing of it is left, and this is the one owner.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

/// Runs a model of a claimed function on a machine of one CPU: `work` has ended all its threads, and dropped all of the function,
/// when it returns.
pub(crate) fn with_function(
    sends: Sends,
    work: impl FnOnce(&'static Cpu, &'static Device, InterruptPort) + Send + 'static,
) {
    with_cpus::<1>(sends, |[cpu], device, irq| work(cpu, device, irq));
}

/// Runs a model as [`with_function`] does, on a machine of `N` CPUs.
pub(crate) fn with_cpus<const N: usize>(
    sends: Sends,
    work: impl FnOnce([&'static Cpu; N], &'static Device, InterruptPort) + Send + 'static,
) {
    let run = move || {
        let cpus: [_; N] = core::array::from_fn(|id| Permanent::new(Cpu::new(u32::try_from(id).expect("a few"))));
        let all = cpus.each_ref().map(Permanent::get);
        let device = Permanent::new(Device::new(sends, all.to_vec()));
        let board = Permanent::new(Board { cpus: all.to_vec(), device: device.get(), now: AtomicU64::new(0) });
        let parts = MachineParts {
            config: device.get(),
            root_buses: RootBuses::ShownOnFirst,
            apertures: Apertures::default(),
            controller: board.get(),
            memory: board.get(),
            clock: board.get(),
            vectors: all.iter().map(|cpu| &cpu.vectors).collect(),
            policy: ModePolicy::all(),
            fence: DeviceFence::Cpu,
        };
        // SAFETY: the parts are those of this machine alone, and reach no hardware.
        let machine = Permanent::new(unsafe { Machine::new(parts) });
        machine.get().scan();
        let function = machine.get().take(Device::address()).expect("the scan finds it");
        work(all, device.get(), function.claim().expect("it can be claimed").irq);
        // In this order: each refers to those before it.
        drop(machine);
        drop(board);
        drop(device);
        drop(cpus);
    };
    let thread = thread::Builder::new().stack_size(STACK).spawn(run).expect("loom makes threads");
    thread.join().expect("no panic");
}
