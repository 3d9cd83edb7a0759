//! A model of an NVMe controller on a machine made of memory: it carries out commands when its registers are looked at.

mod behaviour;
mod commands;
mod queues;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use switchboard::config::Address;
use switchboard::interrupt::ModePolicy;
use switchboard_testing::{FakeFunction, FakeMachine};

pub(crate) use behaviour::Behaviour;
use queues::Queue;

pub(crate) const BLOCKS: u64 = 256;

const CC: u64 = 0x14;
const CSTS: u64 = 0x1c;

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
}
