//! A model of an xHCI controller on a machine made of memory, with a keyboard at port 1 and a stick at port 2: it carries out commands
//! and transfers with each tick.

pub(crate) mod devices;
mod rings;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use devices::Device;
use rings::{Consumer, Producer};
use switchboard::config::Address;
use switchboard::interrupt::ModePolicy;
use switchboard_testing::{FakeFunction, FakeMachine};

const OPERATIONAL: u64 = 0x40;
const USBCMD: u64 = OPERATIONAL;
const USBSTS: u64 = OPERATIONAL + 4;
const PORTS: u64 = OPERATIONAL + 0x400;
const IMAN: u64 = 0x1020;
const DOORBELLS: u64 = 0x2000;
const HALTED: u32 = 1;
const CONNECTED: u32 = 1;
const ENABLED: u32 = 2;
const CONNECT_CHANGE: u32 = 1 << 17;
const PORT_CHANGES: u32 = 0x7f << 17;

/// What a device does that the specification excludes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Violation {
    /// Transfers end at an address outside of their ring.
    ForeignTransfer,
    /// More bytes are left than there were.
    Residual,
    /// Commands end that were not sent.
    ForeignCommand,
}

/// What a test changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Behaviour {
    pub(crate) are_contexts_64_bytes: bool,
    pub(crate) violation: Option<Violation>,
    /// The ports are of USB 3, which need no reset.
    pub(crate) is_usb3: bool,
    /// Commands are left alone.
    pub(crate) ignores_commands: bool,
    /// Bulk transfers are left alone.
    pub(crate) ignores_bulk: bool,
    /// A command that touches this block fails, and its data endpoint is halted.
    pub(crate) bad_block: Option<u64>,
    /// Statuses of the stick have another signature.
    pub(crate) has_invalid_status: bool,
}

#[derive(Default)]
pub(crate) struct State {
    behaviour: Behaviour,
    doorbells: VecDeque<(u8, u8)>,
    commands: Option<Consumer>,
    events: Option<Producer>,
    /// By slot: the port of the device, and the rings by endpoint.
    slots: BTreeMap<u8, (u8, BTreeMap<u8, Consumer>)>,
    devices: [Device; 2],
    resets: usize,
}

/// The controller at an address of a machine.
#[derive(Clone)]
pub(crate) struct Model {
    pub(crate) fake: &'static FakeMachine,
    pub(crate) address: Address,
    state: Arc<Mutex<State>>,
}

/// Returns a function with the registers and the interrupts of a controller.
pub(crate) fn function() -> FakeFunction {
    let function = FakeFunction::new(0x1b36, 0x000d).bar(0, 0x4000).pin(1, 10).msi(1).msix(1, 0, 0x3000, 0x3800);
    function.byte(0x09, 0x30).byte(0x0a, 3).byte(0x0b, 0x0c)
}

impl Model {
    pub(crate) fn new(policy: ModePolicy, behaviour: Behaviour) -> Self {
        let fake = Box::leak(Box::new(FakeMachine::with_policy(policy, [function().at("00:03.0")])));
        Self::of(fake, Address::new(0, 0, 3, 0), behaviour)
    }

    /// Makes the function at `address` a controller.
    pub(crate) fn of(fake: &'static FakeMachine, address: Address, behaviour: Behaviour) -> Self {
        let contexts = u32::from(behaviour.are_contexts_64_bytes) << 2;
        let (major, ports, packet) = if behaviour.is_usb3 { (3, ENABLED | 4 << 10, 9) } else { (2, 3 << 10, 64) };
        let devices = [Device::keyboard(packet), Device::stick(packet)];
        let state = State { behaviour, devices, ..State::default() };
        let model = Self { fake, address, state: Arc::new(Mutex::new(state)) };
        // Eight slots, one interrupter, two ports; two scratchpads; 64-bit addresses, a capability: the protocol of the ports.
        let capabilities =
            [(0x00, 0x40), (0x04, 8 | 1 << 8 | 2 << 24), (0x08, 2 << 27), (0x10, 1 | contexts | 8 << 16)];
        let capability = [(0x14, 0x2000), (0x18, 0x1000), (0x20, 2 | major << 24), (0x28, 1 | 2 << 8)];
        capabilities.into_iter().chain(capability).for_each(|(offset, value)| model.set(offset, value));
        model.set(USBSTS, HALTED);
        model.set(OPERATIONAL + 8, 1);
        [1, 2].into_iter().for_each(|port| model.set(port_register(port), 1 << 9 | CONNECTED | CONNECT_CHANGE | ports));
        let writing = model.clone();
        fake.on_write(address, 0, move |write| {
            let (old, value) = ((write.old & 0xffff_ffff) as u32, (write.value & 0xffff_ffff) as u32);
            writing.written(write.offset, old, value).into()
        });
        let ticking = model.clone();
        fake.on_tick(move || ticking.work());
        model
    }

