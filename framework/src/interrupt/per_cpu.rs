//! State that handlers have on each CPU, without locks.

#![expect(unsafe_code, reason = "each CPU's state is reached by handlers of that CPU alone")]

use alloc::boxed::Box;
use core::fmt;

use super::isr::InIsr;
use super::port::InterruptPort;
use crate::vector::Cpu;

/// A value for each CPU, which only handlers that run on that CPU reach: without a lock, although it may be no `Sync`.
///
/// The proof is [`InIsr`], which names the CPU. Handlers of a CPU never interrupt each other, so a [`Cell`](core::cell::Cell) or a `RefCell`
/// serves as state. A task reaches all values by `&mut`, or, of a type that is `Sync`, by [`iter`](Self::iter).
///
/// ```
/// use std::cell::Cell;
/// use std::sync::Arc;
/// use switchboard::interrupt::{InIsr, MessageIsr, PerCpu};
/// # use switchboard_testing::{FakeFunction, FakeMachine};
///
/// switchboard::messages! {
///     enum NicMessage { Receive }
/// }
/// struct Shared {
///     calls: PerCpu<Cell<u32>>,
/// }
/// impl MessageIsr<1> for Shared {
///     type Message = NicMessage;
///     fn on_message(&self, _: NicMessage, isr: &InIsr<'_>) {
///         let calls = self.calls.get(isr);
///         calls.set(calls.get() + 1);
///     }
/// }
///
/// # let fake = FakeMachine::builder().cpus(2).build();
/// # fake.insert(FakeFunction::new(0x1af4, 0x1041).bar(1, 0x1000).msix(2, 1, 0, 0x800));
/// # fake.machine().scan();
/// # let function = fake.machine().take_all().remove(0);
/// # let address = function.address();
/// # let irq = function.claim()?.irq;
/// let cpus: Vec<_> = irq.cpus().collect();
/// let shared = Arc::new(Shared { calls: irq.per_cpu(|_| Cell::new(0)) });
/// let mut messages = irq.grant_messages()?.register(shared.clone()).unmask();
/// # for _ in 0..3 {
/// #     fake.send(address, 0).expect("sent");
/// # }
/// messages.as_msix().expect("MSI-X was granted").steer(NicMessage::Receive, cpus[1]).expect("it has vectors");
/// # fake.send(address, 0).expect("sent");
/// drop(messages);
/// let mut shared = Arc::into_inner(shared).expect("the registration has dropped its reference");
/// let calls: Vec<_> = shared.calls.iter_mut().map(|(cpu, calls)| (cpu.number(), calls.get())).collect();
/// assert_eq!(calls, [(0, 3), (1, 1)]);
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
pub struct PerCpu<T> {
    values: Box<[(Cpu, T)]>,
}

// SAFETY: `get` reaches a value on its own CPU alone, where handlers neither interrupt each other nor move to another CPU: so a
// value that may move between threads suffices. `iter` demands `Sync`, all else takes `&mut self`.
unsafe impl<T: Send> Sync for PerCpu<T> {}

impl<T: Send> PerCpu<T> {
    /// Returns the value of the CPU that the handler runs on.
    ///
    /// # Panics
    /// In a handler of another machine than that of the function for which this was made, which there is in tests only.
    #[inline]
    #[must_use]
    pub fn get<'a>(&'a self, isr: &'a InIsr<'_>) -> &'a T {
        let here = isr.cpu();
        match self.values.get(here.number()) {
            Some((cpu, value)) if *cpu == here => value,
            _ => no_value(here),
        }
    }

    /// Returns the values of all CPUs.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Cpu, &mut T)> {
        self.values.iter_mut().map(|(cpu, value)| (*cpu, value))
    }

    /// Returns the values of all CPUs, which their handlers use meanwhile.
    pub fn iter(&self) -> impl Iterator<Item = (Cpu, &T)>
    where
        T: Sync,
    {
        self.values.iter().map(|(cpu, value)| (*cpu, value))
    }
}

#[cold]
fn no_value(cpu: Cpu) -> ! {
    panic!("{cpu} is one of another machine")
}

impl InterruptPort {
    /// Makes state for the handlers of each CPU: `value` is called once for each of them.
    pub fn per_cpu<T: Send>(&self, mut value: impl FnMut(Cpu) -> T) -> PerCpu<T> {
        PerCpu { values: self.cpus().map(|cpu| (cpu, value(cpu))).collect() }
    }
}

impl<T> fmt::Debug for PerCpu<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerCpu").field("cpus", &self.values.len()).finish_non_exhaustive()
    }
}
