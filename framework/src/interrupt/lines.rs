//! Shared lines: one vector for each line, and any number of handlers.
//!
//! The sharers of a line are an immutable list in the vector's slot. Joining or leaving puts a new list into the slot and waits
//! until the old one is not running. So handlers can be added and removed while the line fires, and the path of an interrupt
//! takes no lock.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::task::Poll;

use super::error::{GrantError, SteerError};
use crate::machine::Machine;
use crate::platform::{Gsi, Vector};
use crate::sync::primitives::{AtomicU32, Ordering};
use crate::sync::ticks;
use crate::vector::{Claim, Cpu, HandlerBox, LineState, Placement, ServeInterrupt, Sharer, StormDetector, VectorSlot};

/// A counted reference to a line, which keeps its vector allocated. With it, a handler can be put on the line.
pub(super) struct LineHold {
    machine: &'static Machine,
    gsi: Gsi,
}

impl LineHold {
    pub(super) fn new(machine: &'static Machine, gsi: Gsi, placement: Placement) -> Result<Self, GrantError> {
        let mut lines = machine.lines.lock();
        if let Some(line) = lines.iter_mut().find(|line| line.gsi == gsi) {
            line.refcount += 1;
            return Ok(Self { machine, gsi });
        }
        let vector = machine.cpus.allocate(1, 1, true, placement)?;
        machine.controller.connect(gsi, vector.vector(0))?;
        let detector = Arc::new(StormDetector::default());
        lines.push(LineState { gsi, refcount: 1, sharers: Vec::new(), detector, vector, is_moving: false });
        Ok(Self { machine, gsi })
    }

    pub(super) fn gsi(&self) -> Gsi {
        self.gsi
    }

    /// Returns the CPU that serves the line.
    pub(super) fn cpu(&self) -> Cpu {
        let lines = self.machine.lines.lock();
        let line = lines.iter().find(|line| line.gsi == self.gsi);
        line.unwrap_or_else(|| unreachable!("a line that is held has a state")).vector.cpu()
    }

    /// Adds a sharer and unmasks the line, also after a storm: the new sharer may claim its interrupts.
    pub(super) fn join(&self, sharer: Sharer) {
        self.change(|sharers| sharers.push(sharer));
    }

    /// Removes a sharer, whose handler is not running afterwards. A line without sharers is masked. A line with other sharers is
    /// unmasked, also after a storm: the removed function may have caused it.
    pub(super) fn leave(&self, sharer: &Sharer) {
        self.change(|sharers| sharers.retain(|other| !other.is(sharer)));
    }

    /// Changes the list of sharers.
    fn change(&self, change: impl FnOnce(&mut Vec<Sharer>)) {
        let mut lines = self.machine.lines.lock();
        let Some(line) = lines.iter_mut().find(|line| line.gsi == self.gsi) else { return };
        change(&mut line.sharers);
        line.detector.reset();
        let slot = line.vector.slot(0);
        let old = (!line.is_moving).then(|| slot.exchange(self.handler(line)));
        self.unmask_if_used(line);
        // The lock disables interrupts, and a handler that runs on another CPU may wait for it: so the old list is waited for and freed
        // after it is released.
        drop(lines);
        drop(old);
        slot.wait_idle();
    }

    /// Returns the handler of a line's slot, or `None` without a sharer.
    fn handler(&self, line: &LineState) -> Option<HandlerBox> {
        // They are in no slot, or in that of this vector.
        line.sharers.iter().for_each(|sharer| sharer.counters().set_place(&line.vector, 0));
        let (first, others) = line.sharers.split_first()?;
        Some(HandlerBox::new(List {
            first: first.clone(),
            others: others.into(),
            detector: line.detector.clone(),
            began: AtomicU32::new(0),
            longest_ticks: AtomicU32::new(0),
            machine: self.machine,
            gsi: self.gsi,
        }))
    }

    /// Masks a line without sharers, and unmasks one that has some, unless it is being moved.
    fn unmask_if_used(&self, line: &LineState) {
        if line.sharers.is_empty() {
            self.machine.controller.mask(self.gsi);
        } else if !line.is_moving {
            self.machine.controller.unmask(self.gsi);
        }
    }

