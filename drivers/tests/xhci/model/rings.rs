//! The controller's side of rings, and what it does with commands and transfers.

use std::collections::BTreeMap;

use switchboard_testing::FakeMachine;

use super::{Model, State, Violation};

/// A TRB as four dwords.
pub(super) type Trb = [u32; 4];

/// A ring that the driver writes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Consumer {
    at: u64,
    cycle: u32,
    pub(super) is_halted: bool,
}

impl Consumer {
    /// A ring at an address whose bit 0 is the cycle state.
    pub(super) fn new(pointer: u64) -> Self {
        Self { at: pointer & !0xf, cycle: u32::from(pointer & 1 != 0), is_halted: false }
    }

    /// Takes the next TRB, with its address.
    pub(super) fn take(&mut self, fake: &FakeMachine) -> Option<(u64, Trb)> {
        loop {
            let bytes = fake.dma_read(self.at, 16).expect("memory in use");
            let trb: Vec<_> = bytes.chunks(4).map(|dword| u32::from_le_bytes(dword.try_into().unwrap())).collect();
            let trb: Trb = trb.try_into().unwrap();
            if trb[3] & 1 != self.cycle {
                return None;
            }
            if trb[3] >> 10 & 0x3f == 6 {
                self.at = address(trb);
                self.cycle ^= trb[3] >> 1 & 1;
                continue;
            }
            self.at += 16;
            return Some((self.at - 16, trb));
        }
    }
}

pub(super) fn address(trb: Trb) -> u64 {
    u64::from(trb[0]) | u64::from(trb[1]) << 32
}

/// The event ring.
#[derive(Debug)]
pub(super) struct Producer {
    start: u64,
    size: u64,
    posted: u64,
}

impl Producer {
    pub(super) fn new(start: u64, size: u8) -> Self {
        Self { start, size: if size == 0 { 256 } else { size.into() }, posted: 0 }
    }

    pub(super) fn posted(&self) -> u64 {
        self.posted
    }

    pub(super) fn post(&mut self, fake: &FakeMachine, event: Trb) {
        let (index, round) = (self.posted % self.size, self.posted / self.size);
        let cycle = u32::from(round % 2 == 0);
        let [a, b, c, d] = event;
        let bytes: Vec<_> = [a, b, c, d | cycle].into_iter().flat_map(u32::to_le_bytes).collect();
        fake.dma_write(self.start + index * 16, &bytes).expect("memory in use");
        self.posted += 1;
    }
}

impl Model {
    /// Returns the pointer to the ring in an endpoint's context of an input.
    fn ring_of(&self, state: &State, input: u64, endpoint: u8) -> u64 {
        let bytes = if state.behaviour.are_contexts_64_bytes { 64 } else { 32 };
        let context = input + (u64::from(endpoint) + 1) * bytes;
        u64::from_le_bytes(self.fake.dma_read(context + 8, 8).expect("memory in use").try_into().unwrap())
    }

    fn input_dword(&self, input: u64, offset: u64) -> u32 {
        u32::from_le_bytes(self.fake.dma_read(input + offset, 4).expect("memory in use").try_into().unwrap())
    }

    pub(super) fn carry_out_commands(&self, state: &mut State) {
        if state.behaviour.ignores_commands {
            return;
        }
        while let Some((at, trb)) = state.commands.as_mut().and_then(|commands| commands.take(self.fake)) {
            let [.., endpoint, mut slot] = trb[3].to_le_bytes();
            let (mut code, input) = (1, address(trb));
            match trb[3] >> 10 & 0x3f {
                9 => {
                    slot = (1..=8).find(|slot| !state.slots.contains_key(slot)).unwrap();
                    state.slots.insert(slot, (0, BTreeMap::new()));
                }
                10 => drop(state.slots.remove(&slot)),
                11 => {
                    let bytes = if state.behaviour.are_contexts_64_bytes { 64 } else { 32 };
                    let port = self.input_dword(input, bytes + 4).to_le_bytes()[2];
                    let ring = Consumer::new(self.ring_of(state, input, 1));
                    state.slots.insert(slot, (port, BTreeMap::from([(1, ring)])));
                }
                12 => {
                    let add = self.input_dword(input, 4);
                    for number in (2..32).filter(|number| add >> number & 1 != 0) {
                        let ring = Consumer::new(self.ring_of(state, input, number));
                        state.slots.get_mut(&slot).unwrap().1.insert(number, ring);
                    }
                }
                13 => {}
                14 => match state.slots.get_mut(&slot).and_then(|it| it.1.get_mut(&(endpoint & 31))) {
                    Some(ring) if ring.is_halted => ring.is_halted = false,
                    _ => code = 19,
                },
                15 => {}
                16 => {
                    let ring = Consumer::new(input);
                    state.slots.get_mut(&slot).unwrap().1.insert(endpoint & 31, ring);
                }
                other => panic!("command {other}"),
            }
            let (low, high) = ((at & 0xffff_ffff) as u32, (at >> 32) as u32);
            self.post(state, [low, high, code << 24, u32::from(slot) << 24 | 33 << 10]);
        }
    }

