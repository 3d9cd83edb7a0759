//! A function that sends one message: by MSI-X, or by MSI with or without mask bits.
//!
//! Writes to its BAR are posted: they are under way until it takes them in, which it does at the latest before it
//! answers a read. A message that it may not send stays pending behind a mask bit, and is lost without one.

use std::collections::VecDeque;

use loom::sync::{Mutex, MutexGuard};

use super::cpu::{self, Cpu};
use crate::config::{Address, ConfigAccess, MsiCapability, MsixCapability, Width};

/// Where its capability is.
pub(crate) const CAPABILITY: u16 = 0x40;
/// Where the BAR holds the pending bits, behind a table of one entry.
pub(crate) const PENDING: u32 = 0x10;
const DATA: u64 = 8;
/// Where the BAR holds the mask bit.
pub(crate) const VECTOR_CONTROL: u64 = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Msix,
    Msi { is_maskable: bool },
}

pub(crate) struct Device {
    kind: Kind,
    state: Mutex<State>,
    cpu: &'static Cpu,
}

#[derive(Default)]
struct State {
    control: u16,
    is_masked: bool,
    is_pending: bool,
    vector: u8,
    posted: VecDeque<(u64, u32)>,
}

impl Device {
    pub(crate) fn new(kind: Kind, cpu: &'static Cpu) -> Self {
        let is_masked = kind == Kind::Msix;
        Self { kind, state: Mutex::new(State { is_masked, ..State::default() }), cpu }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }

    fn is_enabled(&self, state: &State) -> bool {
        match self.kind {
            Kind::Msix => state.control & MsixCapability::ENABLE != 0,
            Kind::Msi { .. } => state.control & MsiCapability::ENABLE != 0,
        }
    }

    fn is_masked(&self, state: &State) -> bool {
        let function = self.kind == Kind::Msix && state.control & MsixCapability::FUNCTION_MASK != 0;
        function || state.is_masked
    }

    /// Something happened: sends its message, if it may.
    pub(crate) fn send(&self) {
        let mut state = self.state();
        match (self.is_enabled(&state), self.is_masked(&state)) {
            (true, true) => state.is_pending = true,
            (true, false) => self.cpu.request(state.vector),
            (false, _) => {}
        }
    }

    /// Takes in what was posted.
    pub(crate) fn take_in(&self) {
        self.settle(&mut self.state());
    }

    fn settle(&self, state: &mut State) {
        while let Some((offset, value)) = state.posted.pop_front() {
            match offset {
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
            self.cpu.request(state.vector);
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

    pub(crate) fn write_bar(&self, offset: u64, value: u32) {
        cpu::boundary();
        self.state().posted.push_back((offset, value));
    }

    pub(crate) fn msi(&self) -> Option<MsiCapability> {
        let Kind::Msi { is_maskable } = self.kind else { return None };
        let (count, granted, is_enabled, is_64bit) = (1, 1, false, true);
        Some(MsiCapability { offset: CAPABILITY, count, granted, is_enabled, is_64bit, is_maskable })
    }
}

impl ConfigAccess for Device {
    fn read(&self, _: Address, offset: u16, _: Width) -> u32 {
        cpu::boundary();
        let mut state = self.state();
        self.settle(&mut state);
        if offset == CAPABILITY + MsiCapability::CONTROL { state.control.into() } else { 0 }
    }

    /// Not posted: the write is answered.
    fn write(&self, _: Address, offset: u16, width: Width, value: u32) {
        cpu::boundary();
        let mut state = self.state();
        self.settle(&mut state);
        let word = (value & 0xffff) as u16;
        match self.msi() {
            _ if offset == CAPABILITY + MsiCapability::CONTROL && width == Width::Word => state.control = word,
            Some(msi) if offset == msi.data() => state.vector = word.to_le_bytes()[0],
            Some(msi) if Some(offset) == msi.mask() => state.is_masked = value & 1 != 0,
            _ => {}
        }
        self.send_pending(&mut state);
    }

    fn size(&self, _: Address) -> u16 {
        256
    }
}