    /// Moves the line, with all its sharers, to a CPU. A level that stays asserted is served there.
    pub(super) fn steer(&self, cpu: Cpu) -> Result<(), SteerError> {
        let Machine { cpus, controller, lines, .. } = self.machine;
        if self.cpu() == cpu {
            return Ok(());
        }
        let allocated = cpus.allocate(1, 1, true, Placement::Only(cpu));
        let new = allocated.map_err(|exhausted| SteerError::Vectors { cpu, exhausted })?;
        let (from, old, slot) = self.begin_move()?;
        controller.mask(self.gsi);
        // After the EOI, which names the vector of the entry: with another vector there, Remote IRR would stay set.
        let is_served = controller.drain(old);
        let is_idle = slot.wait_idle();
        let mut result = match (is_served, is_idle) {
            (true, true) => Ok(()),
            (_, false) => Err(SteerError::InHandler),
            (false, true) => Err(SteerError::NotServed { cpu: from }),
        };
        let taken_out = result.is_ok().then(|| slot.exchange(None));
        // A message that a device forged with this vector may be running the handler.
        drop(taken_out);
        slot.wait_idle();
        if result.is_ok() {
            result = controller.connect(self.gsi, new.vector(0)).map_err(SteerError::Route);
        }
        let mut lines = lines.lock();
        let line = lines.iter_mut().find(|line| line.gsi == self.gsi);
        let line = line.unwrap_or_else(|| unreachable!("a line that is held has a state"));
        let unused = if result.is_ok() { core::mem::replace(&mut line.vector, new) } else { new };
        line.is_moving = false;
        let old = line.vector.slot(0).exchange(self.handler(line));
        self.unmask_if_used(line);
        drop(lines);
        drop(old);
        drop(unused);
        result
    }

    /// Begins to move the line. Returns the CPU and the vector that it leaves, and its slot.
    fn begin_move(&self) -> Result<(Cpu, Vector, &'static VectorSlot), SteerError> {
        let mut lines = self.machine.lines.lock();
        let line = lines.iter_mut().find(|line| line.gsi == self.gsi);
        let line = line.unwrap_or_else(|| unreachable!("a line that is held has a state"));
        if core::mem::replace(&mut line.is_moving, true) {
            return Err(SteerError::Busy);
        }
        Ok((line.vector.cpu(), line.vector.vector(0), line.vector.slot(0)))
    }
}

impl Drop for LineHold {
    fn drop(&mut self) {
        let mut lines = self.machine.lines.lock();
        let Some(place) = lines.iter().position(|line| line.gsi == self.gsi) else { return };
        lines[place].refcount -= 1;
        if lines[place].refcount == 0 {
            self.machine.controller.mask(self.gsi);
            let line = lines.swap_remove(place);
            drop(lines);
            drop(line);
        }
    }
}

/// The handler in the slot of a line: its sharers. The first is kept apart, because most lines have no other.
struct List {
    first: Sharer,
    others: Box<[Sharer]>,
    detector: Arc<StormDetector>,
    began: AtomicU32,
    longest_ticks: AtomicU32,
    machine: &'static Machine,
    gsi: Gsi,
}

impl ServeInterrupt for List {
    fn serve(&self) -> Claim {
        // Kept in memory: a register preserved across the calls would cost more.
        self.began.store(ticks(), Ordering::Relaxed);
        // All handlers are called: two functions may assert the line at once, and a level that stays asserted interrupts again.
        let mut is_unclaimed = self.first.handler().serve() == Claim::NotMine;
        for sharer in &self.others {
            is_unclaimed &= sharer.handler().serve() == Claim::NotMine;
        }
        let took = ticks().wrapping_sub(self.began.load(Ordering::Relaxed));
        if took > self.longest_ticks.load(Ordering::Relaxed) {
            self.record_duration(took);
        }
        if !is_unclaimed {
            self.detector.claimed();
        } else if self.detector.unclaimed() {
            self.storm();
        }
        Claim::Mine
    }
}

impl List {
    /// Records the longest call so far, of all handlers together.
    #[cold]
    #[inline(never)]
    fn record_duration(&self, took: u32) {
        self.longest_ticks.store(took, Ordering::Relaxed);
        self.sharers().for_each(|sharer| sharer.counters().record_duration(took));
    }

