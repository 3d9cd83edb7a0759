//! A model of an AHCI controller with one port and a disk, on a machine made of memory: it carries out commands with each tick.

use std::sync::{Arc, Mutex};

use switchboard::config::Address;
use switchboard::interrupt::ModePolicy;
use switchboard_testing::{FakeFunction, FakeMachine};

pub(crate) const BLOCKS: u64 = 256;
/// The BAR with the registers.
const BAR: u8 = 5;

const GHC: u64 = 0x04;
const IS: u64 = 0x08;
const PORT: u64 = 0x100;
const PXIS: u64 = PORT + 0x10;
const PXIE: u64 = PORT + 0x14;
const PXCMD: u64 = PORT + 0x18;
const PXTFD: u64 = PORT + 0x20;
const PXSSTS: u64 = PORT + 0x28;
const PXSCTL: u64 = PORT + 0x2c;
const PXSERR: u64 = PORT + 0x30;
const PXSACT: u64 = PORT + 0x34;
const PXCI: u64 = PORT + 0x38;

const TASK_FILE_ERROR: u32 = 1 << 30;
const PLUG: u32 = 1 << 22 | 1 << 6;

/// What a test changes.
#[derive(Clone)]
pub(crate) struct Behaviour {
    /// A power of two.
    pub(crate) block_bits: u8,
    pub(crate) has_ncq: bool,
    /// The log of queued commands that failed.
    pub(crate) has_log: bool,
    /// A command that touches one of these blocks fails.
    pub(crate) bad_blocks: Vec<u64>,
    /// Reads and writes are left alone while this is set.
    pub(crate) is_stalled: bool,
    /// Slots that the port reports as active though they were not submitted.
    pub(crate) foreign: u32,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self { block_bits: 9, has_ncq: true, has_log: true, bad_blocks: Vec::new(), is_stalled: false, foreign: 0 }
    }
}

struct State {
    behaviour: Behaviour,
    bytes: Vec<u8>,
    opcodes: Vec<u8>,
    /// The data of the last TRIM.
    ranges: Vec<u8>,
    /// The tag of the queued command that failed; until the log is read, commands are refused.
    failed_tag: Option<u8>,
    /// An error has stopped the port, until it is started anew.
    is_halted: bool,
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
    let function = FakeFunction::new(0x8086, 0x2922).bar(BAR, 0x1000).pin(1, 10).msi(1);
    function.byte(0x09, 1).byte(0x0a, 6).byte(0x0b, 1)
}

impl Model {
    pub(crate) fn new(policy: ModePolicy, behaviour: Behaviour) -> Self {
        let fake = Box::leak(Box::new(FakeMachine::with_policy(policy, [function().at("00:03.0")])));
        Self::of(fake, Address::new(0, 0, 3, 0), behaviour)
    }

    /// Makes the function at `address` a controller.
    pub(crate) fn of(fake: &'static FakeMachine, address: Address, behaviour: Behaviour) -> Self {
        let bits = behaviour.block_bits;
        let bytes = (0..BLOCKS << bits).map(|at| (at >> bits).to_le_bytes()[0]).collect();
        let (opcodes, ranges) = Default::default();
        let state = State { behaviour, bytes, opcodes, ranges, failed_tag: None, is_halted: false };
        let model = Self { fake, address, state: Arc::new(Mutex::new(state)) };
        // NCQ, 64-bit addresses, 32 slots, one port.
        model.set(0x00, 1 << 31 | 1 << 30 | 31 << 8);
        model.set(0x0c, 1);
        model.set(PXSSTS, 0x113);
        let writing = model.clone();
        fake.on_write(address, BAR, move |write| {
            let (old, value) = ((write.old & 0xffff_ffff) as u32, (write.value & 0xffff_ffff) as u32);
            writing.written(write.offset, old, value).into()
        });
        let ticking = model.clone();
        fake.on_tick(move || ticking.work());
        model
    }

    fn get(&self, offset: u64) -> u32 {
        self.fake.read_register(self.address, BAR, offset)
    }

    fn set(&self, offset: u64, value: u32) {
        self.fake.write_register(self.address, BAR, offset, value);
    }

