//! The interrupts of a fake machine: messages and lines, delivered by the registers that the framework programmed.

#![expect(unsafe_code, reason = "a test delivers interrupts, as the CPU does")]

use super::FakeMachine;
use super::controller::FakeController;
use switchboard::config::{Address, Width};
use switchboard::interrupt::{Gsi, Mode, Vector};

/// Offset of the pointer to the first capability.
const CAPABILITIES: u16 = 0x34;

impl FakeMachine {
    /// Delivers a vector to the boot CPU, as a local APIC does: the handlers that are registered for it run before this
    /// returns.
    ///
    /// ```
    /// use switchboard_testing::FakeMachine;
    ///
    /// let fake = FakeMachine::new([]);
    /// // No handler is registered: the interrupt is counted.
    /// fake.deliver(0x40);
    /// assert_eq!(fake.machine().unexpected_interrupts(), 1);
    /// ```
    pub fn deliver(&self, vector: u8) {
        self.deliver_to(Vector::new(0, vector));
    }

    /// Delivers a vector to its CPU. The CPUs of the machine have the ids 0, 1 and so on; there is no delivery to another one.
    /// Threads deliver to several CPUs at once, and one after the other to one CPU.
    pub fn deliver_to(&self, vector: Vector) {
        let Some(cpu) = usize::try_from(vector.cpu()).ok().and_then(|id| self.cpus.get(id)) else { return };
        let _one_at_a_time = cpu.delivery.lock();
        // SAFETY: the lock keeps deliveries to a CPU from overlapping.
        unsafe { cpu.vectors.dispatch(vector.number()) };
    }

    /// Delivers the vectors that software has raised since the last call: deferred work, and lines that are serviced
    /// again.
    pub fn deliver_raised(&self) {
        for vector in self.controller.take_raised() {
            self.deliver_to(vector);
        }
    }

    /// Asserts a line once. Returns whether it was delivered: the line is connected to a vector and not masked.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use switchboard::function::Resources;
    /// use switchboard::interrupt::{Claim, InIsr, LineIsr};
    /// use switchboard_testing::{FakeFunction, FakeMachine};
    ///
    /// struct Handler;
    /// impl LineIsr for Handler {
    ///     fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
    ///         Claim::Mine
    ///     }
    /// }
    ///
    /// let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x0001).pin(1, 10)]);
    /// let Resources { irq, .. } = fake.machine().take_all().remove(0).claim().unwrap();
    /// let masked = irq.grant_line().unwrap().register(Arc::new(Handler));
    /// assert!(!fake.assert_line(10));
    /// let line = masked.unmask();
    /// assert!(fake.assert_line(10));
    /// # drop(line);
    /// ```
    pub fn assert_line(&self, gsi: u32) -> bool {
        let vector = self.controller.delivers(Gsi(gsi));
        vector.inspect(|vector| self.deliver_to(*vector)).is_some()
    }

    /// Sends the message `entry` of MSI or MSI-X, as the function does. Returns `None` when it cannot: the function is
    /// not in such a mode, is not a bus master, or has the entry masked, which sets its pending bit.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// use switchboard::interrupt::{InIsr, MessageIsr};
    /// use switchboard_testing::{FakeFunction, FakeMachine};
    ///
    /// switchboard::messages! {
    ///     enum Queue { Receive, Transmit }
    /// }
    /// #[derive(Default)]
    /// struct Handler {
    ///     received: AtomicU32,
    /// }
    /// impl MessageIsr<2> for Handler {
    ///     type Message = Queue;
    ///     fn on_message(&self, queue: Queue, _isr: &InIsr<'_>) {
    ///         if matches!(queue, Queue::Receive) {
    ///             self.received.fetch_add(1, Ordering::Relaxed);
    ///         }
    ///     }
    /// }
    ///
    /// let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x0001).bar(0, 0x1000).msix(2, 0, 0, 0x800)]);
    /// let function = fake.machine().take_all().remove(0);
    /// let (address, handler) = (function.address(), Arc::new(Handler::default()));
    /// let irq = function.claim().unwrap().irq;
    /// let messages = irq.grant_messages().unwrap().register(handler.clone()).unmask();
    /// fake.send(address, 0).unwrap();
    /// fake.send(address, 1).unwrap();
    /// assert_eq!(handler.received.load(Ordering::Relaxed), 1);
    /// // The table has two entries.
    /// assert!(fake.send(address, 2).is_none());
    /// # drop(messages);
    /// ```
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
        (command & 4 != 0).then(|| self.deliver_to(vector))
    }

    /// Returns the interrupt mode that the function is in, by its registers, or `None` when it cannot interrupt.
    ///
    /// # Panics
    /// When the framework has enabled more than one.
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

    /// Returns the offset of the first capability with this id, as the device has it.
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

    fn msi_vector(&self, address: Address, entry: u16) -> Option<Vector> {
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
        let target = self.capability(address, 0x05)? + 4;
        let target = self.config.peek(address, target, Width::Dword);
        FakeController::vector_of(target.into(), self.config.peek(address, data, Width::Word) | u32::from(entry))
    }

    /// Returns the control register of the MSI capability, the offset of its data, and that of its mask bits if it has
    /// them.
    fn msi(&self, address: Address) -> Option<(u32, u16, Option<u16>)> {
        let offset = self.capability(address, 0x05)?;
        let control = self.config.peek(address, offset + 2, Width::Word);
        let data = offset + if control & 1 << 7 != 0 { 12 } else { 8 };
        Some((control, data, (control & 1 << 8 != 0).then_some(data + 4)))
    }

    /// Sends the MSI messages that are pending and no longer masked, which a function does as soon as they are
    /// unmasked. Returns their number.
    pub fn send_pending(&self, address: Address) -> usize {
        let Some((_, _, Some(mask))) = self.msi(address) else { return 0 };
        let pending = |half: u16| self.config.peek(address, mask + 4 + 2 * half, Width::Word);
        let waiting = pending(0) | pending(1) << 16;
        self.config.set(address, mask + 4, 0);
        self.config.set(address, mask + 6, 0);
        // A message that is still masked becomes pending again.
        (0..32).filter(|entry| waiting & 1 << entry != 0 && self.send(address, *entry).is_some()).count()
    }

    fn msix_vector(&self, address: Address, entry: u16) -> Option<Vector> {
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
        FakeController::vector_of(self.read_physical(row)?.into(), self.read_physical(row + 8)?)
    }

    fn read_physical(&self, physical: u64) -> Option<u32> {
        let (registers, offset) = self.memory.registers(physical)?;
        u32::try_from(registers.peek(offset, 4)? & 0xffff_ffff).ok()
    }
}
