//! A function that can be reset and sleeps, as a configuration space in front of the fake machine's.

use std::sync::{Mutex, PoisonError};

use switchboard::config::{Address, ConfigAccess, Width};
use switchboard::function::Function;
use switchboard::machine::Machine;
use switchboard_testing::{FakeFunction, FakeMachine};

/// Where the capabilities come to lie, in the order in which [`Device::new`] adds them.
pub(crate) const POWER: u16 = 0x40;
pub(crate) const EXPRESS: u16 = 0x48;
pub(crate) const AF: u16 = 0x84;

pub(crate) const COMMAND: u16 = 0x04;
pub(crate) const BAR0: u16 = 0x10;
pub(crate) const INTERRUPT: u16 = 0x3c;
pub(crate) const DEVICE_CONTROL: u16 = EXPRESS + 8;

const VENDOR: u32 = 0x1234;
const MILLISECOND: u64 = 1_000_000;

/// What the function can do, and how it behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nature {
    pub(crate) has_express_reset: bool,
    pub(crate) has_af_reset: bool,
    pub(crate) has_power: bool,
    pub(crate) keeps_state: bool,
    /// What it reads as vendor until it is back.
    pub(crate) while_away: u32,
    /// How long after its reset it is back; for ever, if it is never.
    pub(crate) back_after: u64,
    /// How long requests of its own stay pending.
    pub(crate) pending_for: u64,
    pub(crate) is_awake_for_good: bool,
    pub(crate) sleeps_for_good: bool,
    pub(crate) loses_bars_for_good: bool,
}

impl Default for Nature {
    fn default() -> Self {
        Self {
            has_express_reset: true,
            has_af_reset: false,
            has_power: true,
            keeps_state: false,
            while_away: 0xffff,
            back_after: 50 * MILLISECOND,
            pending_for: 0,
            is_awake_for_good: false,
            sleeps_for_good: false,
            loses_bars_for_good: false,
        }
    }
}

/// What has happened to it.
#[derive(Debug, Clone, Copy, Default)]
struct Life {
    /// The registers that the fake machine's array cannot hold.
    state: u32,
    device_control: u32,
    interrupt_line: u32,
    is_away_until: u64,
    is_pending_until: u64,
    resets: u32,
    reset_at: u64,
    touched_too_early: bool,
    not_before: u64,
}

/// The function, alone on its machine.
pub(crate) struct Device {
    nature: Nature,
    fake: FakeMachine,
    life: Mutex<Life>,
}

pub(crate) fn here() -> Address {
    Address::new(0, 0, 1, 0)
}

impl Device {
    /// A machine with it.
    pub(crate) fn start(nature: Nature) -> (&'static Self, &'static Machine) {
        let express = {
            let mut body = vec![0; 0x3a];
            body[0] = 2;
            body[5] = u8::from(nature.has_express_reset) << 4;
            body
        };
        let features = [6, if nature.has_af_reset { 3 } else { 0 }, 0, 0];
        let power = [if nature.has_power { 1 } else { 0x0f }, u8::from(nature.keeps_state) << 3];
        let function = FakeFunction::new(0x1234, 0x11e8).bar(0, 0x1000).pin(1, 10);
        let function = function.capability(power[0], &[2, 0, power[1], 0, 0, 0]);
        let function = function.capability(0x10, &express).capability(0x13, &features);
        let life = Life { interrupt_line: 10, ..Life::default() };
        let device: &Self =
            Box::leak(Box::new(Self { nature, fake: FakeMachine::new([function]), life: Mutex::new(life) }));
        let machine = device.fake.share().config(device).build().machine();
        machine.scan();
        (device, machine)
    }

    pub(crate) fn resets(&self) -> u32 {
        self.life().resets
    }

    /// Whether it was accessed while it was to be left alone.
    pub(crate) fn was_touched_too_early(&self) -> bool {
        self.life().touched_too_early
    }

    /// The nanoseconds from the start to its last reset.
    pub(crate) fn reset_at(&self) -> u64 {
        self.life().reset_at
    }

    /// A word of its configuration space, as it is.
    pub(crate) fn word(&self, offset: u16) -> u32 {
        ConfigAccess::read(self, here(), offset, Width::Word)
    }

