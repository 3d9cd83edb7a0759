//! The commands of the controller (NVM Express Base Specification 2.0, 5; NVM Command Set 1.0, 3.2).

use super::{Behaviour, Model, State};

/// An entry of a submission queue.
struct Command<'a>(&'a [u8]);

impl Command<'_> {
    fn opcode(&self) -> u8 {
        self.0[0]
    }

    fn dword(&self, index: usize) -> u32 {
        u32::from_le_bytes(self.0[index * 4..][..4].try_into().unwrap())
    }

    /// Returns the two data pointers.
    fn pages(&self) -> (u64, u64) {
        let address = |index: usize| u64::from(self.dword(index)) | u64::from(self.dword(index + 1)) << 32;
        (address(6), address(8))
    }

    /// Returns the number of the first block of an I/O command.
    fn block(&self) -> u64 {
        u64::from(self.dword(10)) | u64::from(self.dword(11)) << 32
    }
}

impl Model {
    /// Carries out a command. Returns its status and result; `None` for one that stays pending.
    pub(super) fn command(&self, state: &mut State, number: u16, id: u16, command: &[u8]) -> Option<(u16, u32)> {
        let command = Command(command);
        if number == 0 {
            return self.admin_command(state, id, &command);
        }
        state.opcodes.push(command.opcode());
        if state.behaviour.hangs == Some(command.opcode()) {
            state.hanging.push((number, id));
            return None;
        }
        if !state.behaviour.failures.is_empty() {
            return Some((state.behaviour.failures.remove(0), 0));
        }
        state.namespaces.push(command.dword(1));
        self.io_command(state, &command);
        Some((0, 0))
    }

    fn io_command(&self, state: &mut State, command: &Command<'_>) {
        let (page, second) = command.pages();
        match command.opcode() {
            // Flush.
            0 => {}
            // Write zeroes.
            8 => state.ranges.push((8, command.block(), u64::from(command.dword(12)) + 1)),
            // Dataset management.
            9 => {
                assert_eq!((command.dword(10), command.dword(11)), (0, 1 << 2), "one range to deallocate");
                let range = self.fake.dma_read(page, 16).expect("memory in use");
                let word = |at: usize| u64::from(u32::from_le_bytes(range[at..at + 4].try_into().unwrap()));
                state.ranges.push((9, word(8) | word(12) << 32, word(4)));
            }
            opcode => {
                let bits = state.behaviour.block_bits;
                let length = (command.dword(12) as usize + 1) << bits;
                let mut at = usize::try_from(command.block() << bits).unwrap();
                for (page, bytes) in self.pages(page, second, length) {
                    if opcode == 2 {
                        self.fake.dma_write(page, &state.bytes[at..at + bytes]).expect("memory in use");
                    } else {
                        let data = self.fake.dma_read(page, bytes).expect("memory in use");
                        state.bytes[at..at + bytes].copy_from_slice(&data);
                    }
                    at += bytes;
                }
            }
        }
    }

    fn admin_command(&self, state: &mut State, id: u16, command: &Command<'_>) -> Option<(u16, u32)> {
        let (page, _) = command.pages();
        let number = (command.dword(10) & 0xffff) as u16;
        match command.opcode() {
            // Create a submission or a completion queue.
            1 | 5 => {
                let queue = state.queues.entry(number).or_default();
                queue.entries = u64::from(command.dword(10) >> 16) + 1;
                if command.opcode() == 1 {
                    queue.submission = page;
                } else {
                    (queue.completion, queue.vector) = (page, (command.dword(11) >> 16) as u16);
                }
            }
            // The log page of health.
            2 if number & 0xff == 2 => {
                let mut log = [0; 512];
                (log[1], log[2], log[3]) = (0x37, 0x01, 100);
                self.fake.dma_write(page, &log).expect("memory in use");
            }
            // Identify.
            6 => {
                let data = identify(&state.behaviour, command.dword(10), command.dword(1));
                self.fake.dma_write(page, &data).expect("memory in use");
            }
            // Abort.
            8 => {
                let which = (number, (command.dword(10) >> 16) as u16);
                let place = state.hanging.iter().position(|hanging| *hanging == which);
                let Some(place) = place.filter(|_| state.behaviour.can_abort) else { return Some((0, 1)) };
                state.hanging.swap(0, place);
            }
            // Set the number of queues.
            9 if command.dword(10) == 7 => {
                let allowed = state.behaviour.pairs - 1;
                return Some((0, allowed | allowed << 16));
            }
            // Other log pages and features.
            2 | 9 => {}
            // Asynchronous event request.
            0xc => {
                state.event_request = Some(id);
                return None;
            }
            _ => return Some((1, 0)),
        }
        Some((0, 0))
    }

    /// Returns the addresses and lengths of the pages of a transfer.
    fn pages(&self, first: u64, second: u64, length: usize) -> Vec<(u64, usize)> {
        let mut pages = vec![(first, length.min(4096))];
        let rest = length.saturating_sub(4096);
        let part = |index: usize| (rest - index * 4096).min(4096);
        match rest {
            0 => {}
            1..=4096 => pages.push((second, rest)),
            _ => {
                let list = self.fake.dma_read(second, rest.div_ceil(4096) * 8).expect("memory in use");
                let entries = list.chunks(8).map(|entry| u64::from_le_bytes(entry.try_into().unwrap()));
                pages.extend(entries.enumerate().map(|(index, page)| (page, part(index))));
            }
        }
        pages
    }
}

fn identify(behaviour: &Behaviour, structure: u32, namespace: u32) -> Vec<u8> {
    let mut data = vec![0; 4096];
    match structure {
        0 if (1..=behaviour.namespaces).contains(&namespace) => {
            data[..8].copy_from_slice(&behaviour.blocks.to_le_bytes());
            data[130] = behaviour.block_bits;
        }
        1 => {
            data[4..72].fill(b' ');
            data[4..8].copy_from_slice(b"0001");
            data[24..29].copy_from_slice(b"model");
            (data[77], data[525]) = (behaviour.mdts, behaviour.has_cache.into());
            data[520] = if behaviour.has_options { 1 << 2 | 1 << 3 } else { 0 };
        }
        2 => (1..=behaviour.namespaces).zip(data.chunks_mut(4)).for_each(|(id, entry)| {
            entry.copy_from_slice(&id.to_le_bytes());
        }),
        _ => {}
    }
    data
}