    pub(crate) fn get(&self, offset: u64) -> u32 {
        self.fake.read_register(self.address, 0, offset)
    }

    fn get_address(&self, offset: u64) -> u64 {
        u64::from(self.get(offset)) | u64::from(self.get(offset + 4)) << 32
    }

    fn set(&self, offset: u64, value: u32) {
        self.fake.write_register(self.address, 0, offset, value);
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.state.lock().unwrap().behaviour);
    }

    /// Presses and releases a key.
    pub(crate) fn press(&self, key: u8) {
        let reports = [[0, 0, key, 0, 0, 0, 0, 0], [0; 8]];
        self.state.lock().unwrap().devices[0].reports.extend(reports);
    }

    pub(crate) fn byte(&self, at: usize) -> u8 {
        self.state.lock().unwrap().devices[1].bytes[at]
    }

    /// Returns how often the controller was reset.
    pub(crate) fn resets(&self) -> usize {
        self.state.lock().unwrap().resets
    }

    /// Unplugs the device at a port, or plugs it in.
    pub(crate) fn plug(&self, port: u8, is_connected: bool) {
        let connected = if is_connected { CONNECTED | 3 << 10 } else { 0 };
        self.set(port_register(port), 1 << 9 | CONNECT_CHANGE | connected);
        let state = &mut *self.state.lock().unwrap();
        self.post(state, [u32::from(port) << 24, 0, 1 << 24, 34 << 10]);
        self.interrupt();
    }

    /// Returns what a register holds after the driver has written to it.
    fn written(&self, offset: u64, old: u32, value: u32) -> u32 {
        match offset {
            USBCMD => {
                let state = &mut *self.state.lock().unwrap();
                if value & 2 != 0 {
                    let behaviour = state.behaviour.clone();
                    let mut devices = core::mem::take(&mut state.devices);
                    devices.iter_mut().for_each(Device::reset);
                    *state = State { behaviour, devices, resets: state.resets + 1, ..State::default() };
                }
                if value & 1 != 0 {
                    state.commands = Some(Consumer::new(self.get_address(OPERATIONAL + 0x18)));
                    let table = self.fake.dma_read(self.get_address(0x1030), 16).expect("memory in use");
                    state.events = Some(Producer::new(u64::from_le_bytes(table[..8].try_into().unwrap()), table[8]));
                }
                self.set(USBSTS, if value & 1 != 0 { 0 } else { HALTED });
                value & !2
            }
            USBSTS => old & !value,
            IMAN => (old & !value & 1) | value & 2,
            PORTS..0x1000 if offset.is_multiple_of(16) => {
                let kept = old & !(value & PORT_CHANGES);
                if value & 1 << 4 != 0 { kept | ENABLED | 1 << 21 } else { kept }
            }
            DOORBELLS..0x3000 => {
                let slot = u8::try_from((offset - DOORBELLS) / 4).unwrap();
                self.state.lock().unwrap().doorbells.push_back((slot, value.to_le_bytes()[0]));
                value
            }
            _ => value,
        }
    }

    fn post(&self, state: &mut State, event: [u32; 4]) {
        if let Some(events) = &mut state.events {
            events.post(self.fake, event);
        }
    }

    fn interrupt(&self) {
        if self.get(USBCMD) & 4 == 0 || self.get(IMAN) & 2 == 0 {
            return;
        }
        self.set(USBSTS, self.get(USBSTS) | 1 << 3);
        if self.fake.send(self.address, 0).is_none() {
            self.set(IMAN, 3);
            self.fake.assert_line(10);
        }
    }

    /// Carries out all that is to be done, and interrupts.
    pub(crate) fn work(&self) {
        if self.fake.is_removed(self.address) || self.get(USBSTS) & HALTED != 0 {
            return;
        }
        let state = &mut *self.state.lock().unwrap();
        let before = state.events.as_ref().map(Producer::posted);
        if state.behaviour.violation == Some(Violation::ForeignCommand) {
            self.post(state, [0x40, 0, 1 << 24, 33 << 10]);
        }
        self.carry_out_commands(state);
        self.carry_out_transfers(state);
        if state.events.as_ref().map(Producer::posted) != before {
            self.interrupt();
        }
    }
}

fn port_register(port: u8) -> u64 {
    PORTS + (u64::from(port) - 1) * 16
}
