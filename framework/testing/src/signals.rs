//! The interrupts of a fake machine: what its functions send, by the registers that the framework programmed, and what
//! its CPU takes.

#![expect(unsafe_code, reason = "a test delivers interrupts, as the CPU does")]

use super::FakeMachine;
use switchboard::config::{Address, Width};
use switchboard::interrupt::{Gsi, Mode};

/// Offset of the first capability.
const CAPABILITIES: u16 = 0x34;

impl FakeMachine {
    /// Raises a vector, as a local APIC would.
    pub fn deliver(&self, vector: u8) {
        let _one_at_a_time = self.delivery.lock();
        // SAFETY: the lock keeps deliveries from overlapping.
        unsafe { self.vectors.dispatch(vector) };
    }

    /// Delivers what software raised since the last time.
    pub fn deliver_raised(&self) {
        for vector in self.controller.take_raised() {
            self.deliver(vector.number());
        }
    }

    /// Pulls a line once. Says whether it got through to a vector.
    pub fn assert_line(&self, gsi: u32) -> bool {
        let vector = self.controller.delivers(Gsi(gsi));
        vector.inspect(|vector| self.deliver(vector.number())).is_some()
    }

    /// Sends a message as the function would. `None` when it may not: no such mode on, no bus mastering, or the
    /// entry masked, which sets its pending bit.
    pub fn send(&self, address: Address, entry: u16) -> Option<()> {
        if self.is_removed(address) {
            return None;
        }
        let command = self.config.peek(address, 4, Width::Word);
        let vector = match self.mode(address)? {
            Mode::Intx => None,
            Mode::Msi => self.msi_vector(address, entry),
            Mode::Msix => self.msix_vector(address, entry),
        }?;
        (command & 4 != 0).then(|| self.deliver(vector))
    }

    /// The interrupt mode that the function is in, by its registers.
    ///
    /// # Panics
    /// When more than one is on at once.
    #[must_use]
    pub fn mode(&self, address: Address) -> Option<Mode> {
        let line = self.config.peek(address, 4, Width::Word) & 0x400 == 0;
        let on = |id, register, bit| {
            let offset = self.capability(address, id);
            offset.is_some_and(|offset| self.config.peek(address, offset + register, Width::Word) & bit != 0)
        };
        match (line, on(0x05, 2, 1), on(0x11, 2, 0x8000)) {
            (false, false, false) => None,
            (true, false, false) => Some(Mode::Intx),
            (false, true, false) => Some(Mode::Msi),
            (false, false, true) => Some(Mode::Msix),
            modes => panic!("more than one mode is on (INTx, MSI, MSI-X): {modes:?}"),
        }
    }

    pub(super) fn capability(&self, address: Address, id: u8) -> Option<u16> {
        let mut offset = self.config.peek(address, CAPABILITIES, Width::Byte);
        // A list has no more entries than dwords behind the header.
        for _ in 0..48 {
            let place = u16::try_from(offset & 0xfc).ok().filter(|place| *place != 0)?;
            if self.config.peek(address, place, Width::Byte) == u32::from(id) {
                return Some(place);
            }
            offset = self.config.peek(address, place + 1, Width::Byte);
        }
        None
    }

    fn msi_vector(&self, address: Address, entry: u16) -> Option<u8> {
        let (control, data, mask) = self.msi(address)?;
        if u32::from(entry) >= 1 << (control >> 4 & 7) {
            return None;
        }
        if let Some(mask) = mask
            && self.config.peek(address, mask, Width::Dword) & 1 << entry != 0
        {
            let half = mask + 4 + entry / 16 * 2;
            let pending = self.config.peek(address, half, Width::Word) | 1 << (entry % 16);
            self.config.set(address, half, u16::try_from(pending).ok()?);
            return None;
        }
        u8::try_from(self.config.peek(address, data, Width::Word) | u32::from(entry)).ok()
    }

    /// The MSI capability: its control register, where its data is, and where its mask bits are if it has them.
    fn msi(&self, address: Address) -> Option<(u32, u16, Option<u16>)> {
        let offset = self.capability(address, 0x05)?;
        let control = self.config.peek(address, offset + 2, Width::Word);
        let data = offset + if control & 1 << 7 != 0 { 12 } else { 8 };
        Some((control, data, (control & 1 << 8 != 0).then_some(data + 4)))
    }

    /// Sends the MSI messages that are pending and no longer masked, as the function would at once. Says how many.
    pub fn send_pending(&self, address: Address) -> usize {
        let Some((_, _, Some(mask))) = self.msi(address) else { return 0 };
        let pending = |half: u16| self.config.peek(address, mask + 4 + 2 * half, Width::Word);
        let waiting = pending(0) | pending(1) << 16;
        self.config.set(address, mask + 4, 0);
        self.config.set(address, mask + 6, 0);
        // What is masked still becomes pending again.
        (0..32).filter(|entry| waiting & 1 << entry != 0 && self.send(address, *entry).is_some()).count()
    }

    fn msix_vector(&self, address: Address, entry: u16) -> Option<u8> {
        let offset = self.capability(address, 0x11)?;
        let last = self.config.peek(address, offset + 2, Width::Word) & 0x7ff;
        if u32::from(entry) > last {
            return None;
        }
        let place = |register| self.config.peek(address, offset + register, Width::Dword);
        let table = self.bar(address, place(4).to_le_bytes()[0] & 7) + u64::from(place(4) & !7);
        let row = table + 16 * u64::from(entry);
        if self.read_physical(row + 12)? & 1 != 0 {
            let pending = self.bar(address, place(8).to_le_bytes()[0] & 7) + u64::from(place(8) & !7);
            let word = pending + u64::from(entry / 32) * 4;
            let (registers, offset) = self.memory.registers(word)?;
            registers.poke(offset, 4, u64::from(self.read_physical(word)? | 1 << (entry % 32)))?;
            return None;
        }
        u8::try_from(self.read_physical(row + 8)?).ok()
    }

    fn read_physical(&self, physical: u64) -> Option<u32> {
        let (registers, offset) = self.memory.registers(physical)?;
        u32::try_from(registers.peek(offset, 4)? & 0xffff_ffff).ok()
    }
}
