//! A model of an NVMe controller on a machine made of memory: it carries out commands when its registers are looked at.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use switchboard::config::Address;
use switchboard::interrupt::ModePolicy;
use switchboard_testing::{FakeFunction, FakeMachine};

pub(crate) const BLOCKS: u64 = 256;

const CC: u64 = 0x14;
const CSTS: u64 = 0x1c;

/// What a test changes.
#[derive(Clone)]
pub(crate) struct Behaviour {
    /// A power of two.
    pub(crate) block_bits: u8,
    pub(crate) mdts: u8,
    pub(crate) has_cache: bool,
    /// The statuses of the next I/O commands, instead of success.
    pub(crate) failures: Vec<u16>,
    /// The command id in the next I/O completion, instead of the right one.
    pub(crate) wrong_id: Option<u16>,
    /// I/O commands are left alone while this is set.
    pub(crate) is_stalled: bool,
    pub(crate) namespaces: u32,
    pub(crate) blocks: u64,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            block_bits: 9,
            mdts: 0,
            has_cache: true,
            failures: Vec::new(),
            wrong_id: None,
            is_stalled: false,
            namespaces: 1,
            blocks: BLOCKS,
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Queue {
    submission: u64,
    completion: u64,
    entries: u64,
    head: u64,
    tail: u64,
    /// The position of the next completion, and whether the queue was filled an odd number of times.
    next_completion: u64,
    is_odd_round: bool,
    vector: u16,
}

struct State {
    behaviour: Behaviour,
    queues: HashMap<u16, Queue>,
    bytes: Vec<u8>,
    /// The command id of the request for events.
    event_request: Option<u16>,
    opcodes: Vec<u8>,
    is_enabled: bool,
}

/// The controller at an address of a machine.
#[derive(Clone)]
pub(crate) struct Model {
    pub(crate) fake: &'static FakeMachine,
    pub(crate) address: Address,
    state: Arc<Mutex<State>>,
}

/// Returns a function with the registers and the interrupts of QEMU's controller.
pub(crate) fn function() -> FakeFunction {
    let function =
        FakeFunction::new(0x1b36, 0x0010).bar_64bit(0, 0x4000).bar(4, 0x1000).pin(1, 10).msix(3, 4, 0, 0x800);
    function.byte(0x09, 2).byte(0x0a, 8).byte(0x0b, 1)
}

impl Model {
    pub(crate) fn new(policy: ModePolicy, behaviour: Behaviour) -> Self {
        let fake = Box::leak(Box::new(FakeMachine::with_policy(policy, [function().at("00:03.0")])));
        Self::of(fake, Address::new(0, 0, 3, 0), behaviour)
    }

    /// Makes the function at `address` a controller.
    pub(crate) fn of(fake: &'static FakeMachine, address: Address, behaviour: Behaviour) -> Self {
        let bytes =
            (0..BLOCKS << behaviour.block_bits).map(|at| (at >> behaviour.block_bits).to_le_bytes()[0]).collect();
        let state = State {
            behaviour,
            queues: HashMap::new(),
            bytes,
            event_request: None,
            opcodes: Vec::new(),
            is_enabled: false,
        };
        let model = Self { fake, address, state: Arc::new(Mutex::new(state)) };
        // 64 entries at most, a time-out of 500 ms, NVM commands, pages of 4 KiB.
        model.set(0x0, 63 | 1 << 24);
        model.set(0x4, 1 << 5);
        let ticking = model.clone();
        fake.on_tick(move || ticking.work());
        model
    }

    fn get(&self, offset: u64) -> u32 {
        self.fake.read_register(self.address, 0, offset)
    }

    fn set(&self, offset: u64, value: u32) {
        self.fake.write_register(self.address, 0, offset, value);
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.state.lock().unwrap().behaviour);
    }

    /// Returns the opcodes of the I/O commands so far.
    pub(crate) fn opcodes(&self) -> Vec<u8> {
        self.state.lock().unwrap().opcodes.clone()
    }

    pub(crate) fn byte(&self, at: usize) -> u8 {
        self.state.lock().unwrap().bytes[at]
    }

    /// Reports an event: type, information and log page.
    pub(crate) fn report_event(&self, result: u32) {
        self.work();
        let vector = {
            let state = &mut *self.state.lock().unwrap();
            let id = state.event_request.take().expect("events are requested");
            self.complete(state, 0, id, 0, result)
        };
        self.interrupt(vector);
    }

    /// Carries out all that is to be done, and interrupts.
    pub(crate) fn work(&self) {
        if self.fake.is_removed(self.address) {
            return;
        }
        let interrupts = self.carry_out();
        for vector in interrupts {
            self.interrupt(vector);
        }
    }