    fn sharers(&self) -> impl Iterator<Item = &Sharer> {
        core::iter::once(&self.first).chain(&self.others)
    }

    #[cold]
    fn storm(&self) {
        self.machine.controller.mask(self.gsi);
        if self.detector.trip() {
            self.machine.lines.count_storm();
            self.machine.lines.waker().wake();
            log::error!(
                "GSI {}: a storm that no handler claims; the line is masked and polled. Its functions:",
                self.gsi
            );
            for counters in self.sharers().map(Sharer::counters) {
                log::error!("GSI {}: {} ({})", self.gsi, counters.function, counters.driver);
            }
        }
    }
}

impl Machine {
    /// Retries the lines that were masked by a storm: unmasks each for up to ten unclaimed interrupts, and for good once a retry
    /// brings none. Call it about ten times a second, from one task, while there [is a storm](Self::has_storm).
    pub fn retry_stormed_lines(&self) {
        let lines = self.lines.lock();
        for line in lines.iter().filter(|line| !line.sharers.is_empty() && !line.is_moving) {
            let retried = line.detector.retry();
            if retried.unmasks {
                self.controller.unmask(line.gsi);
            }
            if retried.has_recovered {
                log::info!("GSI {}: the storm is over", line.gsi);
            }
        }
    }

    /// Clears Remote IRR of the lines in use where it is stuck. The I/O APIC sets Remote IRR of a level-triggered input when it
    /// sends the interrupt, and sends no other until the EOI. A message that a device forged with the vector of a line makes the
    /// local APIC take the interrupt for edge-triggered and not broadcast its EOI (SDM vol. 3, 11.8.4). Call it periodically from
    /// a task; not from a handler.
    pub fn clear_stuck_remote_irr(&self) {
        for line in self.lines.lock().iter() {
            self.controller.clear_remote_irr(line.vector.vector(0));
        }
    }

    /// Returns whether a line was masked by a storm and has not recovered since.
    #[must_use]
    pub fn has_storm(&self) -> bool {
        self.lines.lock().iter().any(|line| line.detector.is_on_probation())
    }

    /// Waits until there is a storm. One task waits at a time; it then [retries the lines](Self::retry_stormed_lines).
    ///
    /// ```
    /// use switchboard::machine::Machine;
    /// # use core::{pin::pin, task::{Context, Waker}};
    /// # use std::sync::Arc;
    /// # use switchboard::interrupt::{Claim, InIsr, LineIsr};
    /// # use switchboard_testing::{FakeFunction, FakeMachine};
    ///
    /// async fn retry_storms(machine: &Machine, wait_100_ms: impl AsyncFn()) {
    ///     loop {
    ///         machine.storm().await;
    ///         while machine.has_storm() {
    ///             wait_100_ms().await;
    ///             machine.retry_stormed_lines();
    ///         }
    /// #       break;
    ///     }
    /// }
    /// # struct Silent;
    /// # impl LineIsr for Silent {
    /// #     fn on_line(&self, _: &InIsr<'_>) -> Claim { Claim::NotMine }
    /// # }
    /// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).pin(1, 11)]);
    /// # let machine = fake.machine();
    /// # let _line = machine.take_all().remove(0).claim()?.irq.grant_line()?.register(Arc::new(Silent)).unmask();
    /// # let mut task = pin!(retry_storms(machine, async || {}));
    /// # let mut context = Context::from_waker(Waker::noop());
    /// # assert!(task.as_mut().poll(&mut context).is_pending());
    /// # assert_eq!((0..5_000).take_while(|_| fake.assert_line(11)).count(), 1_000);
    /// # assert!(machine.has_storm() && machine.storms() == 1);
    /// # assert!(task.as_mut().poll(&mut context).is_ready());
    /// # assert!(!machine.has_storm() && fake.assert_line(11));
    /// # Ok::<(), switchboard::driver::ProbeError>(())
    /// ```
    pub async fn storm(&self) {
        poll_fn(|context| {
            self.lines.waker().register(context.waker());
            if self.has_storm() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
