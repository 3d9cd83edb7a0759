//! Requests that take too long, and controllers that have failed: abort, then reset, then quarantine.
//!
//! A command that is not done in time is aborted (5.1). If it still is not done, or the controller reports a fatal status
//! (CSTS.CFS, 9.5), the controller is reset: commands that were too late fail, all others are submitted again, so that their tasks
//! see no error. A controller that does not become ready, or needs resets without finishing a command in between, is quarantined.

use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use switchboard::driver::ProbeError;
use switchboard::platform::Clock;

use super::command::CommandStatus;
use super::create_queues::create_pair;
use super::inner::{IO_MESSAGES, Inner};
use super::request::IoQueue;
use crate::requests::RequestQueue;

/// The time for a command, and for one that is to be aborted. Linux waits 30 seconds for each.
const COMMAND_TIMEOUT_NS: u64 = 10_000_000_000;
const ABORT_TIMEOUT_NS: u64 = 5_000_000_000;
/// The resets without a command finished in between, after which a controller is quarantined.
const MAX_RESETS: u32 = 3;
/// The intervals of checks: of time limits, and of a controller in a reset.
const CHECK_INTERVAL_NS: u64 = 1_000_000_000;
const RESET_INTERVAL_NS: u64 = 10_000_000;
/// The interval at which the log page of the health is read.
const HEALTH_INTERVAL_NS: u64 = 60_000_000_000;

/// The stage of recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// None is needed.
    Working,
    /// A command is to be aborted.
    Aborting { since_ns: u64 },
    /// The controller is to stop.
    Stopping { since_ns: u64 },
    /// The controller is to become ready.
    Starting { since_ns: u64 },
    /// The controller is quarantined or gone.
    Over,
}

/// The state of recovery.
#[derive(Debug)]
pub(super) struct Recovery {
    clock: &'static dyn Clock,
    stage: Stage,
    /// Resets since a command was finished.
    resets: u32,
    next_health_ns: u64,
    /// The time of the last check, and the time that the time limits are measured with. The latter does not count the time for which
    /// there were no checks, as that of a machine that was paused: its devices did not work either.
    checked_ns: u64,
    elapsed_ns: u64,
}

impl Recovery {
    pub(super) fn new(clock: &'static dyn Clock) -> Self {
        Self { clock, stage: Stage::Working, resets: 0, next_health_ns: 0, checked_ns: clock.now_ns(), elapsed_ns: 0 }
    }

    /// Returns the present time, for the time limits.
    fn advance(&mut self) -> u64 {
        let now_ns = self.clock.now_ns();
        let step_ns = now_ns.saturating_sub(self.checked_ns).min(2 * CHECK_INTERVAL_NS);
        self.checked_ns = now_ns;
        self.elapsed_ns = self.elapsed_ns.saturating_add(step_ns);
        self.elapsed_ns
    }
}

impl Inner {
    /// Checks the time limits of all commands. Returns the time until the next check.
    pub(super) fn check_timeouts(&self) -> Option<u64> {
        if self.has_change() {
            self.handle_change();
        }
        if self.controller.presence.is_gone() || self.controller.bus.is_isolated() {
            self.abandon_all();
            return None;
        }
        let recovery = &mut *self.recovery.lock();
        let now_ns = recovery.advance();
        self.pairs().for_each(|requests| requests.with_queue(|queue| queue.now_ns = now_ns));
        // An interrupt may have been lost.
        for requests in self.pairs().filter(|requests| requests.with_queue(|queue| queue.has_used())) {
            requests.take_out(|_| Vec::new());
        }
        match recovery.stage {
            Stage::Working => self.check_working(recovery, now_ns),
            Stage::Aborting { since_ns } => match self.find_late(now_ns) {
                None => recovery.stage = Stage::Working,
                Some((queue, id)) if now_ns >= since_ns.saturating_add(ABORT_TIMEOUT_NS) => {
                    log::warn!("{}: nvme: command {id} of queue {queue} is not aborted", self.controller.address);
                    self.begin_reset(recovery, now_ns);
                }
                Some(_) => {}
            },
            Stage::Stopping { since_ns } => self.check_reset(recovery, since_ns, now_ns, false),
            Stage::Starting { since_ns } => self.check_reset(recovery, since_ns, now_ns, true),
            Stage::Over => return None,
        }
        match recovery.stage {
            Stage::Working | Stage::Aborting { .. } => Some(CHECK_INTERVAL_NS),
            Stage::Stopping { .. } | Stage::Starting { .. } => Some(RESET_INTERVAL_NS),
            Stage::Over => None,
        }
    }

    fn check_working(&self, recovery: &mut Recovery, now_ns: u64) {
        if now_ns >= recovery.next_health_ns {
            recovery.next_health_ns = now_ns.saturating_add(HEALTH_INTERVAL_NS);
            self.admin.lock().request_health();
        }
        if self.is_idle() {
            return;
        }
        if self.controller.has_failed() != Some(false) {
            return self.fail(recovery);
        }
        if let Some((queue, id)) = self.find_late(now_ns) {
            log::warn!("{}: nvme: command {id} of queue {queue} is late, and aborted", self.controller.address);
            self.admin.lock().abort(queue, id);
            recovery.stage = Stage::Aborting { since_ns: now_ns };
        }
    }

    fn is_idle(&self) -> bool {
        self.pairs().all(|requests| requests.with_queue(|queue| queue.in_flight() == 0))
    }

