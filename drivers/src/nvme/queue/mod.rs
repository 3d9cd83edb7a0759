//! A pair of queues: commands to the controller, completions from it (NVM Express Base Specification 1.4, 4.1).

mod restart;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use switchboard::dma::{BusAddress, DmaPort, DmaShared};
use switchboard::driver::ProbeError;
use switchboard::mmio::{Bar, BarWindows};

use crate::nvme::command::{COMMAND_BYTES, CommandStatus, Completion, DataPointer, Operation};
use crate::nvme::registers::{DOORBELLS, Doorbell, INDEX};
use crate::nvme::watch::{Positions, QueueWatch};

use crate::planted::planted;

/// What a controller did that its specification excludes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QueueError {
    /// All entries are in use.
    #[error("the queue of {entries} entries is full")]
    Full { entries: u16 },
    /// The controller finished a command that it does not have.
    #[error("the controller finished command {id} of queue {queue}, which it does not have")]
    UnknownCommand { id: u16, queue: u16 },
    /// The controller reports a position outside the queue.
    #[error("the controller reports position {head} in a queue of {entries} entries")]
    Head { head: u16, entries: u16 },
    /// The controller is being reset.
    #[error("the queue is stopped")]
    Stopped,
    /// The controller violated its specification before, or the queue was abandoned.
    #[error("the queue is dead")]
    Dead,
}

/// The state of a pair of queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum QueueState {
    Running,
    /// The controller does not use the queues. Commands are kept.
    Stopped,
    Dead,
}

/// The pair of queues with one number. Keeps a value of type `R` for each command that the controller has.
pub(in crate::nvme) struct QueuePair<R> {
    number: u16,
    entries: u16,
    commands: DmaShared<[u64; COMMAND_BYTES / 8]>,
    completions: DmaShared<[u32; 4]>,
    /// By command id. As many as there are entries.
    in_flight: Box<[Option<R>]>,
    count: u16,
    tail: u16,
    rung_tail: u16,
    head: u16,
    rung_head: u16,
    /// The phase tag of new completions.
    phase: bool,
    state: QueueState,
    submission_doorbell: Bar<Doorbell>,
    completion_doorbell: Bar<Doorbell>,
    kicks: u64,
    positions: Arc<Positions>,
}

impl<R> QueuePair<R> {
    /// Allocates the queues. The controller gets their addresses from [`addresses`](Self::addresses).
    pub(in crate::nvme) fn new(
        windows: &BarWindows,
        dma: &DmaPort,
        number: u16,
        entries: u16,
        doorbell_stride: u64,
    ) -> Result<Self, ProbeError> {
        const FULL: ProbeError = ProbeError::Device("the queues do not fit into their memory");
        let count = usize::from(entries);
        let commands = dma.region(count * COMMAND_BYTES)?.carve(count, 4096).ok_or(FULL)?;
        let completions = dma.region(count * 16)?.carve(count, 4096).ok_or(FULL)?;
        let doorbell = |index: u64| windows.map(DOORBELLS + (2 * u64::from(number) + index) * doorbell_stride, 4);
        let (submission_doorbell, completion_doorbell) = (doorbell(0)?, doorbell(1)?);
        let in_flight = (0..count).map(|_| None).collect::<Vec<_>>().into_boxed_slice();
        Ok(Self {
            number,
            entries,
            commands,
            completions,
            in_flight,
            count: 0,
            tail: 0,
            rung_tail: 0,
            head: 0,
            rung_head: 0,
            phase: true,
            state: QueueState::Running,
            submission_doorbell,
            completion_doorbell,
            kicks: 0,
            positions: Arc::default(),
        })
    }

    /// Returns the number of the pair.
    pub(in crate::nvme) fn number(&self) -> u16 {
        self.number
    }

    /// Returns the number of entries of each queue.
    pub(in crate::nvme) fn entries(&self) -> u16 {
        self.entries
    }

    /// Returns the addresses of the submission and of the completion queue.
    pub(in crate::nvme) fn addresses(&self) -> (BusAddress, BusAddress) {
        (self.commands.bus(), self.completions.bus())
    }

    /// Returns a view of the queues, for the context of the interrupt handler.
    pub(in crate::nvme) fn watch(&self) -> QueueWatch {
        self.positions.publish(self.head, self.phase, self.count);
        QueueWatch::new(self.completions.reader(), self.positions.clone())
    }