    /// Interrupts, for whatever reason.
    pub(crate) fn interrupt(&self, vector: u16) {
        if self.fake.send(self.address, vector).is_some() {
            return;
        }
        // The interrupt status bit of configuration space, which a line handler looks at.
        let status = self.fake.read_config(self.address, 6);
        self.fake.set_config(self.address, 6, status | 1 << 3);
        self.fake.assert_line(10);
        self.fake.set_config(self.address, 6, status);
    }

    fn carry_out(&self) -> Vec<u16> {
        let state = &mut *self.state.lock().unwrap();
        let configuration = self.get(CC);
        let is_enabled = configuration & 1 != 0;
        if is_enabled && !state.is_enabled {
            let word = |low, high| u64::from(self.get(low)) | u64::from(self.get(high)) << 32;
            let entries = u64::from(self.get(0x24) & 0xffff) + 1;
            let admin =
                Queue { submission: word(0x28, 0x2c), completion: word(0x30, 0x34), entries, ..Queue::default() };
            state.queues = HashMap::from([(0, admin)]);
            (0x1000..0x1010).step_by(4).for_each(|doorbell| self.set(doorbell, 0));
        }
        state.is_enabled = is_enabled;
        self.set(CSTS, u32::from(is_enabled) | if configuration >> 14 & 3 != 0 { 1 << 3 } else { 0 });
        if !is_enabled {
            return Vec::new();
        }
        let mut interrupts = Vec::new();
        for number in [0, 1] {
            let Some(mut queue) = state.queues.get(&number).copied() else { continue };
            queue.tail = self.get(0x1000 + 8 * u64::from(number)).into();
            state.queues.insert(number, queue);
            while let Some(queue) = state.queues.get_mut(&number)
                && queue.head != queue.tail
                && !(number == 1 && state.behaviour.is_stalled)
            {
                let command = self.fake.dma_read(queue.submission + queue.head * 64, 64).expect("memory in use");
                queue.head = (queue.head + 1) % queue.entries;
                let id = u16::from_le_bytes([command[2], command[3]]);
                if let Some((status, result)) = self.command(state, number, id, &command) {
                    let id = if number == 1 { state.behaviour.wrong_id.take().unwrap_or(id) } else { id };
                    let vector = self.complete(state, number, id, status, result);
                    interrupts.extend((!interrupts.contains(&vector)).then_some(vector));
                }
            }
        }
        interrupts
    }

    /// Writes a completion. Returns the vector of its interrupt.
    fn complete(&self, state: &mut State, number: u16, id: u16, status: u16, result: u32) -> u16 {
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

    /// Carries out a command. Returns its status and result; `None` for one that stays pending.
    fn command(&self, state: &mut State, number: u16, id: u16, command: &[u8]) -> Option<(u16, u32)> {
        let dword = |index: usize| u32::from_le_bytes(command[index * 4..][..4].try_into().unwrap());
        let address = |at: usize| u64::from_le_bytes(command[at..][..8].try_into().unwrap());
        let (page, done) = (address(24), Some((0, 0)));
        if number == 1 {
            state.opcodes.push(command[0]);
            if !state.behaviour.failures.is_empty() {
                return Some((state.behaviour.failures.remove(0), 0));
            }
            if command[0] == 0 {
                return done;
            }
            let bits = state.behaviour.block_bits;
            let block = u64::from(dword(10)) | u64::from(dword(11)) << 32;
            let length = (dword(12) as usize + 1) << bits;
            let mut at = usize::try_from(block << bits).unwrap();
            for (page, bytes) in self.pages(page, address(32), length) {
                if command[0] == 2 {
                    self.fake.dma_write(page, &state.bytes[at..at + bytes]).expect("memory in use");
                } else {
                    let data = self.fake.dma_read(page, bytes).expect("memory in use");
                    state.bytes[at..at + bytes].copy_from_slice(&data);
                }
                at += bytes;
            }
            return done;
        }
        match command[0] {
            // Create a submission or a completion queue.
            1 | 5 => {
                let number = (dword(10) & 0xffff) as u16;
                let queue = state.queues.entry(number).or_default();
                queue.entries = u64::from(dword(10) >> 16) + 1;
                if command[0] == 1 {
                    queue.submission = page;
                } else {
                    (queue.completion, queue.vector) = (page, (dword(11) >> 16) as u16);
                }
                done
            }
            2 | 9 => done,
            6 => {
                self.fake.dma_write(page, &identify(&state.behaviour, dword(10), dword(1))).expect("memory in use");
                done
            }
            0xc => {
                state.event_request = Some(id);
                None
            }
            _ => Some((1, 0)),
        }
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
            data[4..8].copy_from_slice(b"0001");
            data[24..29].copy_from_slice(b"model");
            (data[77], data[525]) = (behaviour.mdts, behaviour.has_cache.into());
        }
        2 => (1..=behaviour.namespaces).zip(data.chunks_mut(4)).for_each(|(id, entry)| {
            entry.copy_from_slice(&id.to_le_bytes());
        }),
        _ => {}
    }
    data
}
