//! A function that sends one message: by MSI-X, or by MSI with or without mask bits.
//!
//! Writes to its BAR are posted: they are executed some time later, at the latest before the device answers a read of its registers
//! or its capability. A message that is masked stays pending; one that is sent while messages are disabled is lost.

use std::collections::VecDeque;
use std::sync::Mutex as Plain;

use loom::sync::{Mutex, MutexGuard};

use super::cpu::{self, Cpu};
use crate::config::{Address, ConfigAccess, MsiCapability, MsixCapability, Width};
use crate::platform::RegisterAccess;

/// Its device number on bus 0.
const DEVICE: u8 = 3;
/// The address that firmware gave its BAR, of a page.
pub(crate) const BAR: u32 = 0x8000_0000;
const BAR_REGISTER: u16 = 0x10;
/// Where its capability is.
const CAPABILITY: u16 = 0x40;
const CONTROL: u16 = CAPABILITY + 2;
/// Where the BAR holds the pending bits, behind a table of one entry.
const PENDING: u32 = 0x10;
const ADDRESS: u64 = 0;
const DATA: u64 = 8;
/// Where the BAR holds the mask bit.
pub(crate) const VECTOR_CONTROL: u64 = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sends {
    Msix,
    Msi { is_maskable: bool },
}

pub(crate) struct Device {
    sends: Sends,
    /// Configuration space without Message Control and the mask bits: no other thread looks at it.
    config: Plain<[u8; 256]>,
    state: Mutex<State>,
    cpus: Vec<&'static Cpu>,
}

#[derive(Default)]
struct State {
    /// What of Message Control can be written.
    control: u16,
    is_masked: bool,
    is_pending: bool,
    cpu: usize,
    vector: u8,
    posted: VecDeque<(u64, u32)>,
}

impl Device {
    /// Where it is.
    pub(crate) fn address() -> Address {
        Address::new(0, 0, DEVICE, 0)
    }

    pub(crate) fn new(sends: Sends, cpus: Vec<&'static Cpu>) -> Self {
        let is_masked = sends == Sends::Msix;
        let mut config = [0; 256];
        let mut set = |offset: u16, value: u32| {
            config[usize::from(offset)..][..4].copy_from_slice(&value.to_le_bytes());
        };
        set(0x00, 0x11e8_1234);
        // Status: there is a list of capabilities.
        set(0x04, 1 << 20);
        set(0x08, 0x00ff_0000);
        set(BAR_REGISTER, BAR);
        set(0x34, CAPABILITY.into());
        match sends {
            Sends::Msix => {
                set(CAPABILITY, 0x11);
                set(CAPABILITY + 8, PENDING);
            }
            Sends::Msi { is_maskable } => set(CAPABILITY, 0x05 | 1 << 23 | u32::from(is_maskable) << 24),
        }
        Self { sends, config: Plain::new(config), state: Mutex::new(State { is_masked, ..State::default() }), cpus }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread panics with it")
    }

    fn is_enabled(&self, state: &State) -> bool {
        match self.sends {
            Sends::Msix => state.control & MsixCapability::ENABLE != 0,
            Sends::Msi { .. } => state.control & MsiCapability::ENABLE != 0,
        }
    }

    fn is_masked(&self, state: &State) -> bool {
        let function = self.sends == Sends::Msix && state.control & MsixCapability::FUNCTION_MASK != 0;
        function || state.is_masked
    }

    /// Sends its message, as far as it is enabled and not masked.
    pub(crate) fn send(&self) {
        let mut state = self.state();
        match (self.is_enabled(&state), self.is_masked(&state)) {
            (true, true) => state.is_pending = true,
            (true, false) => self.cpus[state.cpu].request(state.vector),
            (false, _) => {}
        }
    }

    /// Executes the posted writes.
    pub(crate) fn take_in(&self) {
        self.settle(&mut self.state());
    }

