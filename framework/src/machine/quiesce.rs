//! Quiescing the whole machine at its end, so that no device writes into memory after a panic or before a restart.
//!
//! A panic may occur anywhere: during an access by I/O ports, with the inventory locked, with the heap inconsistent. So nothing
//! here waits for a lock, allocates, or follows a pointer that other code may be changing. The buses in use are kept in a few
//! atomic words, and every function number of each bus is probed.

use super::Machine;
use crate::config::{Address, COMMAND, Command, ConfigAccess, Width};

impl Machine {
    /// Turns bus mastering and the pin off for every function, including bridges, on every bus that was found. Messages are
    /// memory writes, so they stop too. Decoding stays on, because the console may be on one of the functions.
    ///
    /// It ignores locks and can be called from any context, as the last act on the machine. Other CPUs must be stopped.
    ///
    /// ```
    /// # use switchboard_testing::{FakeFunction, FakeMachine};
    /// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8)]);
    /// # let machine = fake.machine();
    /// # let address = machine.functions()[0].address;
    /// # let resources = machine.take_all().remove(0).claim()?;
    /// # let buffer = resources.dma.buffer(64)?;
    /// let is_bus_master = || fake.read_config(address, 4) & 4 != 0;
    /// assert!(is_bus_master());
    /// machine.quiesce();
    /// assert!(!is_bus_master());
    /// # Ok::<(), switchboard::driver::ProbeError>(())
    /// ```
    pub fn quiesce(&self) {
        self.inventory.buses().iter().for_each(|bus| quiesce_bus(self.config, 0, bus));
        // The buses of other segments, which few machines have, are not recorded, so all of them are probed.
        for segment in 1..=self.config.last_segment() {
            let buses = (0..=u8::MAX).filter(|bus| self.config.has_bus(segment, *bus));
            buses.for_each(|bus| quiesce_bus(self.config, segment, bus));
        }
    }
}

/// The caller quiesces lower buses first: a bridge without bus mastering forwards nothing of the functions behind it.
fn quiesce_bus(config: &dyn ConfigAccess, segment: u16, bus: u8) {
    (0..=u8::MAX).for_each(|slot| quiesce(config, Address::new(segment, bus, slot >> 3, slot & 7)));
}

fn quiesce(config: &dyn ConfigAccess, address: Address) {
    let read = |offset| (config.read_unlocked(address, offset, Width::Word) & 0xffff) as u16;
    let command = Command::from_bits_retain(read(COMMAND));
    // 0xffff in both: no function. Every other value is a function, whose Command register is written. A virtual function has a
    // Command register, and no Vendor ID.
    if read(0) == u16::MAX && command.bits() == u16::MAX {
        return;
    }
    let quiesced = (command | Command::INTERRUPT_DISABLE) - Command::BUS_MASTER_ENABLE;
    config.write_unlocked(address, COMMAND, Width::Word, quiesced.bits().into());
    // The completion of a read cannot pass the writes that the function sent before: they have all arrived in memory now.
    read(0);
}
