//! The table of the lines in use and of their sharers.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::block::VectorBlock;
use super::counters::InterruptCounters;
use super::slot::{HandlerBox, ServeInterrupt};
use super::storm::StormDetector;
use crate::config::Address;
use crate::platform::Gsi;
use crate::sync::primitives::{AtomicU64, AtomicWaker, Ordering};
use crate::sync::{IrqLock, IrqLockGuard};

/// One handler of a shared line, and its counters.
#[derive(Clone)]
pub(crate) struct Sharer {
    handler: Arc<HandlerBox>,
    counters: Arc<InterruptCounters>,
}

impl Sharer {
    pub(crate) fn new(handler: impl ServeInterrupt, counters: Arc<InterruptCounters>) -> Self {
        Self { handler: Arc::new(HandlerBox::new(handler)), counters }
    }

    pub(crate) fn handler(&self) -> &HandlerBox {
        &self.handler
    }

    pub(crate) fn counters(&self) -> &Arc<InterruptCounters> {
        &self.counters
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.handler, &other.handler)
    }
}

/// A line in use.
pub(crate) struct LineState {
    pub(crate) gsi: Gsi,
    /// The number of live grants of the line, with a registered handler or without.
    pub(crate) refcount: usize,
    pub(crate) sharers: Vec<Sharer>,
    pub(crate) detector: Arc<StormDetector>,
    pub(crate) vector: VectorBlock,
    /// Its handlers are in no slot, and it stays masked, until it has arrived at another CPU.
    pub(crate) is_moving: bool,
}

/// All lines in use, and the number of storms.
pub(crate) struct LineTable {
    lines: IrqLock<Vec<LineState>>,
    /// The lines of functions that are routed by an option.
    routes: IrqLock<Vec<(Address, Gsi)>>,
    storms: AtomicU64,
    waker: AtomicWaker,
}

impl LineTable {
    pub(crate) const fn new() -> Self {
        Self {
            lines: IrqLock::new(Vec::new()),
            routes: IrqLock::new(Vec::new()),
            storms: AtomicU64::new(0),
            waker: AtomicWaker::new(),
        }
    }

    pub(crate) fn lock(&self) -> IrqLockGuard<'_, Vec<LineState>> {
        self.lines.lock()
    }

    /// Routes the line of a function by an option.
    pub(crate) fn set_route(&self, function: Address, gsi: Gsi) {
        self.routes.lock().push((function, gsi));
    }

    /// Returns the line of a function that is routed by an option. The last option counts.
    pub(crate) fn route_of(&self, function: Address) -> Option<Gsi> {
        self.routes.lock().iter().rev().find(|(other, _)| *other == function).map(|(_, gsi)| *gsi)
    }

    /// Returns how often a line was masked because no handler claimed its interrupts.
    pub(crate) fn storms(&self) -> u64 {
        self.storms.load(Ordering::Relaxed)
    }

    pub(crate) fn count_storm(&self) {
        self.storms.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the waker of the task that waits for storms.
    pub(crate) fn waker(&self) -> &AtomicWaker {
        &self.waker
    }
}
