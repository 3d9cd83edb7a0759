//! The driver of ivshmem-doorbell: shared memory of guests and host programs, and interrupts between them.
//!
//! All peers of one server can write the memory, and signal any vector of each other (QEMU, `docs/specs/ivshmem-spec`).
//! The driver accepts only messages, because the device has no register by which a handler could claim a line.
//!
//! The driver and its peers agree on the [`layout`] of the memory: sequence numbers of the interrupts raised and served, so
//! that both sides can detect a lost one.

#[cfg(test)]
mod tests;

use alloc::sync::Arc;

use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::{Function, Presence, Resources};
use switchboard::interrupt::{Cpu, Each, InIsr, Live, MessageRoutine, MessageSet, Messages, Mode, SteerError};
use switchboard::messages;
use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock, WriteOnly};

use crate::raise::{Raise, RaiseError, SourceCounts};

/// The largest number of vectors that this driver serves; the device may have more.
pub const VECTORS: usize = 8;

/// The layout of the shared memory: offsets in bytes. Every value has 8 bytes, little-endian.
pub mod layout {
    /// For each vector, the number of the last interrupt raised. Written before the vector is signalled.
    pub const RAISED: u64 = 0x000;
    /// For each vector, the last number that the handler has served.
    pub const ANSWERED: u64 = 0x200;
    /// For each vector, the number of handler calls that found a new number.
    pub const HANDLED: u64 = 0x400;
    /// The number of vectors that the guest serves, from the first one on. Zero before that: earlier signals are lost.
    pub const SERVED: u64 = 0x600;
    /// Non-zero once the peer raises no more interrupts.
    pub const FINISHED: u64 = 0x640;
    /// For each vector, the number of handler calls that found no new number.
    pub const IDLE: u64 = 0x800;
    /// The distance between the values of two vectors: a cache line.
    pub const STRIDE: u64 = 0x40;
}

#[derive(Debug)]
struct Registers;

impl RegisterBlock for Registers {
    const SIZE: u64 = 0x100;
}

/// Our peer id; -1 until the server has sent it.
const POSITION: Reg<Registers, u32, ReadOnly> = Reg::at(0x08);
/// Signals a vector of a peer. Bits 31 to 16: the peer id; 15 to 0: the vector.
const DOORBELL: Reg<Registers, u32, WriteOnly> = Reg::at(0x0c);

/// The part of the shared memory that the [`layout`] describes.
#[derive(Debug)]
pub struct SharedMemory;

impl RegisterBlock for SharedMemory {
    const SIZE: u64 = 0x1000;
    const ALIGN: u64 = 8;
}

messages! {
    /// The vectors that a peer can signal.
    pub enum Vector { V0, V1, V2, V3, V4, V5, V6, V7 }
}

/// The state that all handlers share.
#[derive(Debug)]
struct Shared {
    memory: Bar<SharedMemory>,
    presence: Presence,
}

/// The handler of one vector. Its counts are exclusive to it; the shared memory has a copy for tasks and peers.
#[derive(Debug)]
struct VectorHandler {
    shared: Arc<Shared>,
    vector: usize,
    /// The last number that was served.
    last: u64,
    handled: u64,
    idle: u64,
}

impl MessageRoutine for VectorHandler {
    fn on_message(&mut self, _isr: &InIsr<'_>) {
        let memory = &self.shared.memory;
        let number = get(memory, layout::RAISED, self.vector);
        // A peer may write any number, and so may a device that was removed return all ones.
        if number == u64::MAX && self.shared.presence.confirm().is_err() {
            return;
        }
        if number > self.last {
            self.last = number;
            self.handled += 1;
        } else {
            self.idle += 1;
        }
        self.publish();
    }
}

impl VectorHandler {
    /// Copies the counts to shared memory.
    fn publish(&self) {
        let memory = &self.shared.memory;
        put(memory, layout::ANSWERED, self.vector, self.last);
        put(memory, layout::HANDLED, self.vector, self.handled);
        put(memory, layout::IDLE, self.vector, self.idle);
    }
}

/// A handler for each vector.
type Handlers = (
    VectorHandler,
    VectorHandler,
    VectorHandler,
    VectorHandler,
    VectorHandler,
    VectorHandler,
    VectorHandler,
    VectorHandler,
);

/// An ivshmem device that counts the interrupts of its peers.
#[derive(Debug)]
pub struct Ivshmem {
    messages: Messages<VECTORS, Each<Vector, Handlers>, Live>,
    shared: Arc<Shared>,
    registers: Bar<Registers>,
    position: u16,
}