    /// Returns the queue and the id of a command that is late.
    fn find_late(&self, now_ns: u64) -> Option<(u16, u16)> {
        self.pairs().find_map(|requests| {
            requests.with_queue(|queue| {
                // Its tasks were woken, and collect what is done.
                if queue.has_used() {
                    return None;
                }
                let late = queue.pair.commands().find(|(_, request)| is_late(request.submitted_ns, now_ns));
                late.map(|(id, _)| (queue.pair.number(), id))
            })
        })
    }

    /// Begins a reset if the controller reports that it has failed. Returns whether it has.
    pub(super) fn recover_if_failed(&self) -> bool {
        if self.controller.has_failed() == Some(false) {
            return false;
        }
        let recovery = &mut *self.recovery.lock();
        if matches!(recovery.stage, Stage::Working | Stage::Aborting { .. }) {
            self.fail(recovery);
        }
        true
    }

    /// Begins a reset of a controller that has failed, or quarantines one that does not respond.
    fn fail(&self, recovery: &mut Recovery) {
        if self.controller.presence.confirm().is_err() {
            return self.abandon_all();
        }
        if self.controller.has_failed().is_none() {
            return self.give_up(recovery, "its registers read all ones");
        }
        log::error!("{}: nvme: the controller reports a fatal error", self.controller.address);
        let now_ns = recovery.elapsed_ns;
        self.begin_reset(recovery, now_ns);
    }

    fn begin_reset(&self, recovery: &mut Recovery, now_ns: u64) {
        let has_progress = self.pairs().any(|requests| requests.with_queue(|queue| queue.pair.has_completed()));
        recovery.resets = if has_progress { 1 } else { recovery.resets + 1 };
        if recovery.resets > MAX_RESETS {
            return self.give_up(recovery, "resets do not help");
        }
        if let Some(reason) = self.reset_obstacle() {
            return self.give_up(recovery, reason);
        }
        log::warn!("{}: nvme: the controller is reset", self.controller.address);
        self.pairs().for_each(|requests| requests.with_queue(|queue| queue.pair.stop()));
        self.admin.lock().stop();
        self.controller.begin_reset();
        recovery.stage = Stage::Stopping { since_ns: now_ns };
    }

    fn check_reset(&self, recovery: &mut Recovery, since_ns: u64, now_ns: u64, is_starting: bool) {
        let is_over = now_ns >= since_ns.saturating_add(self.controller.capabilities.timeout_ns);
        match self.controller.is_ready() {
            Some(is_ready) if is_ready == is_starting => {
                if !is_starting {
                    self.end_late_requests(now_ns);
                    let admin = &mut *self.admin.lock();
                    admin.restart();
                    self.controller.begin_start(admin.queue());
                    recovery.stage = Stage::Starting { since_ns: now_ns };
                } else if let Err(error) = self.resume() {
                    log::warn!("{}: nvme: {error}", self.controller.address);
                    self.give_up(recovery, "it does not work after a reset");
                } else {
                    recovery.stage = Stage::Working;
                }
            }
            // While it stops, a controller may still report its failure.
            Some(_) if !is_over => {}
            None if !is_over && !is_starting && self.controller.presence.confirm().is_ok() => {}
            _ => self.give_up(recovery, "its reset does not end"),
        }
    }

    /// Ends the requests that were late, which a stopped controller does not have any more.
    fn end_late_requests(&self, now_ns: u64) {
        for requests in self.pairs() {
            requests.take_out(|queue| {
                let late = queue.pair.take_if(|request| is_late(request.submitted_ns, now_ns));
                late.into_iter().map(|request| (request, CommandStatus::TIMED_OUT)).collect()
            });
        }
    }

    /// Creates the queues at a controller that was started, and submits again what was not done.
    fn resume(&self) -> Result<(), ProbeError> {
        let admin = &mut *self.admin.lock();
        let interrupts = self.interrupts.lock();
        super::create_queues::request_pairs(admin, self.pairs().count());
        for (requests, message) in self.pairs().zip(IO_MESSAGES) {
            let vector = interrupts.vector(message);
            requests.with_queue(|queue| create_pair(admin, &queue.pair, vector))?;
            requests.take_out(restart);
        }
        admin.watch_events();
        log::info!("{}: nvme: the controller works again", self.controller.address);
        Ok(())
    }

    fn give_up(&self, recovery: &mut Recovery, reason: &'static str) {
        recovery.stage = Stage::Over;
        if self.controller.presence.confirm().is_ok() {
            self.controller.quarantine(&reason);
        }
        self.abandon_all();
    }

    /// Returns why the controller must not be reset.
    fn reset_obstacle(&self) -> Option<&'static str> {
        // A reset takes the secondary controllers offline (8.5.1).
        let has_virtual_controllers = self.has_virtual_controllers.load(Ordering::Acquire);
        has_virtual_controllers.then_some("it cannot be reset while its virtual functions are in use")
    }
}

fn is_late(submitted_ns: u64, now_ns: u64) -> bool {
    now_ns >= submitted_ns.saturating_add(COMMAND_TIMEOUT_NS)
}

/// Starts queues with what was in them. Returns the requests that could not be submitted.
fn restart(queue: &mut IoQueue) -> Vec<crate::requests::Finished<IoQueue>> {
    let kept = queue.pair.restart();
    let failed = kept.into_iter().filter_map(|request| queue.submit(request).err());
    let failed: Vec<_> = failed.map(|(_, request)| (request, CommandStatus::TIMED_OUT)).collect();
    queue.kick();
    failed
}
