//! An interrupt controller that remembers, and a clock that ticks when it is looked at.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

use switchboard::interrupt::{ChipsetAnswer, Gsi, Route, RouteError, RouteSource, Vector, Wire};
use switchboard::platform::{Clock, InterruptController, MessageTarget};
use switchboard::sync::IrqLock;

/// Lines that there are.
const INPUTS: usize = 24;

#[derive(Debug)]
pub(super) struct FakeController {
    lines: IrqLock<BTreeMap<Gsi, Input>>,
    raised: IrqLock<Vec<Vector>>,
}

#[derive(Debug, Clone, Copy)]
struct Input {
    vector: Vector,
    masked: bool,
}

impl FakeController {
    pub(super) const fn new() -> Self {
        Self { lines: IrqLock::new(BTreeMap::new()), raised: IrqLock::new(Vec::new()) }
    }

    /// The vector that an assertion of the line reaches, if any.
    pub(super) fn delivers(&self, gsi: Gsi) -> Option<Vector> {
        self.lines.lock().get(&gsi).filter(|input| !input.masked).map(|input| input.vector)
    }

    /// Vectors that were raised by software since the last look.
    pub(super) fn take_raised(&self) -> Vec<Vector> {
        core::mem::take(&mut *self.raised.lock())
    }

    fn set_masked(&self, gsi: Gsi, masked: bool) {
        if let Some(input) = self.lines.lock().get_mut(&gsi) {
            input.masked = masked;
        }
    }
}

impl InterruptController for FakeController {
    fn message(&self, vector: Vector) -> MessageTarget {
        MessageTarget { address: 0xfee0_0000, data: vector.number().into() }
    }

    fn raise(&self, vector: Vector) {
        self.raised.lock().push(vector);
    }

    fn call(&self, vector: Vector) {
        self.raise(vector);
    }

    fn clear_remote_irr(&self, _: Vector) {}

    fn route(&self, wire: Wire, interrupt_line: u8) -> Result<Route, RouteError> {
        match interrupt_line {
            0 | 255 => {
                let chipset = ChipsetAnswer::UnknownWiring { device: wire.device };
                Err(RouteError::NotRouted { wire, chipset, interrupt_line, inputs: INPUTS })
            }
            _ => Ok(Route { gsi: Gsi(interrupt_line.into()), source: RouteSource::Fake }),
        }
    }

    fn connect(&self, gsi: Gsi, vector: Vector) -> Result<(), RouteError> {
        if gsi.0 as usize >= INPUTS {
            return Err(RouteError::NoSuchGsi { gsi: gsi.0 });
        }
        self.lines.lock().insert(gsi, Input { vector, masked: true });
        Ok(())
    }

    fn mask(&self, gsi: Gsi) {
        self.set_masked(gsi, true);
    }

    fn unmask(&self, gsi: Gsi) {
        self.set_masked(gsi, false);
    }
}

/// A microsecond passes with each look, so that waiting ends without a wall clock.
pub(super) struct FakeClock {
    now: AtomicU64,
    tick: IrqLock<Option<Arc<Tick>>>,
}

/// What happens in that microsecond.
pub(super) type Tick = dyn Fn() + Send + Sync;

impl FakeClock {
    pub(super) const fn new() -> Self {
        Self { now: AtomicU64::new(0), tick: IrqLock::new(None) }
    }

    pub(super) fn advance(&self, nanoseconds: u64) {
        self.now.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    pub(super) fn on_tick(&self, tick: Arc<Tick>) {
        *self.tick.lock() = Some(tick);
    }
}

impl Clock for FakeClock {
    fn now_ns(&self) -> u64 {
        let tick = self.tick.lock().clone();
        if let Some(tick) = tick {
            tick();
        }
        self.now.fetch_add(1_000, Ordering::Relaxed)
    }
}

impl fmt::Debug for FakeClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeClock").field("now", &self.now).finish_non_exhaustive()
    }
}
