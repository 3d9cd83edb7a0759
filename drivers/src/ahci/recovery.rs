//! Recovery of a port after errors and timeouts (AHCI 1.3.1, 6.2): each request ends with its own error, others are submitted again.

use super::command::{Command, READ_LOG_EXT};
use super::port::{CommandError, MAX_SLOTS};
use super::queue::PortQueue;
use super::registers::{PortInterrupts, TaskFile};
use crate::requests::RequestQueue;

/// The log of the queued command that failed (ACS-3, annex A).
const NCQ_ERROR_LOG: u64 = 0x10;
/// How often a request is submitted again.
const MAX_RETRIES: u8 = 3;
/// Restarts without a command that ends, after which the disk is quarantined.
const MAX_RESTARTS: u8 = 4;
/// The checks of the time limit, one a second, after which a request has taken too long. Disks may take 30 seconds for a flush.
const MAX_AGE: u8 = 30;
/// The interval of these checks.
pub(super) const CHECK_INTERVAL_NS: u64 = 1_000_000_000;

fn slots(bits: u32) -> impl Iterator<Item = usize> {
    (0..MAX_SLOTS).filter(move |slot| bits >> slot & 1 != 0)
}

impl PortQueue {
    /// Stops processing commands, and begins again; `is_reset` resets the device. A disk that does not follow is quarantined.
    pub(super) fn restart(&mut self, is_reset: bool) {
        self.restarts = self.restarts.saturating_add(1);
        let busy = TaskFile::BUSY | TaskFile::DATA_REQUEST;
        let is_stopped = self.port.stop_commands();
        let is_busy = TaskFile::from_bits_retain(self.port.task_file()).intersects(busy);
        let is_ready = is_stopped && (!(is_busy || is_reset) || self.port.reset_device());
        if !is_ready || self.restarts > MAX_RESTARTS {
            self.is_dead = true;
            self.port.quarantine(if is_ready { &"it has no end of errors" } else { &"it does not recover" });
            return;
        }
        self.port.start_commands();
    }

    /// Ends a request with an error.
    fn fail(&mut self, slot: usize, error: CommandError) {
        if let Some(request) = self.take(slot) {
            self.restarts = 0;
            self.ended.push((request, Err(error)));
        }
    }

    /// Submits a request again, before those that wait.
    fn retry(&mut self, slot: usize, is_alone: bool) {
        let Some(mut request) = self.take(slot) else { return };
        request.retries += 1;
        request.is_alone |= is_alone;
        if request.retries > MAX_RETRIES {
            self.ended.push((request, Err(CommandError::Interrupted)));
        } else {
            self.waiting.push_front(request);
        }
    }

    /// Recovers from an error that the port reports.
    pub(super) fn recover(&mut self) {
        if self.is_dead {
            return;
        }
        let (active, task_file) = (self.active() & self.issued, self.port.task_file());
        let has_device_error = TaskFile::from_bits_retain(task_file).contains(TaskFile::ERROR);
        for slot in slots(self.issued & !active) {
            self.end(slot, has_device_error && !self.is_queued, task_file);
        }
        self.restart(false);
        if self.is_queued && active != 0 && has_device_error {
            self.recover_queued();
        } else if has_device_error {
            slots(self.issued).for_each(|slot| self.fail(slot, CommandError::of(task_file)));
        }
        // An error of the link, or requests that are not to blame.
        slots(self.issued).for_each(|slot| self.retry(slot, false));
        self.enable_interrupts();
        self.issue();
    }

    /// Ends a request whose slot is free.
    fn end(&mut self, slot: usize, has_failed: bool, task_file: u32) {
        let outcome = if has_failed { Err(CommandError::of(task_file)) } else { Ok(()) };
        if let Some(request) = self.take(slot) {
            self.ended.push((request, outcome));
        }
    }

    /// Finds which of the queued commands has failed, by the log, or else by submitting each one alone.
    fn recover_queued(&mut self) {
        if self.is_dead {
            return;
        }
        let log = Command::Other { opcode: READ_LOG_EXT, features: 0, block: NCQ_ERROR_LOG, count: 1, is_write: false };
        self.port.enable(PortInterrupts::empty());
        let page = if self.has_log { self.port.execute(log, 512).ok() } else { None };
        // NQ: the error is that of another command.
        match page.filter(|page| page[0] & 0x80 == 0 && self.issued >> (page[0] & 31) & 1 != 0) {
            Some(page) => {
                let error = CommandError::Device { status: page[2], error: page[3] };
                self.fail(usize::from(page[0] & 31), error);
            }
            None => {
                // Until the log is read or it is reset, the device refuses commands.
                self.restart(true);
                slots(self.issued).for_each(|slot| self.retry(slot, true));
            }
        }
    }

    /// Looks for requests that take too long, and resets the device for them. Returns whether the collector has anything to do.
    pub(super) fn check_ages(&mut self) -> bool {
        let mut late = 0;
        for (slot, request) in self.in_flight.iter_mut().enumerate() {
            if let Some(request) = request {
                request.age += 1;
                late |= u32::from(request.age > MAX_AGE) << slot;
            }
        }
        // Also those for which an interrupt was lost.
        if self.is_dead || self.look(true).is_err() || self.done != 0 {
            return true;
        }
        if late == 0 {
            return self.has_used();
        }
        self.restart(true);
        slots(late).for_each(|slot| {
            let restarts = self.restarts;
            self.fail(slot, CommandError::TimedOut);
            // The end of such a request is no sign of life.
            self.restarts = restarts;
        });
        slots(self.issued).for_each(|slot| self.retry(slot, false));
        self.enable_interrupts();
        self.issue();
        true
    }
}
