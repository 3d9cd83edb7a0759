//! ivshmem-doorbell: memory that guests and programs of the host share, and interrupts between them.
//!
//! Whoever is connected to the same server can write the memory and ring any vector of any other (QEMU,
//! `docs/specs/ivshmem-spec`). There are only messages: the device has no register that would tell whose line it is.
//!
//! What is where in the memory is this driver's choice, and its peers' ([`place`]): numbers of interrupts, and how
//! far the handler has answered, so that both sides can see that none is lost.

use alloc::sync::Arc;

use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::{Function, Presence, Resources};
use switchboard::interrupt::{Each, InIsr, Live, MessageRoutine, Messages, Mode};
use switchboard::messages;
use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock, WriteOnly};

use crate::raise::{Count, Raise, RaiseError};

/// Vectors that this driver serves; the device may have more.
pub const VECTORS: usize = 8;

/// Where the peers find what in the shared memory. Every value is 8 bytes, little-endian.
pub mod place {
    /// For each vector, the number of the last interrupt raised. Written before the vector is rung.
    pub const RAISED: u64 = 0x000;
    /// For each vector, the last number that the handler answered for.
    pub const ANSWERED: u64 = 0x200;
    /// For each vector, the handler calls that found a new number.
    pub const HANDLED: u64 = 0x400;
    /// How many vectors the guest serves, the first ones. Zero until it does: what is rung before is lost.
    pub const SERVED: u64 = 0x600;
    /// Not zero when the peer has raised all that it wants to.
    pub const FINISHED: u64 = 0x640;
    /// For each vector, the handler calls that found nothing new.
    pub const IDLE: u64 = 0x800;
    /// From one vector's value to the next: a cache line.
    pub const STRIDE: u64 = 0x40;
}

#[derive(Debug)]
struct Registers;

impl RegisterBlock for Registers {
    const SIZE: u64 = 0x100;
}

/// Our number among the peers; negative while the server has not told.
const POSITION: Reg<Registers, u32, ReadOnly> = Reg::at(0x08);
/// Bits 31 to 16: whom to ring; 15 to 0: on which vector.
const DOORBELL: Reg<Registers, u32, WriteOnly> = Reg::at(0x0c);

/// The part of the shared memory that has places.
#[derive(Debug)]
pub struct SharedMemory;

impl RegisterBlock for SharedMemory {
    const SIZE: u64 = 0x1000;
    const ALIGN: u64 = 8;
}

messages! {
    /// The vectors that a peer can ring.
    pub enum Vector { V0, V1, V2, V3, V4, V5, V6, V7 }
}

/// What the handlers share.
#[derive(Debug)]
struct Shared {
    memory: Bar<SharedMemory>,
    presence: Presence,
}

/// The handler of one vector. What it has counted is its own: no other handler and no task touches it, and the memory has
/// a copy for those who want to know.
#[derive(Debug)]
struct Answering {
    shared: Arc<Shared>,
    vector: usize,
    /// The last number answered for.
    last: u64,
    handled: u64,
    idle: u64,
}

impl MessageRoutine for Answering {
    fn on_message(&mut self, _isr: &InIsr<'_>) {
        let memory = &self.shared.memory;
        let number = get(memory, place::RAISED, self.vector);
        // A number may be anything; of one that is gone it is nothing.
        if number == u64::MAX && self.shared.presence.confirm().is_err() {
            return;
        }
        if number > self.last {
            self.last = number;
            self.handled += 1;
        } else {
            self.idle += 1;
        }
        put(memory, place::ANSWERED, self.vector, self.last);
        put(memory, place::HANDLED, self.vector, self.handled);
        put(memory, place::IDLE, self.vector, self.idle);
    }
}

/// A handler for each vector.
type Handlers = (Answering, Answering, Answering, Answering, Answering, Answering, Answering, Answering);

/// One ivshmem device.
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
        let Resources { bar0, bar2, irq, presence, .. } = function.claim()?;
        let registers: Bar<Registers> = bar0.map()?;
        let shared = Arc::new(Shared { memory: bar2.map()?, presence });
        // Above 65,535 it is the -1 of a device that no server has spoken to.
        let position = u16::try_from(registers.read(&POSITION))
            .map_err(|_| ProbeError::Device("the device has no number: is its server there?"))?;
        // The memory outlives its drivers: each goes on where the last one stopped.
        let of = |vector| {
            let found = |place| get(&shared.memory, place, vector);
            let (last, handled, idle) = (found(place::ANSWERED), found(place::HANDLED), found(place::IDLE));
            Answering { shared: shared.clone(), vector, last, handled, idle }
        };
        let handlers = (of(0), of(1), of(2), of(3), of(4), of(5), of(6), of(7));
        let messages = irq.min_vectors(1).grant_messages()?.register_each(handlers).unmask();
        put(&shared.memory, place::SERVED, 0, messages.vectors() as u64);
        Ok(Self { messages, shared, registers, position })
    }
}

impl Ivshmem {
    /// Our number among the peers.
    #[must_use]
    pub fn position(&self) -> u16 {
        self.position
    }

    /// Rings a vector of a peer. A peer or a vector that there is not is ignored by the device.
    pub fn ring(&self, peer: u16, vector: u16) {
        self.registers.write(&DOORBELL, u32::from(peer) << 16 | u32::from(vector));
    }

