//! The I/O APICs, which deliver lines as vectors.

#![expect(unsafe_code, reason = "the I/O APICs' registers")]

use alloc::vec::Vec;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

use x2apic::ioapic::{IoApic, IrqFlags, RedirectionTableEntry};

use crate::madt::{Madt, Polarity};
use crate::memory::MachineMemory;
use switchboard::interrupt::{Gsi, RouteError, Vector};

/// The I/O APICs of the machine.
#[derive(Debug)]
pub(crate) struct IoApics {
    units: Vec<Unit>,
}

#[derive(Debug)]
struct Unit {
    apic: IoApic,
    first_gsi: u32,
    last_input: u8,
    /// Its EOI register, which clears Remote IRR; null where it has none.
    eoi: AtomicPtr<u32>,
}

/// The first version with an EOI register, and the offset of that (82093AA's successors; SDM vol. 3, 11.8.5).
const EOI_VERSION: u8 = 0x20;
const EOI: usize = 0x40;

impl IoApics {
    /// Maps the I/O APICs of the MADT and masks all their inputs. One that cannot be mapped is left out.
    pub(crate) fn new(madt: &Madt) -> Self {
        let units = madt.io_apics.iter().filter_map(|entry| {
            // Two 32-bit registers, the second at offset 16, and perhaps a third.
            let page = MachineMemory::map(entry.address, EOI as u64 + 4);
            let page = page.inspect_err(|error| log::warn!("no I/O APIC at {:#x}: {error}", entry.address)).ok()?;
            // SAFETY: firmware reports an I/O APIC there, it is mapped uncached for good, and each entry of
            // the table is used once.
            let mut apic = unsafe { IoApic::new(page.addr().get() as u64) };
            // SAFETY: the mapping is valid.
            let last_input = unsafe { apic.max_table_entry() };
            for input in 0..=last_input {
                // SAFETY: the input is one that it has.
                unsafe { apic.disable_irq(input) };
            }
            // SAFETY: the mapping is valid.
            let has_eoi = unsafe { apic.version() } >= EOI_VERSION;
            let eoi = if has_eoi { page.as_ptr().wrapping_byte_add(EOI).cast() } else { ptr::null_mut() };
            Some(Unit { apic, first_gsi: entry.first_gsi, last_input, eoi: AtomicPtr::new(eoi) })
        });
        Self { units: units.collect() }
    }

    /// Returns the number of inputs.
    pub(crate) fn inputs(&self) -> usize {
        self.units.iter().map(|unit| usize::from(unit.last_input) + 1).sum()
    }

    /// Returns whether one of them has the input of that GSI.
    pub(crate) fn has(&mut self, gsi: Gsi) -> bool {
        self.find(gsi).is_some()
    }

    fn find(&mut self, gsi: Gsi) -> Option<(&mut IoApic, u8)> {
        self.units.iter_mut().find_map(|unit| {
            let input = u8::try_from(gsi.0.checked_sub(unit.first_gsi)?).ok()?;
            (input <= unit.last_input).then_some((&mut unit.apic, input))
        })
    }

    /// Connects a line to a vector: level-triggered, masked.
    ///
    /// # Errors
    /// [`RouteError::NoSuchGsi`] when no I/O APIC has the input, or the CPU cannot be named in an entry.
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

    /// Clears Remote IRR of the inputs that deliver a vector, where the I/O APIC still waits for the EOI. A level that
    /// is still asserted is delivered again.
    pub(crate) fn clear_remote_irr(&mut self, vector: Vector) {
        for eoi in self.units.iter().map(|unit| unit.eoi.load(Ordering::Relaxed)).filter(|eoi| !eoi.is_null()) {
            // SAFETY: the register is there, mapped for good, and takes any vector.
            unsafe { eoi.write_volatile(vector.number().into()) };
        }
    }

    /// Masks or unmasks a line.
    pub(crate) fn set_masked(&mut self, gsi: Gsi, is_masked: bool) {
        match (self.find(gsi), is_masked) {
            // SAFETY: the input is one that it has.
            (Some((apic, input)), true) => unsafe { apic.disable_irq(input) },
            // SAFETY: as above; `connect` has connected it to a vector.
            (Some((apic, input)), false) => unsafe { apic.enable_irq(input) },
            (None, _) => {}
        }
    }
}
