//! The I/O APICs: lines in, vectors out.

#![expect(unsafe_code, reason = "the I/O APICs' registers")]

use alloc::vec::Vec;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use x2apic::ioapic::{IoApic, IrqFlags, RedirectionTableEntry};

use crate::madt::{Madt, Polarity};
use crate::memory::MachineMemory;
use switchboard::interrupt::{Gsi, RouteError, Vector};

/// All of the machine's I/O APICs.
#[derive(Debug)]
pub(crate) struct IoApics {
    units: Vec<Unit>,
}

#[derive(Debug)]
struct Unit {
    apic: IoApic,
    first_gsi: u32,
    last_input: u8,
    /// Where the end of a delivery can be told it directly; null where it has no such register.
    end: AtomicPtr<u32>,
}

/// From this version on there is a register for that, at this offset (82093AA's successors; SDM vol. 3, 11.8.5).
const HAS_END: u8 = 0x20;
const END: usize = 0x40;

impl IoApics {
    /// Maps the I/O APICs of the MADT and masks all of their inputs. One that cannot be mapped is left out.
    pub(crate) fn new(madt: &Madt) -> Self {
        let units = madt.io_apics.iter().filter_map(|entry| {
            // Two 32-bit registers, the second at offset 16, and perhaps a third.
            let page = MachineMemory::map(entry.address, END as u64 + 4);
            let page = page.inspect_err(|error| log::warn!("no I/O APIC at {:#x}: {error}", entry.address)).ok()?;
            // SAFETY: firmware says that an I/O APIC is there, it is mapped uncached for good, and each entry of
            // the table is used once.
            let mut apic = unsafe { IoApic::new(page.addr().get() as u64) };
            // SAFETY: the mapping is valid.
            let last_input = unsafe { apic.max_table_entry() };
            for input in 0..=last_input {
                // SAFETY: the input is one that it has.
                unsafe { apic.disable_irq(input) };
            }
            // SAFETY: the mapping is valid.
            let has_end = unsafe { apic.version() } >= HAS_END;
            let end = if has_end { page.as_ptr().wrapping_byte_add(END).cast() } else { ptr::null_mut() };
            Some(Unit { apic, first_gsi: entry.first_gsi, last_input, end: AtomicPtr::new(end) })
        });
        Self { units: units.collect() }
    }

    /// How many lines there are.
    pub(crate) fn inputs(&self) -> usize {
        self.units.iter().map(|unit| usize::from(unit.last_input) + 1).sum()
    }

    /// Whether one of them has that line.
    pub(crate) fn has(&mut self, gsi: Gsi) -> bool {
        self.find(gsi).is_some()
    }

    fn find(&mut self, gsi: Gsi) -> Option<(&mut IoApic, u8)> {
        self.units.iter_mut().find_map(|unit| {
            let input = u8::try_from(gsi.0.checked_sub(unit.first_gsi)?).ok()?;
            (input <= unit.last_input).then_some((&mut unit.apic, input))
        })
    }

    /// Points a line at a vector: level-triggered, masked.
    pub(crate) fn connect(&mut self, gsi: Gsi, vector: Vector, polarity: Polarity) -> Result<(), RouteError> {
        let no_such_gsi = RouteError::NoSuchGsi { gsi: gsi.0 };
        let (apic, input) = self.find(gsi).ok_or(no_such_gsi)?;
        let mut flags = IrqFlags::MASKED | IrqFlags::LEVEL_TRIGGERED;
        flags.set(IrqFlags::LOW_ACTIVE, polarity == Polarity::Low);
        let mut entry = RedirectionTableEntry::default();
        entry.set_vector(vector.number());
        entry.set_flags(flags);
        // Without interrupt remapping an entry can name the first 255 CPUs only.
        entry.set_dest(u8::try_from(vector.cpu()).map_err(|_| no_such_gsi)?);
        // SAFETY: the input is one that it has; the entry is masked and leads to a vector with a slot.
        unsafe { apic.set_table_entry(input, entry) };
        Ok(())
    }

    /// Ends the deliveries of a vector that an I/O APIC still waits for the end of. A level that is asserted is delivered
    /// again.
    pub(crate) fn clear_remote_irr(&mut self, vector: Vector) {
        for end in self.units.iter().map(|unit| unit.end.load(Ordering::Relaxed)).filter(|end| !end.is_null()) {
            // SAFETY: the register is there, mapped for good, and takes any vector.
            unsafe { end.write_volatile(vector.number().into()) };
        }
    }

    /// Lets a line through, or holds it back.
    pub(crate) fn set_masked(&mut self, gsi: Gsi, is_masked: bool) {
        match (self.find(gsi), is_masked) {
            // SAFETY: the input is one that it has.
            (Some((apic, input)), true) => unsafe { apic.disable_irq(input) },
            // SAFETY: as above; `connect` has pointed it at a vector.
            (Some((apic, input)), false) => unsafe { apic.enable_irq(input) },
            (None, _) => {}
        }
    }
}
