//! The commands of a port: which wait, which the device has, which have ended (AHCI 1.3.1, 5.3 and 5.5).
//!
//! Queued commands (NCQ) and others are never in flight together, and of the others there is one at a time, so that an error is its
//! own. A command that may not start yet waits, and so do those behind it: a flush comes after the writes before it.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::Ordering;

use super::port::{CommandError, MAX_SLOTS, Port};
use super::registers::{PXCI, PXSACT, PortInterrupts, TaskFile};
use super::request::Request;
use crate::requests::{Indexed, RequestQueue};

/// What a device did that its specification excludes, or the end of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QueueError {
    /// The device has commands that were not submitted.
    #[error("the device has commands {slots:#x}, of which it was given {issued:#x}")]
    UnknownCommand { slots: u32, issued: u32 },
    /// The device or its port is not usable any more.
    #[error("the queue is dead")]
    Dead,
}

/// The commands of a port.
pub(crate) struct PortQueue {
    // The first field, so that the port is stopped before the memory of the requests is freed.
    pub(super) port: Port,
    /// The device queues commands.
    pub(super) has_ncq: bool,
    pub(super) has_log: bool,
    pub(super) waiting: VecDeque<Box<Request>>,
    unkicked: u16,
    /// By slot.
    pub(super) in_flight: [Option<Box<Request>>; MAX_SLOTS],
    /// The slots in flight, and those of them that were seen to be done.
    pub(super) issued: u32,
    pub(super) done: u32,
    /// The commands in flight are queued ones.
    pub(super) is_queued: bool,
    /// Requests that have ended in another way than by their slot.
    pub(super) ended: Vec<(Box<Request>, Result<(), CommandError>)>,
    /// The number of requests submitted and not returned.
    count: u16,
    /// [`PortShared::done_count`](super::interrupt::PortShared) at the last look.
    seen_done: u32,
    is_masked: bool,
    pub(super) is_dead: bool,
    /// Resets and restarts since the last command that has ended.
    pub(super) restarts: u8,
    kicks: u64,
}

impl PortQueue {
    /// A queue on a port that processes commands.
    pub(super) fn new(port: Port, has_ncq: bool, has_log: bool) -> Self {
        let this = Self {
            has_ncq,
            has_log,
            waiting: VecDeque::with_capacity(MAX_SLOTS),
            unkicked: 0,
            in_flight: [const { None }; MAX_SLOTS],
            issued: 0,
            done: 0,
            is_queued: false,
            ended: Vec::with_capacity(MAX_SLOTS),
            count: 0,
            seen_done: port.shared.done_count.load(Ordering::Acquire),
            is_masked: false,
            is_dead: false,
            restarts: 0,
            kicks: 0,
            port,
        };
        this.enable_interrupts();
        this
    }

    pub(super) fn kicks(&self) -> u64 {
        self.kicks
    }

    /// Enables the interrupts that are wanted now.
    pub(super) fn enable_interrupts(&self) {
        let done = if self.is_masked { PortInterrupts::empty() } else { PortInterrupts::DONE };
        self.port.enable(PortInterrupts::PLUG | PortInterrupts::ERROR | done);
    }

    fn may_be_queued(&self, request: &Request) -> bool {
        self.has_ncq && request.command.is_queueable() && !request.is_alone
    }

    /// Gives the device the commands that may start.
    pub(super) fn issue(&mut self) {
        let mut new = 0;
        while let Some(request) = self.waiting.front() {
            let is_queued = self.may_be_queued(request);
            if self.is_dead || self.issued | new != 0 && !(is_queued && self.is_queued) {
                break;
            }
            let Some(request) = self.waiting.pop_front() else { break };
            let slot = request.index() % MAX_SLOTS;
            let tag = u8::try_from(slot).ok().filter(|_| is_queued);
            self.port.prepare(slot, request.command, tag, request.region());
            self.in_flight[slot] = Some(request);
            self.is_queued = is_queued;
            new |= 1 << slot;
        }
        if new == 0 {
            return;
        }
        self.issued |= new;
        self.kicks += 1;
        if self.is_queued {
            // Before the command is issued (5.5.1).
            self.port.registers.write(&PXSACT, new);
        }
        self.port.registers.write(&PXCI, new);
    }

