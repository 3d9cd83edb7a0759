//! The end: every function is taken off the bus, so that no device writes into the memory of a machine that died.
//!
//! A panic may strike anywhere: in the middle of an access by ports, with the inventory locked, with the heap in
//! pieces. So nothing here waits for a lock, allocates, or follows a pointer that somebody may be changing: which
//! buses there are is kept in a few atomic words, and each of them is gone through function by function.

use super::Machine;
use crate::config::{Address, COMMAND, Command, ConfigAccess, Width};

impl Machine {
    /// Takes bus mastering and the pin from every function, bridges included, on every bus that was found. Messages
    /// are memory writes, so these end too. What the functions decode stays, since the console may be among it.
    ///
    /// For the last moments of a machine, from whatever context: it goes past the locks. Other CPUs must stand still.
    pub fn quiesce(&self) {
        self.inventory.buses().iter().for_each(|bus| quiesce_bus(self.config, 0, bus));
        // Of other segments, which few machines have, nothing is kept.
        for segment in 1..=self.config.last_segment() {
            let buses = (0..=u8::MAX).filter(|bus| self.config.has_bus(segment, *bus));
            buses.for_each(|bus| quiesce_bus(self.config, segment, bus));
        }
    }
}

/// Lower buses come first: a bridge that does not master its bus passes nothing on from those behind it.
fn quiesce_bus(config: &dyn ConfigAccess, segment: u16, bus: u8) {
    (0..=u8::MAX).for_each(|slot| quiesce(config, Address::new(segment, bus, slot >> 3, slot & 7)));
}

fn quiesce(config: &dyn ConfigAccess, address: Address) {
    let read = |offset| (config.read_unlocked(address, offset, Width::Word) & 0xffff) as u16;
    // 0xffff: nothing there. A function that is there may have any other vendor; its Command takes what it takes.
    if read(0) == u16::MAX {
        return;
    }
    let command = Command::from_bits_retain(read(COMMAND));
    let quiet = (command | Command::INTERRUPT_DISABLE) - Command::BUS_MASTER_ENABLE;
    config.write_unlocked(address, COMMAND, Width::Word, quiet.bits().into());
    // A read cannot overtake what the function wrote before it: nothing of it is under way to memory now.
    read(0);
}
