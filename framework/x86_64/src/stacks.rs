//! The GDT, and the stacks of interrupts and exceptions.
//!
//! Every vector switches stacks by the interrupt stack table (IST) of the TSS. The prebuilt `core` may keep data below
//! the stack pointer (the red zone), which an interrupt on the same stack would overwrite; and a stack overflow is
//! reported on another stack.

#![expect(unsafe_code, reason = "segments and the task register")]

use core::cell::UnsafeCell;
use core::ops::Range;

use spin::Once;
use x86_64::VirtAddr;
use x86_64::instructions::segmentation::{CS, DS, ES, SS, Segment};
use x86_64::instructions::tables::load_tss;
use x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable, SegmentSelector};
use x86_64::structures::tss::TaskStateSegment;

use super::integer::to_usize;
use super::memory_map::PAGE;
use super::paging;

/// Bytes of each of these stacks; its lowest page is the guard.
const STACK_BYTES: usize = 8 * to_usize(PAGE);

/// The stack of a vector: an index into the IST. Vectors that can be delivered while another is served have their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Ist {
    Interrupt,
    Exception,
    NonMaskable,
    DoubleFault,
    MachineCheck,
}

const STACKS: usize = 5;

#[repr(C, align(4096))]
struct Stack(UnsafeCell<[u8; STACK_BYTES]>);

// SAFETY: only the CPU accesses these bytes, as a stack, for one class of vectors at a time.
unsafe impl Sync for Stack {}

static IST: [Stack; STACKS] = [const { Stack(UnsafeCell::new([0; STACK_BYTES])) }; STACKS];
static TSS: Once<TaskStateSegment> = Once::new();
static GDT: Once<(GlobalDescriptorTable, [SegmentSelector; 3])> = Once::new();

/// Returns the stack that holds `address`, without its guard page, or `None` when it is in none of these.
pub(super) fn holding(address: u64) -> Option<Range<u64>> {
    let ranges =
        IST.iter().map(|stack| VirtAddr::from_ptr(stack.0.get()).as_u64()).map(|at| at..at + STACK_BYTES as u64);
    ranges.into_iter().find(|range| range.contains(&address)).map(|range| range.start + PAGE..range.end)
}

/// Returns whether the caller runs in an interrupt handler, by its stack.
pub(super) fn in_interrupt() -> bool {
    let here = 0_u8;
    let base = IST[Ist::Interrupt as usize].0.get().addr();
    (base..base + STACK_BYTES).contains(&(&raw const here).addr())
}

/// Loads the GDT and the TSS of the boot CPU, and unmaps the guard pages of the stacks.
pub(super) fn init() {
    let tss = TSS.call_once(|| {
        let mut tss = TaskStateSegment::new();
        for (index, stack) in IST.iter().enumerate() {
            let bottom = VirtAddr::from_ptr(stack.0.get());
            paging::guard(bottom.as_u64());
            tss.interrupt_stack_table[index] = bottom + STACK_BYTES as u64;
        }
        tss
    });
    let (gdt, [code, data, task]) = GDT.call_once(|| {
        let mut gdt = GlobalDescriptorTable::new();
        let descriptors = [Descriptor::kernel_code_segment(), Descriptor::kernel_data_segment()];
        let [code, data] = descriptors.map(|descriptor| gdt.append(descriptor));
        let task = gdt.append(Descriptor::tss_segment(tss));
        (gdt, [code, data, task])
    });
    gdt.load();
    // SAFETY: a 64-bit code segment of ring 0, as the one in use.
    unsafe { CS::set_reg(*code) };
    // SAFETY: a writable data segment of ring 0; long mode ignores the rest.
    unsafe { SS::set_reg(*data) };
    // SAFETY: as above.
    unsafe { DS::set_reg(*data) };
    // SAFETY: as above.
    unsafe { ES::set_reg(*data) };
    // SAFETY: the selector is that of a TSS in the GDT just loaded, which is static.
    unsafe { load_tss(*task) };
}
