//! The progress of a session: what runs between two accesses, and the delivery of interrupts.

use core::sync::atomic::Ordering;
use core::time::Duration;
use std::thread;
use std::time::Instant;

use super::controller::message_address;
use super::recording::{Event, Point, Waited};
use super::session::{Conduct, IS_CPU, Session, lock};

/// The time between two looks of a recorded run at what a task waits for.
const IDLE: Duration = Duration::from_micros(100);
/// The longest time for which an access waits for the interrupts that it has caused.
const SETTLE_LIMIT: Duration = Duration::from_micros(500);

impl Session {
    /// Lets QEMU's main loop and the CPU's thread run, at a point of a driver.
    pub(super) fn pass(&self, point: Point) {
        if point != Point::Fence {
            self.send_posted(None);
        }
        if point == Point::Time && !matches!(self.conduct, Conduct::Replayed(_)) {
            self.let_time_pass();
        }
        match &self.conduct {
            Conduct::Live if point == Point::Fence => {}
            Conduct::Live => self.round_trip(),
            Conduct::Recorded(recorder) => {
                if point != Point::Fence {
                    self.command(format_args!("readb {:#x}", message_address(0)));
                }
                recorder.point(&self.dma_blocks(), point);
                if point == Point::Time {
                    // Also interrupts that are late arrive.
                    self.turn();
                }
                self.step();
            }
            Conduct::Replayed(player) => player.point(point),
        }
    }

    /// Waits for the next thing that happens to a task that was not woken.
    pub(super) fn wait(&self) -> Waited {
        match &self.conduct {
            Conduct::Live => {}
            Conduct::Recorded(_) => {
                self.pass(Point::Wait);
                self.turn();
                thread::sleep(IDLE);
            }
            Conduct::Replayed(player) => return player.wait(),
        }
        Waited::Passed
    }

    /// Lets the CPU's thread deliver what has arrived, in a recorded run.
    pub(super) fn step(&self) {
        while self.is_pending() && lock(&self.failure).is_none() {
            if !self.turn() {
                break;
            }
        }
    }

    /// Lets the CPU's thread look once. Returns whether its handlers have returned.
    pub(super) fn turn(&self) -> bool {
        if IS_CPU.get() {
            return false;
        }
        let is_done = self.turns.request();
        if !is_done {
            // A handler waits for a lock of this thread.
            self.note(Event::Resumed);
        }
        is_done
    }

    /// Lets QEMU's main loop and the CPU's thread run.
    pub(super) fn round_trip(&self) {
        self.command(format_args!("readb {:#x}", message_address(0)));
        self.settle();
    }

    /// Waits until every interrupt is delivered and no line is asserted, or until that has failed.
    pub(super) fn wait_until_quiet(&self, limit: Duration) {
        if matches!(self.conduct, Conduct::Replayed(_)) {
            return self.pass(Point::Wait);
        }
        let start = Instant::now();
        while self.is_pending() && lock(&self.failure).is_none() && start.elapsed() < limit {
            self.pass(Point::Wait);
        }
    }

    /// Returns whether an interrupt waits for its delivery.
    pub(super) fn is_pending(&self) -> bool {
        self.is_delivering.load(Ordering::SeqCst)
            || self.controller.has_raised()
            || self.levels().is_none_or(|levels| !self.controller.asserted(levels).is_empty())
            || self.controller.message_vectors().into_iter().any(|vector| self.ram.is_set(message_address(vector)))
    }

    /// Waits until the interrupts that have been caused are delivered: for a short time, since the caller may hold a
    /// lock that a handler waits for.
    pub(super) fn settle(&self) {
        if IS_CPU.get() || !self.is_pending() {
            return;
        }
        if let Some(cpu) = &*lock(&self.cpu) {
            cpu.unpark();
        }
        let start = Instant::now();
        while self.is_pending() && start.elapsed() < SETTLE_LIMIT {
            thread::yield_now();
        }
    }
}
