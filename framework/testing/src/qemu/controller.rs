//! The interrupt controller of a bench: dwords of RAM for messages, and the inputs of QEMU's I/O APIC for lines.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::vec::Vec;

use switchboard::config::Pin;
use switchboard::interrupt::{ChipsetAnswer, Gsi, Route, RouteError, RouteSource, Vector, Wire};
use switchboard::platform::{InterruptController, MessageTarget};

/// The bus address of the dwords of messages, one for each vector, in RAM that is no DMA memory.
pub(super) const MESSAGES: usize = 0x10_0000;
/// Inputs of the I/O APIC.
const INPUTS: u32 = 24;

/// Returns the bus address of the dword of a vector.
pub(super) fn message_address(vector: u8) -> usize {
    MESSAGES + 4 * usize::from(vector)
}

/// The state that the framework programs.
#[derive(Debug, Default)]
pub(super) struct Controller {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    lines: BTreeMap<u32, Input>,
    raised: Vec<u8>,
    /// Vectors whose messages devices may have been programmed with.
    messages: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Input {
    vector: u8,
    is_masked: bool,
}

impl Controller {
    fn state<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        act(&mut self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Returns the unmasked lines among `levels`, with their vectors.
    pub(super) fn asserted(&self, levels: u32) -> Vec<(u32, u8)> {
        if levels == 0 {
            return Vec::new();
        }
        let is_asserted = |(gsi, input): &(&u32, &Input)| levels >> **gsi & 1 != 0 && !input.is_masked;
        self.state(|state| state.lines.iter().filter(is_asserted).map(|(gsi, input)| (*gsi, input.vector)).collect())
    }

    /// Returns the vector of a line that is unmasked.
    pub(super) fn unmasked(&self, gsi: u32) -> Option<u8> {
        self.state(|state| state.lines.get(&gsi).filter(|input| !input.is_masked).map(|input| input.vector))
    }

    /// Takes a vector that software has raised. Returns whether it had.
    pub(super) fn take_one_raised(&self, vector: u8) -> bool {
        self.state(|state| {
            let place = state.raised.iter().position(|raised| *raised == vector);
            place.map(|place| state.raised.remove(place)).is_some()
        })
    }

    /// Takes the vectors that software has raised.
    pub(super) fn take_raised(&self) -> Vec<u8> {
        self.state(|state| core::mem::take(&mut state.raised))
    }

    /// Returns the vectors that can arrive as messages.
    pub(super) fn message_vectors(&self) -> Vec<u8> {
        self.state(|state| state.messages.clone())
    }

    /// Returns whether software has raised a vector.
    pub(super) fn has_raised(&self) -> bool {
        self.state(|state| !state.raised.is_empty())
    }

    fn set_masked(&self, gsi: Gsi, is_masked: bool) {
        self.state(|state| state.lines.get_mut(&gsi.0).into_iter().for_each(|input| input.is_masked = is_masked));
    }
}

impl InterruptController for Controller {
    fn message(&self, vector: Vector) -> MessageTarget {
        self.state(|state| {
            if !state.messages.contains(&vector.number()) {
                state.messages.push(vector.number());
            }
        });
        MessageTarget { address: message_address(vector.number()) as u64, data: vector.number().into() }
    }

    fn raise(&self, vector: Vector) {
        self.state(|state| state.raised.push(vector.number()));
    }

    fn call(&self, vector: Vector) {
        self.raise(vector);
    }

    fn clear_remote_irr(&self, _: Vector) {}

    /// The wiring of the ICH9 after its reset: devices below 25 rotate over PIRQE to PIRQH, the others have A to D.
    fn route(&self, wire: Wire, interrupt_line: u8) -> Result<Route, RouteError> {
        if wire.device.bus() != 0 || wire.device.segment() != 0 {
            let chipset = ChipsetAnswer::UnknownWiring { device: wire.device };
            return Err(RouteError::NotRouted { wire, chipset, interrupt_line, inputs: INPUTS as usize });
        }
        let pin = match wire.pin {
            Pin::A => 0,
            Pin::B => 1,
            Pin::C => 2,
            Pin::D => 3,
        };
        let device = u32::from(wire.device.device());
        let gsi = if device < 25 { 20 + (device + pin) % 4 } else { 16 + pin };
        Ok(Route { gsi: Gsi(gsi), source: RouteSource::Fake })
    }

    fn connect(&self, gsi: Gsi, vector: Vector) -> Result<(), RouteError> {
        if gsi.0 >= INPUTS {
            return Err(RouteError::NoSuchGsi { gsi: gsi.0 });
        }
        self.state(|state| state.lines.insert(gsi.0, Input { vector: vector.number(), is_masked: true }));
        Ok(())
    }

    fn mask(&self, gsi: Gsi) {
        self.set_masked(gsi, true);
    }

    fn unmask(&self, gsi: Gsi) {
        self.set_masked(gsi, false);
    }
}