    fn settle(&self, state: &mut State) {
        while let Some((offset, value)) = state.posted.pop_front() {
            match offset {
                ADDRESS => state.cpu = cpu_of(value),
                DATA => state.vector = u8::try_from(value).expect("a vector"),
                VECTOR_CONTROL => state.is_masked = value & 1 != 0,
                _ => {}
            }
            self.send_pending(state);
        }
    }

    fn send_pending(&self, state: &mut State) {
        if state.is_pending && self.is_enabled(state) && !self.is_masked(state) {
            state.is_pending = false;
            self.cpus[state.cpu].request(state.vector);
        }
    }

    pub(crate) fn read_bar(&self, offset: u64) -> u32 {
        cpu::boundary();
        let mut state = self.state();
        self.settle(&mut state);
        match offset {
            VECTOR_CONTROL => state.is_masked.into(),
            _ if offset == PENDING.into() => state.is_pending.into(),
            _ => 0,
        }
    }

    fn write_bar(&self, offset: u64, value: u32) {
        cpu::boundary();
        self.state().posted.push_back((offset, value));
    }

    fn plain(&self, offset: u16, width: Width) -> u32 {
        let config = self.config.lock().expect("no thread panics with it");
        let bytes = &config[usize::from(offset)..][..usize::from(width.bytes())];
        bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte))
    }

    fn set_plain(&self, offset: u16, width: Width, value: u32) {
        let mut config = self.config.lock().expect("no thread panics with it");
        let length = usize::from(width.bytes());
        config[usize::from(offset)..][..length].copy_from_slice(&value.to_le_bytes()[..length]);
    }
}

impl ConfigAccess for Device {
    fn read(&self, address: Address, offset: u16, width: Width) -> u32 {
        if address != Self::address() {
            return width.ones();
        }
        let value = self.plain(offset, width);
        // The whole dword begins two bytes before.
        let shift = match (offset, width) {
            (CONTROL, Width::Word) => 0,
            (CAPABILITY, Width::Dword) => 16,
            _ => return value,
        };
        cpu::boundary();
        let mut state = self.state();
        self.settle(&mut state);
        value | u32::from(state.control) << shift
    }

    /// Not posted: the write is answered.
    fn write(&self, address: Address, offset: u16, width: Width, value: u32) {
        if address != Self::address() {
            return;
        }
        if offset < CAPABILITY {
            match offset {
                BAR_REGISTER => self.set_plain(offset, width, value & !0xfff),
                4 if width == Width::Word => self.set_plain(offset, width, value),
                _ => {}
            }
            return;
        }
        cpu::boundary();
        let mut state = self.state();
        self.settle(&mut state);
        let word = (value & 0xffff) as u16;
        match self.sends {
            _ if (offset, width) == (CONTROL, Width::Word) => {
                let fixed = (self.plain(offset, width) & 0xffff) as u16;
                state.control = word & !fixed;
            }
            Sends::Msi { .. } if offset == CAPABILITY + 4 => state.cpu = cpu_of(value),
            Sends::Msi { .. } if offset == CAPABILITY + 12 => state.vector = word.to_le_bytes()[0],
            Sends::Msi { is_maskable: true } if offset == CAPABILITY + 16 => state.is_masked = value & 1 != 0,
            _ => {}
        }
        self.send_pending(&mut state);
    }

    fn size(&self, _: Address) -> u16 {
        256
    }
}

/// Returns the CPU that a message's address names.
fn cpu_of(address: u32) -> usize {
    (address >> 12 & 0xff) as usize
}

/// A part of its BAR.
pub(crate) struct Window {
    pub(crate) device: &'static Device,
    pub(crate) start: u64,
}

impl RegisterAccess for Window {
    fn read(&self, offset: u64, _bytes: u8) -> u64 {
        self.device.read_bar(self.start + offset).into()
    }

    fn write(&self, offset: u64, _bytes: u8, value: u64) {
        self.device.write_bar(self.start + offset, (value & 0xffff_ffff) as u32);
    }
}
