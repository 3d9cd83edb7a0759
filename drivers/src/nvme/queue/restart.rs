//! Queues across a reset of the controller: stopped, and started anew with the commands that are not done.

use alloc::vec::Vec;

use super::{QueueError, QueuePair, QueueState};

impl<R> QueuePair<R> {
    /// Stops the queues: commands are kept, and nothing is submitted. The controller may still write completions, which are not
    /// read any more.
    pub(in crate::nvme) fn stop(&mut self) {
        if self.state == QueueState::Running {
            self.state = QueueState::Stopped;
            // Doorbells of a controller that is off are not written.
            (self.rung_tail, self.rung_head) = (self.tail, self.head);
        }
    }

    /// Keeps a command of stopped queues for the start.
    pub(in crate::nvme) fn keep(&mut self, id: u16, request: R) -> Result<(), (QueueError, R)> {
        let entries = self.entries;
        match self.in_flight.get_mut(usize::from(id)) {
            Some(free @ None) if self.count + 1 < entries => *free = Some(request),
            _ => return Err((QueueError::Full { entries }, request)),
        }
        self.count += 1;
        Ok(())
    }

    /// Starts stopped queues, which are empty then, and returns the commands that were in them. The controller does not use the
    /// queues yet: it has been off since [`stop`](Self::stop).
    pub(in crate::nvme) fn restart(&mut self) -> Vec<R> {
        if self.state != QueueState::Stopped {
            return Vec::new();
        }
        // Without an old phase tag that reads as new.
        (0..usize::from(self.entries)).for_each(|index| self.completions.write(index, [0; 4]));
        (self.tail, self.rung_tail, self.head, self.rung_head, self.phase) = (0, 0, 0, 0, true);
        (self.state, self.count) = (QueueState::Running, 0);
        self.positions.publish(0, true, 0);
        self.in_flight.iter_mut().filter_map(Option::take).collect()
    }

    /// Takes commands that the controller does not have any more out of stopped queues.
    pub(in crate::nvme) fn take_if(&mut self, is_wanted: impl Fn(&R) -> bool) -> Vec<R> {
        let wanted = self.in_flight.iter_mut().filter_map(|entry| entry.take_if(|request| is_wanted(request)));
        let taken: Vec<R> = wanted.collect();
        self.count -= u16::try_from(taken.len()).unwrap_or(self.count);
        taken
    }

    /// Returns the commands that are not done, with their ids.
    pub(in crate::nvme) fn commands(&self) -> impl Iterator<Item = (u16, &R)> {
        (0..self.entries).zip(&self.in_flight).filter_map(|(id, entry)| Some((id, entry.as_ref()?)))
    }

    /// Returns whether the controller has finished a command since the start.
    pub(in crate::nvme) fn has_completed(&self) -> bool {
        self.head != 0 || !self.phase
    }

    /// Returns the error of a command for queues that do not run.
    #[cold]
    pub(super) fn stopped(&self) -> QueueError {
        if self.state == QueueState::Dead { QueueError::Dead } else { QueueError::Stopped }
    }
}