    pub(super) fn carry_out_transfers(&self, state: &mut State) {
        state.doorbells.clear();
        let rings = state
            .slots
            .iter()
            .flat_map(|(slot, (port, rings))| rings.keys().map(move |endpoint| (*slot, *port, *endpoint)));
        let rings: Vec<_> = rings.collect();
        for (slot, port, endpoint) in rings {
            while self.transfer(state, slot, port, endpoint).is_some() {}
        }
    }

    /// Carries out the next transfer of an endpoint, if the device has something to do with it.
    fn transfer(&self, state: &mut State, slot: u8, port: u8, endpoint: u8) -> Option<()> {
        let ring = *state.slots.get(&slot)?.1.get(&endpoint)?;
        let behaviour = state.behaviour.clone();
        if ring.is_halted || endpoint > 1 && port == 2 && behaviour.ignores_bulk {
            return None;
        }
        let mut next = ring;
        next.take(self.fake)?;
        next = ring;
        let mut device = core::mem::take(&mut state.devices[usize::from(port) - 1]);
        let mut end = None;
        if endpoint == 1 {
            let (_, setup) = next.take(self.fake).expect("a setup stage");
            let request = u64::from(setup[0]) | u64::from(setup[1]) << 32;
            let (mut at, mut trb) = next.take(self.fake).expect("a stage");
            if trb[3] >> 10 & 0x3f == 3 {
                if let Some(data) = device.control(request) {
                    let length = data.len().min((trb[2] & 0x1ffff) as usize);
                    self.fake.dma_write(address(trb), &data[..length]).expect("memory in use");
                    if length < (trb[2] & 0x1ffff) as usize {
                        self.end(state, slot, endpoint, at, 13, (trb[2] & 0x1ffff) - u32::try_from(length).unwrap());
                    }
                }
                (at, trb) = next.take(self.fake).expect("a status stage");
            } else {
                device.control(request);
            }
            assert_eq!(trb[3] >> 10 & 0x3f, 4);
            end = Some((at, 1, 0));
        } else if let Some((at, trb)) = next.take(self.fake) {
            let length = (trb[2] & 0x1ffff) as usize;
            end = device.transfer(self.fake, &behaviour, endpoint, address(trb), length).map(|done| match done {
                Ok(done) => (at, if done < length { 13 } else { 1 }, u32::try_from(length - done).unwrap()),
                Err(()) => {
                    next.is_halted = true;
                    (at, 6, u32::try_from(length).unwrap())
                }
            });
        }
        state.devices[usize::from(port) - 1] = device;
        let (at, code, residual) = end?;
        *state.slots.get_mut(&slot)?.1.get_mut(&endpoint)? = next;
        match behaviour.violation {
            Some(Violation::ForeignTransfer) => self.end(state, slot, endpoint, 0x1234_5670, code, residual),
            Some(Violation::Residual) => self.end(state, slot, endpoint, at, 13, 0xff_ffff),
            _ => self.end(state, slot, endpoint, at, code, residual),
        }
        Some(())
    }

    fn end(&self, state: &mut State, slot: u8, endpoint: u8, at: u64, code: u32, residual: u32) {
        let (low, high) = ((at & 0xffff_ffff) as u32, (at >> 32) as u32);
        let control = u32::from(slot) << 24 | u32::from(endpoint) << 16 | 32 << 10;
        self.post(state, [low, high, code << 24 | residual, control]);
    }
}
