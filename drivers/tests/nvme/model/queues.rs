//! The queues of the controller: it takes commands when its registers are looked at, and writes completions.

use std::collections::HashMap;

use super::{CC, CSTS, Model, State};

#[derive(Clone, Copy, Default)]
pub(super) struct Queue {
    pub(super) submission: u64,
    pub(super) completion: u64,
    pub(super) entries: u64,
    pub(super) head: u64,
    pub(super) tail: u64,
    /// The position of the next completion, and whether the queue was filled an odd number of times.
    pub(super) next_completion: u64,
    pub(super) is_odd_round: bool,
    pub(super) vector: u16,
}

impl Model {
    pub(super) fn carry_out(&self) -> Vec<u16> {
        let state = &mut *self.state.lock().unwrap();
        let configuration = self.get(CC);
        let is_enabled = configuration & 1 != 0;
        if is_enabled && !state.is_enabled {
            state.starts += 1;
            (state.behaviour.is_fatal, state.event_request) = (false, None);
            state.hanging.clear();
            let word = |low, high| u64::from(self.get(low)) | u64::from(self.get(high)) << 32;
            let entries = u64::from(self.get(0x24) & 0xffff) + 1;
            let admin =
                Queue { submission: word(0x28, 0x2c), completion: word(0x30, 0x34), entries, ..Queue::default() };
            state.queues = HashMap::from([(0, admin)]);
            (0x1000..0x1018).step_by(4).for_each(|doorbell| self.set(doorbell, 0));
        }
        state.is_enabled = is_enabled;
        let is_off = state.behaviour.stays_off && state.starts > 1;
        let is_fatal = is_enabled && state.behaviour.is_fatal;
        let shutdown = if configuration >> 14 & 3 != 0 { 1 << 3 } else { 0 };
        self.set(CSTS, u32::from(is_enabled && !is_off) | u32::from(is_fatal) << 1 | shutdown);
        if !is_enabled || is_fatal || is_off {
            return Vec::new();
        }
        let mut interrupts = Vec::new();
        for number in [0, 1, 2] {
            let Some(mut queue) = state.queues.get(&number).copied() else { continue };
            queue.tail = self.get(0x1000 + 8 * u64::from(number)).into();
            state.queues.insert(number, queue);
            while let Some(queue) = state.queues.get_mut(&number)
                && queue.head != queue.tail
                && !(number > 0 && state.behaviour.is_stalled)
            {
                let command = self.fake.dma_read(queue.submission + queue.head * 64, 64).expect("memory in use");
                queue.head = (queue.head + 1) % queue.entries;
                let id = u16::from_le_bytes([command[2], command[3]]);
                if let Some((status, result)) = self.command(state, number, id, &command) {
                    let id = if number > 0 { state.behaviour.wrong_id.take().unwrap_or(id) } else { id };
                    let mut done = vec![self.complete(state, number, id, status, result)];
                    if number == 0 && command[0] == 8 && status == 0 && result == 0 {
                        // The command that was aborted ends, too: Command Abort Requested.
                        let (queue, aborted) = state.hanging.remove(0);
                        done.push(self.complete(state, queue, aborted, 7, 0));
                    }
                    done.into_iter().for_each(|vector| {
                        interrupts.extend((!interrupts.contains(&vector)).then_some(vector));
                    });
                }
            }
        }
        interrupts
    }

    /// Writes a completion. Returns the vector of its interrupt.
    pub(super) fn complete(&self, state: &mut State, number: u16, id: u16, status: u16, result: u32) -> u16 {
        let queue = state.queues.get_mut(&number).expect("it was created");
        let position = queue.next_completion;
        let mut entry = result.to_le_bytes().to_vec();
        entry.extend([0; 4]);
        entry.extend(u16::try_from(queue.head).unwrap().to_le_bytes());
        entry.extend(number.to_le_bytes());
        entry.extend(id.to_le_bytes());
        entry.extend((status << 1 | u16::from(!queue.is_odd_round)).to_le_bytes());
        self.fake.dma_write(queue.completion + position * 16, &entry).expect("memory in use");
        queue.next_completion = (position + 1) % queue.entries;
        queue.is_odd_round ^= queue.next_completion == 0;
        queue.vector
    }
}
