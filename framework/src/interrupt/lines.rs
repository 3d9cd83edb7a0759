//! The lines of the machine: one vector a line, any number of sharers.
//!
//! The sharers of a line are an immutable list in the vector's slot. Joining or leaving puts a new list into
//! the slot, which waits until nobody runs the old one: handlers come and go while the line fires, and the
//! path of an interrupt takes no lock.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::task::Poll;

use super::error::GrantError;
use crate::machine::Machine;
use crate::platform::{Gsi, Vector};
use crate::sync::primitives::{AtomicU32, Ordering};
use crate::sync::ticks;
use crate::vector::{Claim, HandlerBox, LineState, ServeInterrupt, Sharer, StormDetector};

/// The right to put a handler on a line; the line keeps its vector while there is one.
pub(super) struct LineHold {
    machine: &'static Machine,
    gsi: Gsi,
    vector: Option<Vector>,
}

impl LineHold {
    pub(super) fn new(machine: &'static Machine, gsi: Gsi) -> Result<Self, GrantError> {
        let mut lines = machine.lines.lock();
        if let Some(line) = lines.iter_mut().find(|line| line.gsi == gsi) {
            line.holds += 1;
            return Ok(Self { machine, gsi, vector: line.vector.vector(0) });
        }
        let block = machine.vectors.allocate(1, 1, true)?;
        let vector = block.vector(0);
        if let Some(vector) = vector {
            machine.controller.connect(gsi, vector)?;
        }
        let detector = Arc::new(StormDetector::default());
        lines.push(LineState { gsi, holds: 1, sharers: Vec::new(), detector, vector: block });
        Ok(Self { machine, gsi, vector })
    }

    pub(super) fn gsi(&self) -> Gsi {
        self.gsi
    }

    pub(super) fn vector(&self) -> Option<Vector> {
        self.vector
    }

    /// Adds a sharer, and opens the line: also one that the detector had masked, since the newcomer may be the one
    /// who claims it.
    pub(super) fn join(&self, sharer: Sharer) {
        self.change(|sharers| sharers.push(sharer));
        self.machine.controller.unmask(self.gsi);
    }

    /// Removes a sharer, whose handler is not running afterwards. A line without sharers is masked; one with
    /// sharers is opened: the detector may have masked it, for what has left.
    pub(super) fn leave(&self, sharer: &Sharer) {
        let last = self.change(|sharers| sharers.retain(|other| !other.is(sharer)));
        if last {
            self.machine.controller.mask(self.gsi);
        } else {
            self.machine.controller.unmask(self.gsi);
        }
    }

    /// Changes the list; says whether it is empty now.
    fn change(&self, change: impl FnOnce(&mut Vec<Sharer>)) -> bool {
        let mut lines = self.machine.lines.lock();
        let Some(line) = lines.iter_mut().find(|line| line.gsi == self.gsi) else { return true };
        change(&mut line.sharers);
        line.detector.reset();
        let list = line.sharers.split_first().map(|(first, others)| List {
            first: first.clone(),
            others: others.into(),
            detector: line.detector.clone(),
            began: AtomicU32::new(0),
            longest_ticks: AtomicU32::new(0),
            machine: self.machine,
            gsi: self.gsi,
        });
        let last = list.is_none();
        let old = line.vector.replace(0, list.map(HandlerBox::new));
        // What the old list owned is freed with interrupts as they were.
        drop(lines);
        drop(old);
        last
    }
}

impl Drop for LineHold {
    fn drop(&mut self) {
        let mut lines = self.machine.lines.lock();
        let Some(place) = lines.iter().position(|line| line.gsi == self.gsi) else { return };
        lines[place].holds -= 1;
        if lines[place].holds == 0 {
            self.machine.controller.mask(self.gsi);
            let line = lines.swap_remove(place);
            drop(lines);
            drop(line);
        }
    }
}

/// What the slot of a line serves. The first sharer is apart: most lines have no other.
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
        // In memory: a register kept across the calls would cost more.
        self.began.store(ticks(), Ordering::Relaxed);
        // All are asked: two functions may pull the wire at once, and a level that stays asserted comes again anyway.
        let mut nobody = self.first.handler().serve() == Claim::NotMine;
        for sharer in &self.others {
            nobody &= sharer.handler().serve() == Claim::NotMine;
        }
        let took = ticks().wrapping_sub(self.began.load(Ordering::Relaxed));
        if took > self.longest_ticks.load(Ordering::Relaxed) {
            self.note(took);
        }
        if !nobody {
            self.detector.claimed();
        } else if self.detector.unclaimed() {
            self.storm();
        }
        Claim::Mine
    }
}

impl List {
    /// The longest call so far, of all handlers together.
    #[cold]
    #[inline(never)]
    fn note(&self, took: u32) {
        self.longest_ticks.store(took, Ordering::Relaxed);
        self.sharers().for_each(|sharer| sharer.counters().note(took));
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
            for row in self.sharers().map(Sharer::counters) {
                log::error!("GSI {}: {} ({})", self.gsi, row.function, row.driver);
            }
        }
    }
}

impl Machine {
    /// Looks after lines that were masked because nobody claimed them: opens each for a few interrupts, and for
    /// good once it behaves. To be called some ten times a second while there [is a storm](Self::has_storm), by
    /// whoever keeps time.
    pub fn retry_stormed_lines(&self) {
        let lines = self.lines.lock();
        for line in lines.iter().filter(|line| !line.sharers.is_empty()) {
            let retried = line.detector.retry();
            if retried.opens {
                self.controller.unmask(line.gsi);
            }
            if retried.behaves {
                log::info!("GSI {}: behaves again", line.gsi);
            }
        }
    }

    /// Brings lines back whose I/O APIC waits for an end that was not told: a message that a device forged with a line's
    /// vector does that. To be called now and then by whoever keeps time; not from a handler.
    pub fn clear_stuck_remote_irr(&self) {
        for line in self.lines.lock().iter() {
            if let Some(vector) = line.vector.vector(0) {
                self.controller.clear_remote_irr(vector);
            }
        }
    }

    /// Whether a line was masked because nobody claimed it, and has not behaved since.
    #[must_use]
    pub fn has_storm(&self) -> bool {
        self.lines.lock().iter().any(|line| line.detector.is_on_trial())
    }

    /// Waits until there is a storm. For one task, which then [retries the lines](Self::retry_stormed_lines).
    pub async fn storm(&self) {
        poll_fn(|context| {
            self.lines.waker().register(context.waker());
            if self.has_storm() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
