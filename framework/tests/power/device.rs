//! A function with reset and power states, as a configuration space in front of the fake machine's.

use std::sync::{Mutex, PoisonError};

use switchboard::config::{Address, ConfigAccess, Width};
use switchboard::function::Function;
use switchboard::machine::Machine;
use switchboard_testing::{FakeFunction, FakeMachine};

/// The offsets of the capabilities, in the order in which [`Device::start`] adds them.
pub(crate) const POWER: u16 = 0x40;
pub(crate) const EXPRESS: u16 = 0x48;
pub(crate) const AF: u16 = 0x84;

pub(crate) const COMMAND: u16 = 0x04;
pub(crate) const BAR0: u16 = 0x10;
pub(crate) const INTERRUPT: u16 = 0x3c;
pub(crate) const DEVICE_CONTROL: u16 = EXPRESS + 8;

const VENDOR: u32 = 0x1234;
const MILLISECOND: u64 = 1_000_000;

/// The capabilities and the behaviour of the function. Times are in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Behaviour {
    pub(crate) has_express_reset: bool,
    pub(crate) has_af_reset: bool,
    pub(crate) has_power: bool,
    pub(crate) keeps_state: bool,
    /// Its Vendor ID during a reset.
    pub(crate) while_away: u32,
    /// The duration of a reset; `u64::MAX` if it never ends.
    pub(crate) back_after: u64,
    /// How long its own requests stay pending.
    pub(crate) pending_for: u64,
    pub(crate) is_awake_for_good: bool,
    pub(crate) sleeps_for_good: bool,
    pub(crate) loses_bars_for_good: bool,
}

impl Default for Behaviour {
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

/// The state of the function.
#[derive(Debug, Clone, Copy, Default)]
struct DeviceState {
    /// The registers that the fake machine's array cannot hold.
    power_state: u32,
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
    behaviour: Behaviour,
    fake: FakeMachine,
    state: Mutex<DeviceState>,
}

pub(crate) fn here() -> Address {
    Address::new(0, 0, 1, 0)
}

impl Device {
    /// Returns a scanned machine with the device.
    pub(crate) fn start(behaviour: Behaviour) -> (&'static Self, &'static Machine) {
        let express = {
            let mut body = vec![0; 0x3a];
            body[0] = 2;
            body[5] = u8::from(behaviour.has_express_reset) << 4;
            body
        };
        let features = [6, if behaviour.has_af_reset { 3 } else { 0 }, 0, 0];
        let power = [if behaviour.has_power { 1 } else { 0x0f }, u8::from(behaviour.keeps_state) << 3];
        let function = FakeFunction::new(0x1234, 0x11e8).bar(0, 0x1000).pin(1, 10);
        let function = function.capability(power[0], &[2, 0, power[1], 0, 0, 0]);
        let function = function.capability(0x10, &express).capability(0x13, &features);
        let state = DeviceState { interrupt_line: 10, ..DeviceState::default() };
        let device: &Self =
            Box::leak(Box::new(Self { behaviour, fake: FakeMachine::new([function]), state: Mutex::new(state) }));
        let machine = device.fake.share().config(device).build().machine();
        machine.scan();
        (device, machine)
    }

    pub(crate) fn resets(&self) -> u32 {
        self.lock().resets
    }

    /// Returns whether it was accessed within a recovery time.
    pub(crate) fn was_touched_too_early(&self) -> bool {
        self.lock().touched_too_early
    }

    /// Returns the time of its last reset in nanoseconds.
    pub(crate) fn reset_at(&self) -> u64 {
        self.lock().reset_at
    }

    /// Reads a word of its configuration space.
    pub(crate) fn word(&self, offset: u16) -> u32 {
        ConfigAccess::read(self, here(), offset, Width::Word)
    }

    pub(crate) fn set_word(&self, offset: u16, value: u32) {
        ConfigAccess::write(self, here(), offset, Width::Word, value);
    }

