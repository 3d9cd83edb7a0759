//! The handlers that are registered on a machine: their counters, and the watch of each.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::activity::Activity;
use super::counters::{InterruptCounters, InterruptReport};
use super::watch::{HandlerWatch, Look};
use crate::config::Address;
use crate::platform::Vector;
use crate::sort;
use crate::sync::IrqLock;

/// The registered handlers, those of a function after each other.
pub(crate) struct Handlers {
    handlers: IrqLock<Vec<RegisteredHandler>>,
    /// Held while the context of a handler shows its activity. It disables interrupts, so that a handler of this CPU does not run.
    looking: IrqLock<()>,
}

impl Handlers {
    pub(crate) const fn new() -> Self {
        Self { handlers: IrqLock::new(Vec::new()), looking: IrqLock::new(()) }
    }

    /// Returns the counters of every registered handler, in order of CPU and vector.
    pub(crate) fn report(&self) -> Vec<InterruptReport> {
        let report = |handler: &RegisteredHandler| (handler.counters.clone(), handler.watch.report());
        let handlers: Vec<_> = self.handlers.lock().iter().map(report).collect();
        let mut reports: Vec<_> = handlers.iter().map(|(counters, watch)| counters.report(*watch)).collect();
        sort::by_key(&mut reports, |report| (report.cpu.number(), report.vector.number()));
        reports
    }

    /// Calls `act` with every vector that serves the function at `address`.
    pub(crate) fn for_each_vector_of(&self, address: Address, mut act: impl FnMut(Vector)) {
        let handlers = self.handlers.lock();
        let served = handlers.iter().filter(|handler| handler.counters.function == address);
        served.for_each(|handler| act(handler.counters.vector()));
    }

    /// Looks at each registered handler that is due at `now_ns`, and calls `act` with what was found. Returns when the next look
    /// is due, or `None` without a handler.
    pub(crate) fn look(&self, now_ns: u64, mut act: impl FnMut(&InterruptCounters, Look)) -> Option<u64> {
        let mut next_ns = None;
        let mut index = 0;
        loop {
            // Held for one handler at a time. One that is added or removed meanwhile may be left out, or be looked at twice.
            let looking = self.looking.lock();
            let Some((counters, mut due_ns)) = self.handler(index) else { break };
            let look = (due_ns <= now_ns).then(|| {
                // Not within the lock of the list: it may find that its function was removed.
                let activity = counters.activity();
                self.look_at(&counters, now_ns, activity, &mut due_ns)
            });
            drop(looking);
            if let Some(look) = look {
                act(&counters, look);
            }
            next_ns = Some(next_ns.map_or(due_ns, |next_ns: u64| next_ns.min(due_ns)));
            index += 1;
        }
        next_ns
    }

    fn handler(&self, index: usize) -> Option<(Arc<InterruptCounters>, u64)> {
        self.handlers.lock().get(index).map(|handler| (handler.counters.clone(), handler.watch.due_ns()))
    }

    fn look_at(&self, counters: &Arc<InterruptCounters>, now_ns: u64, activity: Activity, due_ns: &mut u64) -> Look {
        let mut handlers = self.handlers.lock();
        let Some(handler) = handlers.iter_mut().find(|handler| Arc::ptr_eq(&handler.counters, counters)) else {
            return Look::default();
        };
        let look = handler.watch.look(now_ns, activity, counters.claimed());
        *due_ns = handler.watch.due_ns();
        look
    }

    pub(crate) fn add_counters(&self, counters: Arc<InterruptCounters>) {
        self.handlers.lock().push(RegisteredHandler { counters, watch: HandlerWatch::new() });
    }

    /// Removes a handler, whose context is not being looked at afterwards.
    pub(crate) fn remove_counters(&self, counters: &Arc<InterruptCounters>) {
        self.handlers.lock().retain(|other| !Arc::ptr_eq(&other.counters, counters));
        drop(self.looking.lock());
    }
}

/// A registered handler, and the watch of it.
struct RegisteredHandler {
    counters: Arc<InterruptCounters>,
    watch: HandlerWatch,
}
