//! The interrupt controller of the fake machine, which records what the framework programs.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use switchboard::interrupt::{ChipsetAnswer, Gsi, Route, RouteError, RouteSource, Vector, Wire};
use switchboard::platform::{InterruptController, MessageTarget};
use switchboard::sync::IrqLock;

/// The address of messages to the first CPU.
const MESSAGES: u64 = 0xfee0_0000;
/// Inputs of the I/O APIC.
const INPUTS: usize = 24;

/// An I/O APIC whose inputs a test asserts, and a local APIC that records what software raises.
#[derive(Debug)]
pub(super) struct FakeController {
    lines: IrqLock<BTreeMap<Gsi, Input>>,
    raised: IrqLock<Vec<Vector>>,
}

#[derive(Debug, Clone, Copy)]
struct Input {
    vector: Vector,
    masked: bool,
}

impl FakeController {
    pub(super) const fn new() -> Self {
        Self { lines: IrqLock::new(BTreeMap::new()), raised: IrqLock::new(Vec::new()) }
    }

    /// Returns the vector that an assertion of the line reaches, or `None` when it is masked or not connected.
    pub(super) fn delivers(&self, gsi: Gsi) -> Option<Vector> {
        self.lines.lock().get(&gsi).filter(|input| !input.masked).map(|input| input.vector)
    }

    /// Returns the vector that a write of `data` to `address` raises, or `None` when that is no message.
    pub(super) fn vector_of(address: u64, data: u32) -> Option<Vector> {
        let cpu = u32::try_from((address - address % 0x1000).checked_sub(MESSAGES)? >> 12).ok()?;
        Some(Vector::new(cpu, u8::try_from(data).ok()?))
    }

    /// Takes the vectors that software has raised since the last call.
    pub(super) fn take_raised(&self) -> Vec<Vector> {
        core::mem::take(&mut *self.raised.lock())
    }

    fn set_masked(&self, gsi: Gsi, masked: bool) {
        if let Some(input) = self.lines.lock().get_mut(&gsi) {
            input.masked = masked;
        }
    }
}

impl InterruptController for FakeController {
    fn message(&self, vector: Vector) -> MessageTarget {
        // As on x86: the CPU in bits 12 to 19 of the address.
        MessageTarget { address: MESSAGES | u64::from(vector.cpu()) << 12, data: vector.number().into() }
    }

    fn raise(&self, vector: Vector) {
        self.raised.lock().push(vector);
    }

    fn call(&self, vector: Vector) {
        self.raise(vector);
    }

    fn clear_remote_irr(&self, _: Vector) {}

    fn route(&self, wire: Wire, interrupt_line: u8) -> Result<Route, RouteError> {
        match interrupt_line {
            0 | 255 => {
                let chipset = ChipsetAnswer::UnknownWiring { device: wire.device };
                Err(RouteError::NotRouted { wire, chipset, interrupt_line, inputs: INPUTS })
            }
            _ => Ok(Route { gsi: Gsi(interrupt_line.into()), source: RouteSource::Fake }),
        }
    }

    fn connect(&self, gsi: Gsi, vector: Vector) -> Result<(), RouteError> {
        if gsi.0 as usize >= INPUTS {
            return Err(RouteError::NoSuchGsi { gsi: gsi.0 });
        }
        self.lines.lock().insert(gsi, Input { vector, masked: true });
        Ok(())
    }

    fn mask(&self, gsi: Gsi) {
        self.set_masked(gsi, true);
    }

    fn unmask(&self, gsi: Gsi) {
        self.set_masked(gsi, false);
    }
}
