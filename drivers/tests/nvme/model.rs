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
    /// It has write zeroes and deallocation.
    pub(crate) has_options: bool,
    /// The statuses of the next I/O commands, instead of success.
    pub(crate) failures: Vec<u16>,
    /// The command id in the next I/O completion, instead of the right one.
    pub(crate) wrong_id: Option<u16>,
    /// I/O commands are left alone while this is set.
    pub(crate) is_stalled: bool,
    /// I/O commands of this opcode are taken, and never finished but by an abort.
    pub(crate) hangs: Option<u8>,
    /// Whether a command that hangs is aborted on request.
    pub(crate) can_abort: bool,
    /// The controller has failed until its next reset.
    pub(crate) is_fatal: bool,
    /// The controller does not become ready again.
    pub(crate) stays_off: bool,
    /// The pairs of I/O queues that it allows.
    pub(crate) pairs: u32,
    pub(crate) namespaces: u32,
    pub(crate) blocks: u64,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            block_bits: 9,
            mdts: 0,
            has_cache: true,
            has_options: true,
            failures: Vec::new(),
            wrong_id: None,
            is_stalled: false,
            hangs: None,
            can_abort: false,
            is_fatal: false,
            stays_off: false,
            pairs: 2,
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
    /// The opcodes of commands without data, with the blocks that they concern.
    ranges: Vec<(u8, u64, u64)>,
    /// The namespaces of the I/O commands.
    namespaces: Vec<u32>,
    /// Queue and id of commands that hang.
    hanging: Vec<(u16, u16)>,
    is_enabled: bool,
    /// How often it was enabled.
    starts: u32,
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
            ranges: Vec::new(),
            namespaces: Vec::new(),
            hanging: Vec::new(),
            is_enabled: false,
            starts: 0,
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

    /// Returns the opcodes of commands without data, each with its first block and the number of them.
    pub(crate) fn ranges(&self) -> Vec<(u8, u64, u64)> {
        self.state.lock().unwrap().ranges.clone()
    }

    /// Returns the namespaces of the I/O commands so far.
    pub(crate) fn namespaces(&self) -> Vec<u32> {
        self.state.lock().unwrap().namespaces.clone()
    }

    /// Returns how often the controller was enabled.
    pub(crate) fn starts(&self) -> u32 {
        self.state.lock().unwrap().starts
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
        if number > 0 {
            state.opcodes.push(command[0]);
            if state.behaviour.hangs == Some(command[0]) {
                state.hanging.push((number, id));
                return None;
            }
            if !state.behaviour.failures.is_empty() {
                return Some((state.behaviour.failures.remove(0), 0));
            }
            state.namespaces.push(dword(1));
            if command[0] == 0 {
                return done;
            }
            let bits = state.behaviour.block_bits;
            if command[0] == 9 {
                assert_eq!((dword(10), dword(11)), (0, 1 << 2), "one range to deallocate");
                let range = self.fake.dma_read(page, 16).expect("memory in use");
                let word = |at: usize| u64::from(u32::from_le_bytes(range[at..at + 4].try_into().unwrap()));
                state.ranges.push((9, word(8) | word(12) << 32, word(4)));
                return done;
            }
            let block = u64::from(dword(10)) | u64::from(dword(11)) << 32;
            if command[0] == 8 {
                state.ranges.push((8, block, u64::from(dword(12)) + 1));
                return done;
            }
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
            2 if dword(10) & 0xff == 2 => {
                let mut log = [0; 512];
                (log[1], log[2], log[3]) = (0x37, 0x01, 100);
                self.fake.dma_write(page, &log).expect("memory in use");
                done
            }
            8 => {
                let which = ((dword(10) & 0xffff) as u16, (dword(10) >> 16) as u16);
                let place = state.hanging.iter().position(|hanging| *hanging == which);
                let Some(place) = place.filter(|_| state.behaviour.can_abort) else { return Some((0, 1)) };
                state.hanging.swap(0, place);
                done
            }
            9 if dword(10) == 7 => {
                let allowed = state.behaviour.pairs - 1;
                Some((0, allowed | allowed << 16))
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
