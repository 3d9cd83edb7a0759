//! Steering of messages that are live: masked, served where they were, and sent to another CPU from then on.

use super::error::SteerError;
use super::grant::{MessageGrant, Source};
use crate::machine::Machine;
use crate::sync::primitives::planted;
use crate::vector::{Cpu, InterruptCounters, Placement, VectorBlock};

impl MessageGrant {
    /// Moves the MSI-X entry of one message, and of those folded with it, to a CPU. What the device sends meanwhile is pending, and
    /// served there.
    pub(super) fn steer(&mut self, index: usize, cpu: Cpu) -> Result<(), SteerError> {
        let entry = self.entry(index);
        let machine = self.claimed.machine();
        let Source::Msix(table, vectors) = &mut self.source else { return Ok(()) };
        let old = &mut vectors[entry];
        if old.cpu() == cpu {
            return Ok(());
        }
        let new = allocate(machine, 1, 1, cpu)?;
        let at = self.first + entry;
        planted!(table.mask(at..at + 1), "steered-unmasked" => ());
        let served = planted!(old.is_served(machine), "steered-without-draining" => Ok(()));
        let result = served.map(|()| {
            move_handler(old, &new, 0, self.counters.get(entry).map(|counters| &**counters));
            table.program(at, machine.controller.message(new.vector(0)));
            // Freed at once: nothing that was sent to it is on its way.
            *old = new;
        });
        self.count_if_pending(entry);
        self.unmask_entry(entry);
        result
    }

    /// Moves all messages of MSI, which share one address, to a CPU.
    pub(super) fn steer_block(&mut self, cpu: Cpu) -> Result<(), SteerError> {
        let machine = self.claimed.machine();
        let Source::Msi(msi, old) = &mut self.source else { return Ok(()) };
        if old.cpu() == cpu {
            return Ok(());
        }
        let new = allocate(machine, old.count(), old.count(), cpu)?;
        msi.mask();
        let result = old.is_served(machine).map(|()| {
            for index in 0..old.count() {
                move_handler(old, &new, index, self.counters.get(index).map(|counters| &**counters));
            }
            let target = machine.controller.message(new.vector(0));
            planted!(msi.retarget(target), "block-without-its-address" => { let _ = target; });
            *old = new;
        });
        self.unmask();
        result
    }
}

impl VectorBlock {
    /// Waits until what was sent to the vectors, whose source is masked, has been served.
    fn is_served(&self, machine: &Machine) -> Result<(), SteerError> {
        if self.wait_served(machine.controller) {
            return Ok(());
        }
        let is_idle = (0..self.count()).all(|index| self.slot(index).wait_idle());
        Err(if is_idle { SteerError::NotServed { cpu: self.cpu() } } else { SteerError::InHandler })
    }
}

fn allocate(machine: &Machine, count: usize, align: usize, cpu: Cpu) -> Result<VectorBlock, SteerError> {
    let allocated = machine.cpus.allocate(count, align, true, Placement::Only(cpu));
    allocated.map_err(|exhausted| SteerError::Vectors { cpu, exhausted })
}

/// Moves a handler from the slot of a vector to that of another. Its place is changed while it is in neither: a message that a device
/// forges may call it in any slot, and it then finds the CPU that it runs on.
fn move_handler(old: &VectorBlock, new: &VectorBlock, index: usize, counters: Option<&InterruptCounters>) {
    let handler = old.replace(index, None);
    counters.inspect(|counters| counters.set_place(new, index));
    new.replace(index, handler);
}