    /// Returns what a register holds after the driver has written to it.
    fn written(&self, offset: u64, old: u32, value: u32) -> u32 {
        match offset {
            GHC => value & !1,
            IS | PXIS | PXSERR => old & !value,
            PXSACT | PXCI => old | value,
            PXCMD => {
                if value & 1 == 0 {
                    self.set(PXCI, 0);
                    self.set(PXSACT, 0);
                    self.state.lock().unwrap().is_halted = false;
                }
                // CR and FR follow ST and FRE.
                value & !(3 << 14) | (value & 1) << 15 | (value >> 4 & 1) << 14
            }
            PXSCTL => {
                if value == 0 && self.get(PXSSTS) != 0 {
                    self.set(PXTFD, 0x50);
                    self.state.lock().unwrap().failed_tag = None;
                } else {
                    self.set(PXTFD, 0x7f);
                }
                value
            }
            _ => value,
        }
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.state.lock().unwrap().behaviour);
    }

    /// Returns the commands so far, but those of the probe.
    pub(crate) fn opcodes(&self) -> Vec<u8> {
        let opcodes = &self.state.lock().unwrap().opcodes;
        opcodes.iter().copied().filter(|opcode| *opcode != 0xec).collect()
    }

    pub(crate) fn ranges(&self) -> Vec<u8> {
        self.state.lock().unwrap().ranges.clone()
    }

    pub(crate) fn byte(&self, at: usize) -> u8 {
        self.state.lock().unwrap().bytes[at]
    }

    pub(crate) fn unplug(&self) {
        self.set(PXSSTS, 0);
        self.interrupt(PLUG);
    }

    pub(crate) fn plug(&self) {
        self.set(PXSSTS, 0x113);
        self.interrupt(PLUG);
    }

    fn interrupt(&self, causes: u32) {
        self.set(PXIS, self.get(PXIS) | causes);
        if self.get(PXIS) & self.get(PXIE) == 0 || self.get(GHC) & 2 == 0 {
            return;
        }
        self.set(IS, 1);
        if self.fake.send(self.address, 0).is_none() {
            self.fake.assert_line(10);
        }
    }

    /// Carries out all that is to be done, and interrupts.
    pub(crate) fn work(&self) {
        if self.fake.is_removed(self.address) {
            return;
        }
        let causes = self.carry_out();
        if causes != 0 {
            self.interrupt(causes);
        }
    }

    fn carry_out(&self) -> u32 {
        let state = &mut *self.state.lock().unwrap();
        let mut causes = 0;
        for slot in (0..32_u32).filter(|slot| self.get(PXCI) >> slot & 1 != 0) {
            if state.is_halted || self.get(PXCMD) & 1 == 0 {
                break;
            }
            let list = u64::from(self.get(PORT)) | u64::from(self.get(PORT + 4)) << 32;
            let header = self.fake.dma_read(list + u64::from(slot) * 32, 32).expect("memory in use");
            let table = u64::from_le_bytes(header[8..16].try_into().unwrap());
            let fis = self.fake.dma_read(table, 0x90).expect("memory in use");
            let is_queued = matches!(fis[2], 0x60 | 0x61);
            if state.behaviour.is_stalled && matches!(fis[2], 0x25 | 0x35 | 0x60 | 0x61) {
                continue;
            }
            state.opcodes.push(fis[2]);
            match self.command(state, &fis) {
                Some(bytes) => {
                    self.set(PXCI, self.get(PXCI) & !(1 << slot));
                    let transferred = u32::try_from(bytes).unwrap();
                    self.fake.dma_write(list + u64::from(slot) * 32 + 4, &transferred.to_le_bytes()).unwrap();
                    if is_queued {
                        self.set(PXSACT, self.get(PXSACT) & !(1 << slot));
                    }
                    causes |= if is_queued { 1 << 3 } else { 1 };
                }
                None => {
                    state.is_halted = true;
                    state.failed_tag = is_queued.then_some(slot.to_le_bytes()[0]);
                    self.set(PXTFD, 0x4041);
                    causes |= TASK_FILE_ERROR;
                }
            }
        }
        let foreign = state.behaviour.foreign;
        if foreign != 0 {
            self.set(PXSACT, self.get(PXSACT) | foreign);
            causes |= 1 << 3;
        }
        causes
    }

    /// Carries out a command. Returns the bytes transferred, or `None` for one that fails.
    fn command(&self, state: &mut State, fis: &[u8]) -> Option<usize> {
        let data = u64::from_le_bytes(fis[0x80..0x88].try_into().unwrap());
        let length = (u32::from_le_bytes(fis[0x8c..0x90].try_into().unwrap()) & 0x3f_ffff) as usize + 1;
        let block = u64::from_le_bytes([fis[4], fis[5], fis[6], fis[8], fis[9], fis[10], 0, 0]);
        if state.failed_tag.is_some() && fis[2] != 0x2f {
            return None;
        }
        self.set(PXTFD, 0x50);
        match fis[2] {
            0x60 | 0x25 | 0x61 | 0x35 => {
                let bits = state.behaviour.block_bits;
                let count = if fis[2] >= 0x60 { [fis[3], fis[11]] } else { [fis[12], fis[13]] };
                let count = u64::from(u16::from_le_bytes(count));
                assert_eq!(usize::try_from(count << bits).unwrap(), length);
                if state.behaviour.bad_blocks.iter().any(|bad| (block..block + count).contains(bad)) {
                    return None;
                }
                let at = usize::try_from(block << bits).unwrap();
                if matches!(fis[2], 0x60 | 0x25) {
                    self.fake.dma_write(data, &state.bytes[at..at + length]).expect("memory in use");
                } else {
                    let data = self.fake.dma_read(data, length).expect("memory in use");
                    state.bytes[at..at + length].copy_from_slice(&data);
                }
            }
            0xec => self.fake.dma_write(data, &identify(&state.behaviour)).expect("memory in use"),
            // READ LOG EXT.
            0x2f if !state.behaviour.has_log => return None,
            0x2f => {
                let mut page = vec![0; 512];
                (page[0], page[2], page[3]) = (state.failed_tag.take().unwrap_or(0x80), 0x41, 0x40);
                self.fake.dma_write(data, &page).expect("memory in use");
            }
            0x06 => state.ranges = self.fake.dma_read(data, length).expect("memory in use"),
            0xea => {}
            _ => return None,
        }
        Some(length)
    }
}

fn identify(behaviour: &Behaviour) -> Vec<u8> {
    let mut data = vec![0; 512];
    let mut set = |index: usize, word: u16| data[2 * index..2 * index + 2].copy_from_slice(&word.to_le_bytes());
    set(75, 31);
    set(76, u16::from(behaviour.has_ncq) << 8);
    set(83, 0x4400);
    // A log, whether it works or not; a cache; TRIM.
    set(84, 0x4020);
    set(85, 0x20);
    set(100, u16::try_from(BLOCKS).unwrap());
    set(106, 0x5000);
    set(117, 1 << (behaviour.block_bits - 1));
    set(169, 1);
    data
}