    /// Returns the commands that the device has not finished.
    pub(super) fn active(&self) -> u32 {
        self.port.registers.read(if self.is_queued { &PXSACT } else { &PXCI })
    }

    fn done_count(&self) -> u32 {
        self.port.shared.done_count.load(Ordering::Acquire)
    }

    /// Reads which commands are done: after an interrupt, and at any time while there are none, or where `is_sure`.
    pub(super) fn look(&mut self, is_sure: bool) -> Result<(), QueueError> {
        let count = self.done_count();
        if self.issued == 0 || !is_sure && !self.is_masked && count == self.seen_done {
            return Ok(());
        }
        self.seen_done = count;
        let (slots, issued) = (self.active(), self.issued);
        if slots & !issued != 0 {
            self.is_dead = true;
            return Err(QueueError::UnknownCommand { slots, issued });
        }
        self.done = issued & !slots;
        Ok(())
    }

    /// Takes a request out of its slot.
    pub(super) fn take(&mut self, slot: usize) -> Option<Box<Request>> {
        (self.issued, self.done) = (self.issued & !(1 << slot), self.done & !(1 << slot));
        let mut request = self.in_flight[slot].take()?;
        request.age = 0;
        Some(request)
    }

    /// Returns the outcome of a command that was alone, and is done.
    fn outcome(&mut self, slot: usize, request: &Request) -> Result<(), CommandError> {
        let task_file = self.port.task_file();
        if TaskFile::from_bits_retain(task_file).intersects(TaskFile::ERROR | TaskFile::DEVICE_FAULT) {
            self.restart(false);
            return Err(CommandError::of(task_file));
        }
        // With fewer bytes, the buffer has data of an earlier request.
        let is_short = !request.command.is_write() && (self.port.transferred(slot) as usize) < request.length();
        if is_short { Err(CommandError::Short) } else { Ok(()) }
    }
}

impl RequestQueue for PortQueue {
    type Request = Request;
    type Report = Result<(), CommandError>;
    type Error = QueueError;

    fn submit(&mut self, request: Box<Request>) -> Result<(), (QueueError, Box<Request>)> {
        if self.is_dead {
            return Err((QueueError::Dead, request));
        }
        self.waiting.push_back(request);
        (self.unkicked, self.count) = (self.unkicked + 1, self.count + 1);
        Ok(())
    }

    fn complete(&mut self) -> Result<Option<(Box<Request>, Self::Report)>, QueueError> {
        if let Some(ended) = self.ended.pop() {
            self.count -= 1;
            return Ok(Some(ended));
        }
        if self.is_dead {
            return Err(QueueError::Dead);
        }
        if self.done == 0 {
            self.look(false)?;
        }
        let slot = self.done.trailing_zeros() as usize;
        if slot >= MAX_SLOTS {
            return Ok(None);
        }
        let is_queued = self.is_queued;
        let Some(request) = self.take(slot) else { return Ok(None) };
        let outcome = if is_queued { Ok(()) } else { self.outcome(slot, &request) };
        (self.count, self.restarts) = (self.count - 1, 0);
        if self.issued == 0 && !self.waiting.is_empty() {
            self.issue();
        }
        Ok(Some((request, outcome)))
    }

    #[inline]
    fn has_used(&self) -> bool {
        if self.is_dead || self.done != 0 || !self.ended.is_empty() {
            return true;
        }
        let may_be_done = self.issued != 0 && (self.is_masked || self.done_count() != self.seen_done);
        may_be_done && self.active() & self.issued != self.issued
    }

    fn kick(&mut self) {
        self.unkicked = 0;
        self.issue();
    }

    #[inline]
    fn unkicked(&self) -> u16 {
        self.unkicked
    }

    #[inline]
    fn in_flight(&self) -> u16 {
        self.count
    }

    /// Interrupts stay enabled while there is no polling: the next one may have been sent already, and wakes the collector.
    fn enable_notifications(&mut self) -> bool {
        if self.is_masked {
            self.is_masked = false;
            self.enable_interrupts();
        }
        self.has_used()
    }

    fn disable_notifications(&mut self) {
        if !self.is_masked {
            self.is_masked = true;
            self.enable_interrupts();
        }
    }

    fn abandon(&mut self) {
        self.is_dead = true;
    }
}

impl fmt::Debug for PortQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortQueue").field("port", &self.port).field("in_flight", &self.count).finish_non_exhaustive()
    }
}