impl Driver for Ivshmem {
    const NAME: &'static str = "ivshmem";
    const MATCHES: &'static [Id] = &[Id::new(0x1af4, 0x1110)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        // ivshmem-plain is shared memory alone, which this driver has no use for.
        if function.offers().msix == 0 {
            return Err(ProbeError::LeftAlone("shared memory without interrupts"));
        }
        let Resources { bar0, bar2, irq, presence, .. } = function.claim()?;
        let registers: Bar<Registers> = bar0.map()?;
        let shared = Arc::new(Shared { memory: bar2.map()?, presence });
        // Above 65,535 it is -1: no server is connected.
        let position = u16::try_from(registers.read(&POSITION))
            .map_err(|_| ProbeError::Device("the device has no peer id: no server is connected"))?;
        // The memory outlives the driver, so that each continues the counts of the last one.
        let of = |vector| {
            let stored = |offset| get(&shared.memory, offset, vector);
            let (last, handled, idle) = (stored(layout::ANSWERED), stored(layout::HANDLED), stored(layout::IDLE));
            VectorHandler { shared: shared.clone(), vector, last, handled, idle }
        };
        let handlers = (of(0), of(1), of(2), of(3), of(4), of(5), of(6), of(7));
        let messages = irq.min_vectors(1).grant_messages()?.register_each(handlers).unmask();
        put(&shared.memory, layout::SERVED, 0, messages.vectors() as u64);
        Ok(Self { messages, shared, registers, position })
    }
}

impl Ivshmem {
    /// Returns our peer id.
    #[must_use]
    pub fn position(&self) -> u16 {
        self.position
    }

    /// Signals a vector of a peer. The device ignores unknown peers and vectors.
    pub fn signal(&self, peer: u16, vector: u16) {
        self.registers.write(&DOORBELL, u32::from(peer) << 16 | u32::from(vector));
    }

    /// Returns `true` once the peer raises no more interrupts.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        get(&self.shared.memory, layout::FINISHED, 0) != 0
    }

    /// Returns the shared memory, which peers may write at any time.
    #[must_use]
    pub fn memory(&self) -> &Bar<SharedMemory> {
        &self.shared.memory
    }
}

impl Raise for Ivshmem {
    fn mode(&self) -> Mode {
        self.messages.mode()
    }

    /// The device sends vector n by MSI-X entry n, so only vectors whose entries were granted are served.
    fn sources(&self) -> usize {
        self.messages.vectors()
    }

    /// Signals one of our own vectors.
    fn raise(&mut self, source: usize) -> Result<(), RaiseError> {
        self.shared.presence.check()?;
        let sources = self.sources();
        let vector = u16::try_from(source)
            .ok()
            .filter(|_| source < sources)
            .ok_or(RaiseError::NoSource { index: source, sources })?;
        // Wrapping, because a peer may have written any number.
        put(
            &self.shared.memory,
            layout::RAISED,
            source,
            get(&self.shared.memory, layout::RAISED, source).wrapping_add(1),
        );
        self.signal(self.position, vector);
        Ok(())
    }

    fn steer(&mut self, source: usize, cpu: Cpu) -> Result<(), SteerError> {
        match (self.messages.as_msix(), Vector::ALL.get(source)) {
            (Some(mut entries), Some(vector)) => entries.steer(*vector, cpu),
            _ => Ok(()),
        }
    }

    fn count(&self, source: usize) -> SourceCounts {
        if source >= VECTORS {
            return SourceCounts::default();
        }
        let of = |offset| get(&self.shared.memory, offset, source);
        let handled = of(layout::HANDLED);
        let coalesced = of(layout::ANSWERED).saturating_sub(handled);
        SourceCounts { raised: of(layout::RAISED), handled, coalesced, idle: of(layout::IDLE) }
    }
}

impl Drop for Ivshmem {
    /// Publishes the final counts, with which the next driver continues: a peer may have overwritten them. Then marks in shared
    /// memory that the peers' signals are no longer served.
    fn drop(&mut self) {
        self.messages.with_routines(|(v0, v1, v2, v3, v4, v5, v6, v7)| {
            [v0, v1, v2, v3, v4, v5, v6, v7].into_iter().for_each(|handler| handler.publish());
        });
        put(&self.shared.memory, layout::SERVED, 0, 0);
    }
}

fn get(memory: &Bar<SharedMemory>, offset: u64, vector: usize) -> u64 {
    memory.try_read(offset + layout::STRIDE * vector as u64).unwrap_or(0)
}

fn put(memory: &Bar<SharedMemory>, offset: u64, vector: usize, value: u64) {
    let written = memory.try_write(offset + layout::STRIDE * vector as u64, value);
    debug_assert!(written.is_some(), "the values of {VECTORS} vectors are within the block");
}