    /// Whether the peer has said that it raises no more.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        get(&self.shared.memory, place::FINISHED, 0) != 0
    }

    /// The shared memory: untyped, and written by others at any time.
    #[must_use]
    pub fn memory(&self) -> &Bar<SharedMemory> {
        &self.shared.memory
    }
}

impl Raise for Ivshmem {
    fn mode(&self) -> Mode {
        self.messages.mode()
    }

    /// The device rings vector n by entry n, so one whose entry was not granted is not served.
    fn sources(&self) -> usize {
        self.messages.vectors()
    }

    /// Rings a vector of our own.
    fn raise(&mut self, source: usize) -> Result<(), RaiseError> {
        self.shared.presence.check()?;
        let sources = self.sources();
        let vector = u16::try_from(source)
            .ok()
            .filter(|_| source < sources)
            .ok_or(RaiseError::NoSource { index: source, sources })?;
        // Whoever else has the memory may have written any number there.
        put(
            &self.shared.memory,
            place::RAISED,
            source,
            get(&self.shared.memory, place::RAISED, source).wrapping_add(1),
        );
        self.ring(self.position, vector);
        Ok(())
    }

    fn count(&self, source: usize) -> Count {
        if source >= VECTORS {
            return Count::default();
        }
        let of = |place| get(&self.shared.memory, place, source);
        let handled = of(place::HANDLED);
        let coalesced = of(place::ANSWERED).saturating_sub(handled);
        Count { raised: of(place::RAISED), handled, coalesced, idle: of(place::IDLE) }
    }
}

impl Drop for Ivshmem {
    /// The peers ring in vain from here on.
    fn drop(&mut self) {
        put(&self.shared.memory, place::SERVED, 0, 0);
    }
}

fn get(memory: &Bar<SharedMemory>, place: u64, vector: usize) -> u64 {
    memory.try_read(place + place::STRIDE * vector as u64).unwrap_or(0)
}

fn put(memory: &Bar<SharedMemory>, place: u64, vector: usize, value: u64) {
    let written = memory.try_write(place + place::STRIDE * vector as u64, value);
    debug_assert!(written.is_some(), "the places of {VECTORS} vectors lie in the block");
}

#[cfg(test)]
mod tests {
    use switchboard::config::Address;
    use switchboard::driver::attach;
    use switchboard::interrupt::ModePolicy;
    use switchboard_testing::{FakeFunction, FakeMachine};

    use super::*;

    fn here() -> Address {
        Address::new(0, 0, 4, 0)
    }

    fn fake(policy: ModePolicy) -> FakeMachine {
        let function = FakeFunction::new(0x1af4, 0x1110).at("00:04.0").bar(0, 0x100).bar(1, 0x1000).bar(2, 0x1000);
        FakeMachine::with_policy(policy, [function.pin(1, 10).msix(8, 1, 0, 0x800)])
    }

    fn device(fake: &FakeMachine) -> Result<Ivshmem, ProbeError> {
        attach(fake.machine().take_all().remove(0))
    }

    fn low(fake: &FakeMachine, place: u64, vector: u64) -> u32 {
        fake.read_register(here(), 2, place + place::STRIDE * vector)
    }

    #[test]
    fn a_vector_answers_for_the_number_that_its_peer_wrote() {
        let fake = fake(ModePolicy::all());
        let device = device(&fake).expect("it probes");
        assert_eq!(low(&fake, place::SERVED, 0), 8);
        fake.write_register(here(), 2, place::RAISED + place::STRIDE * 5, 3);
        assert_eq!(device.count(5).outstanding(), 3);
        fake.send(here(), 5).expect("sent");
        assert_eq!(device.count(5), Count { raised: 3, handled: 1, coalesced: 2, idle: 0 });
        assert_eq!((low(&fake, place::ANSWERED, 5), low(&fake, place::HANDLED, 5)), (3, 1));
        assert_eq!(device.count(4), Count::default());
    }

    #[test]
    fn it_rings_itself_by_its_own_number() {
        let fake = fake(ModePolicy::all());
        fake.write_register(here(), 0, POSITION.offset(), 7);
        let mut device = device(&fake).expect("it probes");
        device.raise(2).expect("raised");
        assert_eq!(fake.read_register(here(), 0, DOORBELL.offset()), 7 << 16 | 2);
        assert_eq!(low(&fake, place::RAISED, 2), 1);
        assert_eq!(device.raise(8), Err(RaiseError::NoSource { index: 8, sources: 8 }));
    }

    #[test]
    fn without_a_server_or_messages_it_is_refused() {
        let alone = fake(ModePolicy::all());
        alone.write_register(here(), 0, POSITION.offset(), u32::MAX);
        assert!(matches!(device(&alone), Err(ProbeError::Device(_))));
        assert!(matches!(device(&fake(ModePolicy::INTX)), Err(ProbeError::Grant(_))));
    }

    #[test]
    fn a_device_that_is_gone_serves_nothing() {
        let fake = fake(ModePolicy::all());
        drop(device(&fake).expect("it probes"));
        assert_eq!(low(&fake, place::SERVED, 0), 0);
    }
}
