//! As `switchboard::function`, of what a grant needs: a claimed function of a machine with one CPU and one device.

#![expect(unsafe_code, reason = "what lives for ever on a machine lives for one run of a model here")]

use alloc::sync::Arc;

use super::cpu::Cpu;
use super::device::{CAPABILITY, Device, Kind, PENDING};
use super::window::MapError;
use crate::config::{Address, BarOffset, MsiCapability, MsixCapability, Space};
use crate::interrupt::{Mode, Vector, VectorTable, VectorsExhausted};
use crate::machine::MessageTarget;

/// The machine that a claimed function is part of.
pub(crate) struct Machine {
    pub(crate) controller: Controller,
    pub(crate) memory: &'static Device,
    pub(crate) vectors: &'static VectorTable,
}

#[derive(Clone, Copy)]
pub(crate) struct Controller(&'static Cpu);

impl Controller {
    pub(crate) fn message(&self, vector: Vector) -> MessageTarget {
        MessageTarget { address: 0xfee0_0000, data: vector.number.into() }
    }

    pub(crate) fn raise(&self, vector: Vector) {
        self.0.request(vector.number);
    }
}

pub(crate) struct Claimed {
    machine: Machine,
    record: Record,
}

pub(crate) struct Record {
    space: Space,
    pub(crate) msi: Option<MsiCapability>,
    pub(crate) msix: Option<MsixCapability>,
}

#[derive(Default)]
pub(crate) struct Status {
    pub(crate) driver: Option<&'static str>,
    pub(crate) mode: Option<Mode>,
}

pub(crate) struct Offers {
    pub(crate) msi: u8,
}

impl Claimed {
    pub(crate) fn machine(&self) -> &Machine {
        &self.machine
    }

    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    pub(crate) fn space(&self) -> Space {
        self.record.space
    }

    /// It stays.
    pub(crate) fn is_gone(&self) -> bool {
        false
    }

    /// It always masters the bus, and has no pin.
    pub(crate) fn prepare_messages(&self) {}
}

impl Record {
    pub(crate) fn address(&self) -> Address {
        self.space.address()
    }

    pub(crate) fn offers(&self) -> Offers {
        Offers { msi: self.msi.map_or(0, |msi| msi.count) }
    }

    pub(crate) fn status(&self) -> Status {
        Status::default()
    }

    /// The reports are no part of a model.
    pub(crate) fn update(&self, _: impl FnOnce(&mut Status)) {}
}

/// As the framework's, of what messages meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GrantError {
    #[error(transparent)]
    Vectors(#[from] VectorsExhausted),
    #[error("{wanted} wanted, {granted} granted")]
    TooFew { wanted: usize, granted: usize },
    #[error("{entries} entries")]
    NoEntry { entries: usize },
    #[error(transparent)]
    Table(#[from] MapError),
    #[error("{mode}")]
    IgnoresWrites { mode: Mode },
}

/// Lines are no part of the models.
pub(crate) mod lines {
    pub(crate) enum LineState {}
}

/// Runs a model of a claimed function: `work` has ended all its threads when it returns.
pub(crate) fn with_function(kind: Kind, work: impl FnOnce(&'static Cpu, &'static Device, Arc<Claimed>)) {
    let cpu_place = Box::into_raw(Box::new(Cpu::new()));
    // SAFETY: it lives until the end of this function, which outlasts all that the model makes.
    let cpu: &'static Cpu = unsafe { &*cpu_place };
    let device_place = Box::into_raw(Box::new(Device::new(kind, cpu)));
    // SAFETY: as above.
    let device: &'static Device = unsafe { &*device_place };
    let place = |offset| BarOffset { bar: 0, offset };
    let (offset, count, table, pending) = (CAPABILITY, 1, place(0), place(PENDING));
    let msix = MsixCapability { offset, count, is_enabled: false, is_masked: false, table, pending };
    let msix = (kind == Kind::Msix).then_some(msix);
    let record = Record { space: Space::new(device, Address::new(0, 0, 3, 0)), msi: device.msi(), msix };
    let machine = Machine { controller: Controller(cpu), memory: device, vectors: &cpu.vectors };
    work(cpu, device, Arc::new(Claimed { machine, record }));
    // SAFETY: the model is over, and nothing of it is left.
    drop(unsafe { Box::from_raw(device_place) });
    // SAFETY: as above, and the device is gone too.
    drop(unsafe { Box::from_raw(cpu_place) });
}