    pub(crate) fn set_word(&self, offset: u16, value: u32) {
        ConfigAccess::write(self, here(), offset, Width::Word, value);
    }

    pub(crate) fn bar(&self) -> u32 {
        ConfigAccess::read(self, here(), BAR0, Width::Dword)
    }

    fn life(&self) -> std::sync::MutexGuard<'_, Life> {
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inner(&self) -> &'static dyn ConfigAccess {
        self.fake.config()
    }

    fn now(&self) -> u64 {
        self.fake.machine().clock().now_ns()
    }

    /// Forgets what was written, as in a reset.
    fn forget(&self, life: &mut Life) {
        self.fake.set_config(here(), COMMAND, 0);
        self.inner().write(here(), BAR0, Width::Dword, 0);
        (life.device_control, life.interrupt_line, life.state) = (0, 0, 0);
        life.resets += 1;
    }

    fn reset(&self, life: &mut Life) {
        let now = self.now();
        self.forget(life);
        (life.reset_at, life.is_away_until) = (now, now.saturating_add(self.nature.back_after));
        life.not_before = now + 100 * MILLISECOND;
    }

    fn change_state(&self, life: &mut Life, state: u32) {
        let is_stuck = if state == 0 { self.nature.sleeps_for_good } else { self.nature.is_awake_for_good };
        if is_stuck || state == life.state || !self.nature.has_power {
            return;
        }
        life.not_before = self.now() + 10 * MILLISECOND;
        if state == 0 && !self.nature.keeps_state {
            self.forget(life);
        }
        life.state = state;
    }

    /// Notes an access at a time when it has to be left alone.
    fn touch(&self, life: &mut Life) -> u64 {
        let now = self.now();
        life.touched_too_early |= now < life.not_before;
        now
    }
}

impl ConfigAccess for Device {
    fn read(&self, address: Address, offset: u16, width: Width) -> u32 {
        if address != here() {
            return self.inner().read(address, offset, width);
        }
        let mut life = self.life();
        let now = self.touch(&mut life);
        if now < life.is_away_until {
            return if offset == 0 { self.nature.while_away & width.ones() } else { width.ones() };
        }
        let plain = self.inner().read(address, offset, width);
        match offset {
            0 if width == Width::Word => VENDOR,
            INTERRUPT if width == Width::Word => plain & 0xff00 | life.interrupt_line,
            DEVICE_CONTROL => life.device_control,
            offset if offset == EXPRESS + 10 => u32::from(now < life.is_pending_until) << 5,
            offset if offset == AF + 4 => u32::from(now < life.is_pending_until) << 8,
            offset if offset == POWER + 4 => plain | life.state,
            _ => plain,
        }
    }

    fn write(&self, address: Address, offset: u16, width: Width, value: u32) {
        if address != here() {
            return;
        }
        let mut life = self.life();
        let now = self.touch(&mut life);
        match offset {
            // It asks for something until the bus is taken from it.
            COMMAND if value & 4 == 0 && life.is_pending_until == 0 => {
                life.is_pending_until = now + self.nature.pending_for;
            }
            INTERRUPT => life.interrupt_line = value & 0xff,
            BAR0 if self.nature.loses_bars_for_good && life.resets > 0 => return,
            DEVICE_CONTROL if value & 1 << 15 != 0 && self.nature.has_express_reset => return self.reset(&mut life),
            DEVICE_CONTROL => life.device_control = value & 0x7fff,
            offset if offset == AF + 4 && value & 1 != 0 && self.nature.has_af_reset => return self.reset(&mut life),
            offset if offset == POWER + 4 => self.change_state(&mut life, value & 3),
            _ => {}
        }
        self.inner().write(address, offset, width, value);
    }

    fn size(&self, _address: Address) -> u16 {
        256
    }
}

/// The function, which nobody has.
pub(crate) fn take(machine: &'static Machine) -> Function {
    machine.take(here()).expect("nobody has it")
}

/// Lets that many nanoseconds pass.
pub(crate) fn pass(machine: &Machine, nanoseconds: u64) {
    let until = machine.clock().now_ns() + nanoseconds;
    while machine.clock().now_ns() < until {}
}