    pub(crate) fn bar(&self) -> u32 {
        ConfigAccess::read(self, here(), BAR0, Width::Dword)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, DeviceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inner(&self) -> &'static dyn ConfigAccess {
        self.fake.config()
    }

    fn now(&self) -> u64 {
        self.fake.machine().clock().now_ns()
    }

    /// Clears all registers, as a reset does.
    fn clear(&self, state: &mut DeviceState) {
        self.fake.set_config(here(), COMMAND, 0);
        self.inner().write(here(), BAR0, Width::Dword, 0);
        (state.device_control, state.interrupt_line, state.power_state) = (0, 0, 0);
        state.resets += 1;
    }

    fn reset(&self, state: &mut DeviceState) {
        let now = self.now();
        self.clear(state);
        (state.reset_at, state.is_away_until) = (now, now.saturating_add(self.behaviour.back_after));
        state.not_before = now + 100 * MILLISECOND;
    }

    fn change_state(&self, state: &mut DeviceState, power_state: u32) {
        let is_stuck = if power_state == 0 { self.behaviour.sleeps_for_good } else { self.behaviour.is_awake_for_good };
        if is_stuck || power_state == state.power_state || !self.behaviour.has_power {
            return;
        }
        state.not_before = self.now() + 10 * MILLISECOND;
        if power_state == 0 && !self.behaviour.keeps_state {
            self.clear(state);
        }
        state.power_state = power_state;
    }

    /// Records an access within a recovery time. Returns the time.
    fn touch(&self, state: &mut DeviceState) -> u64 {
        let now = self.now();
        state.touched_too_early |= now < state.not_before;
        now
    }
}

impl ConfigAccess for Device {
    fn read(&self, address: Address, offset: u16, width: Width) -> u32 {
        if address != here() {
            return self.inner().read(address, offset, width);
        }
        let mut state = self.lock();
        let now = self.touch(&mut state);
        if now < state.is_away_until {
            return if offset == 0 { self.behaviour.while_away & width.ones() } else { width.ones() };
        }
        let plain = self.inner().read(address, offset, width);
        match offset {
            0 if width == Width::Word => VENDOR,
            INTERRUPT if width == Width::Word => plain & 0xff00 | state.interrupt_line,
            DEVICE_CONTROL => state.device_control,
            offset if offset == EXPRESS + 10 => u32::from(now < state.is_pending_until) << 5,
            offset if offset == AF + 4 => u32::from(now < state.is_pending_until) << 8,
            offset if offset == POWER + 4 => plain | state.power_state,
            _ => plain,
        }
    }

    fn write(&self, address: Address, offset: u16, width: Width, value: u32) {
        if address != here() {
            return;
        }
        let mut state = self.lock();
        let now = self.touch(&mut state);
        match offset {
            // Its own requests are pending once bus mastering is disabled.
            COMMAND if value & 4 == 0 && state.is_pending_until == 0 => {
                state.is_pending_until = now + self.behaviour.pending_for;
            }
            INTERRUPT => state.interrupt_line = value & 0xff,
            BAR0 if self.behaviour.loses_bars_for_good && state.resets > 0 => return,
            DEVICE_CONTROL if value & 1 << 15 != 0 && self.behaviour.has_express_reset => {
                return self.reset(&mut state);
            }
            DEVICE_CONTROL => state.device_control = value & 0x7fff,
            offset if offset == AF + 4 && value & 1 != 0 && self.behaviour.has_af_reset => {
                return self.reset(&mut state);
            }
            offset if offset == POWER + 4 => self.change_state(&mut state, value & 3),
            _ => {}
        }
        self.inner().write(address, offset, width, value);
    }

    fn size(&self, _address: Address) -> u16 {
        256
    }
}

/// Takes the function.
pub(crate) fn take(machine: &'static Machine) -> Function {
    machine.take(here()).expect("not taken")
}

/// Waits for that many nanoseconds.
pub(crate) fn pass(machine: &Machine, nanoseconds: u64) {
    let until = machine.clock().now_ns() + nanoseconds;
    while machine.clock().now_ns() < until {}
}
