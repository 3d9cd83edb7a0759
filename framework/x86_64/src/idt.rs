//! The interrupt descriptor table: 256 gates, each on a stack of the interrupt stack table.

#![expect(unsafe_code, reason = "gates contain the addresses that the CPU jumps to")]

use spin::Once;
use x86_64::VirtAddr;
use x86_64::instructions::tables::lidt;
use x86_64::structures::DescriptorTablePointer;
use x86_64::structures::idt::{Entry, HandlerFunc};

use super::entry;
use super::stacks::Ist;

/// The table. Unlike the `x86_64` crate's it has the reserved vectors too, which a stray message may carry.
#[repr(C, align(16))]
struct Table([Entry<HandlerFunc>; 256]);

static TABLE: Once<Table> = Once::new();

/// Loads the table on this CPU. The first call builds it.
pub(super) fn load() {
    let table = TABLE.call_once(|| {
        let mut table = Table([const { Entry::missing() }; 256]);
        for (vector, gate) in (0..=u8::MAX).zip(&mut table.0) {
            // SAFETY: the stub is made for this vector and ends with `iretq`, as an interrupt gate requires. The gates
            // have the current code segment and disable interrupts.
            let options = unsafe { gate.set_handler_addr(entry::stub(vector)) };
            // SAFETY: the TSS has a stack at each of these indices, for this class of vectors alone.
            unsafe { options.set_stack_index(ist(vector) as u16) };
        }
        table
    });
    let limit = u16::try_from(size_of::<Table>() - 1).expect("256 gates of 16 bytes");
    let pointer = DescriptorTablePointer { limit, base: VirtAddr::from_ptr(table) };
    // SAFETY: the table is static, and each of its gates has the address of a stub.
    unsafe { lidt(&pointer) };
}

fn ist(vector: u8) -> Ist {
    match vector {
        2 => Ist::NonMaskable,
        8 => Ist::DoubleFault,
        18 => Ist::MachineCheck,
        0..32 => Ist::Exception,
        _ => Ist::Interrupt,
    }
}
