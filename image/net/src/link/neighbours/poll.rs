//! What is due: requests, the packets of neighbours that have answered, and those of neighbours that have not.

use smoltcp::time::Instant;

use super::neighbour::State;
use super::{MAX_PROBES, MAX_REQUESTS, NEVER, NeighbourTable, Output, REQUEST_INTERVAL, Request};
use crate::mac::Mac;

impl NeighbourTable {
    /// Sends the requests that are due and the packets whose neighbours are known.
    pub(in crate::link) fn poll(&mut self, now: Instant, output: &mut dyn Output) {
        if now < self.deadline {
            return;
        }
        self.deadline = NEVER;
        let mut index = 0;
        while let Some(slot) = self.active.get(index).copied() {
            if !output.has_room() {
                // The card wakes the task when there is room.
                self.deadline = now;
                return;
            }
            self.advance(slot, now, output);
            let neighbour = self.table.get(slot);
            let deadline = neighbour.deadline();
            if deadline == NEVER {
                neighbour.is_active = false;
                self.active.swap_remove(index);
            } else {
                self.deadline = self.deadline.min(deadline);
                index += 1;
            }
        }
    }

    fn advance(&mut self, slot: u16, now: Instant, output: &mut dyn Output) {
        let neighbour = self.table.get(slot);
        match neighbour.state {
            State::Incomplete if neighbour.request_at <= now => {
                if neighbour.requests >= MAX_REQUESTS {
                    neighbour.enter(State::Failed);
                    self.drop_queue(slot, output);
                    return;
                }
                neighbour.requests += 1;
                neighbour.request_at = now + REQUEST_INTERVAL;
                output.request(Request { target: neighbour.address, destination: Mac::BROADCAST });
            }
            State::Probing if neighbour.request_at <= now => {
                if neighbour.requests >= MAX_PROBES {
                    neighbour.enter(State::Incomplete);
                    neighbour.requests = 1;
                    neighbour.request_at = now + REQUEST_INTERVAL;
                    output.request(Request { target: neighbour.address, destination: Mac::BROADCAST });
                    return;
                }
                neighbour.requests += 1;
                neighbour.request_at = now + REQUEST_INTERVAL;
                output.request(Request { target: neighbour.address, destination: neighbour.mac });
            }
            State::Reachable | State::Delay => self.send_queue(slot, output),
            _ => {}
        }
    }

    fn send_queue(&mut self, slot: u16, output: &mut dyn Output) {
        while output.has_room() {
            let neighbour = self.table.get(slot);
            let Some(packet) = neighbour.queue.pop_front() else {
                // The memory of a queue is needed only while something waits.
                neighbour.queue = alloc::collections::VecDeque::new();
                return;
            };
            let mac = neighbour.mac;
            self.queued_packets -= 1;
            self.queued_bytes -= packet.len();
            output.packet(&packet, mac);
        }
    }

    fn drop_queue(&mut self, slot: u16, output: &mut dyn Output) {
        for packet in core::mem::take(&mut self.table.get(slot).queue) {
            self.queued_packets -= 1;
            self.queued_bytes -= packet.len();
            output.unreachable(&packet);
        }
    }
}