    /// Adds a command with an id that is not in use, below the number of entries.
    #[inline]
    pub(in crate::nvme) fn submit<D: DataPointer>(
        &mut self,
        id: u16,
        operation: Operation,
        data: D,
        request: R,
    ) -> Result<(), (QueueError, R)> {
        if self.state != QueueState::Running {
            return Err((self.stopped(), request));
        }
        let entries = self.entries;
        // One entry stays unused, so that a full queue differs from an empty one (4.1.2).
        match self.in_flight.get_mut(usize::from(id)) {
            Some(free @ None) if self.count + 1 < entries => *free = Some(request),
            _ => return Err((QueueError::Full { entries }, request)),
        }
        self.commands.write_as(self.tail.into(), data.entry(id, operation));
        let last = planted!(entries, "nvme-ring-one-short" => entries - 1);
        self.tail = if self.tail + 1 == last { 0 } else { self.tail + 1 };
        self.count += 1;
        Ok(())
    }

    /// Returns whether [`complete`](Self::complete) returns a completion or an error.
    #[inline]
    pub(in crate::nvme) fn has_completion(&self) -> bool {
        match self.state {
            QueueState::Running => self.read_head().phase() == self.phase,
            QueueState::Stopped => false,
            QueueState::Dead => true,
        }
    }

    #[inline]
    fn read_head(&self) -> Completion {
        self.completions.read_as(self.head.into())
    }

    /// Takes the next completion: the id of the command, its status and its result.
    pub(in crate::nvme) fn complete_with_id(&mut self) -> Result<Option<(u16, CommandStatus, u32)>, QueueError> {
        Ok(self.take()?.map(|(_, completion)| (completion.id, completion.status(), completion.result)))
    }

    /// Takes the next completion: what was submitted with the command, and its status.
    #[inline]
    pub(in crate::nvme) fn complete(&mut self) -> Result<Option<(R, CommandStatus)>, QueueError> {
        Ok(self.take()?.map(|(request, completion)| (request, completion.status())))
    }

    #[inline]
    fn take(&mut self) -> Result<Option<(R, Completion)>, QueueError> {
        if self.state != QueueState::Running {
            return if self.state == QueueState::Dead { Err(QueueError::Dead) } else { Ok(None) };
        }
        if self.read_head().phase() != self.phase {
            return Ok(None);
        }
        // Read again: the first read may have found the new phase tag beside an old half of the entry.
        let completion = self.read_head();
        let (id, head, entries) = (completion.id, completion.submission_head, self.entries);
        let is_ours = completion.submission_queue == self.number;
        let Some(request) = self.in_flight.get_mut(usize::from(id)).filter(|_| is_ours).and_then(Option::take) else {
            self.state = QueueState::Dead;
            return Err(QueueError::UnknownCommand { id, queue: completion.submission_queue });
        };
        if head >= entries {
            self.state = QueueState::Dead;
            return Err(QueueError::Head { head, entries });
        }
        self.count -= 1;
        self.head = if self.head + 1 == entries { 0 } else { self.head + 1 };
        self.phase ^= self.head == 0;
        if self.unreported() >= entries / 4 {
            self.report_head();
        }
        if self.count == 0 {
            // The driver may ring no doorbell for long.
            self.positions.publish(self.head, self.phase, 0);
        }
        Ok(Some((request, completion)))
    }

    /// Returns the number of completions taken since the controller was last informed.
    fn unreported(&self) -> u16 {
        if self.head >= self.rung_head { self.head - self.rung_head } else { self.entries - self.rung_head + self.head }
    }

    /// Informs the controller of the completions that were taken: it may reuse their entries.
    pub(in crate::nvme) fn report_head(&mut self) {
        if self.head != self.rung_head {
            self.completion_doorbell.write(&INDEX, self.head.into());
            self.rung_head = self.head;
            self.positions.publish(self.head, self.phase, self.count);
        }
    }

    /// Informs the controller of the commands that were submitted.
    pub(in crate::nvme) fn kick(&mut self) {
        if self.unkicked() > 0 {
            self.submission_doorbell.write(&INDEX, self.tail.into());
            self.rung_tail = self.tail;
            self.kicks += 1;
            self.positions.publish(self.head, self.phase, self.count);
        }
    }

    /// Returns the number of commands submitted since the last [`kick`](Self::kick).
    #[inline]
    pub(in crate::nvme) fn unkicked(&self) -> u16 {
        if self.tail >= self.rung_tail { self.tail - self.rung_tail } else { self.entries - self.rung_tail + self.tail }
    }

    /// Returns the number of kicks that were needed.
    pub(in crate::nvme) fn kicks(&self) -> u64 {
        self.kicks
    }

    /// Returns the number of commands that the controller has, or that are kept for it.
    pub(in crate::nvme) fn in_flight(&self) -> u16 {
        self.count
    }

    /// Declares the queue dead.
    pub(in crate::nvme) fn abandon(&mut self) {
        self.state = QueueState::Dead;
    }
}

impl<R> fmt::Debug for QueuePair<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, entries, count, .. } = self;
        f.debug_struct("QueuePair")
            .field("number", number)
            .field("entries", entries)
            .field("in_flight", count)
            .finish_non_exhaustive()
    }
}
