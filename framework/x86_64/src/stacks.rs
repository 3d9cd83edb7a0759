//! The GDT of each CPU, and its stacks of interrupts and exceptions.
//!
//! Every vector switches stacks by the interrupt stack table (IST) of the TSS. The prebuilt `core` may keep data below
//! the stack pointer (the red zone), which an interrupt on the same stack would overwrite; and a stack overflow is
//! reported on another stack.

#![expect(unsafe_code, reason = "segments and the task register")]

use alloc::boxed::Box;
use core::cell::UnsafeCell;
use core::ops::Range;
use core::sync::atomic::Ordering;

use x86_64::VirtAddr;
use x86_64::instructions::segmentation::{CS, DS, ES, SS, Segment};
use x86_64::instructions::tables::load_tss;
use x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable, SegmentSelector};
use x86_64::structures::tss::TaskStateSegment;

use super::cpus::{self, CpuArea};
use super::integer::to_usize;
use super::memory_map::PAGE;
use super::paging;
use switchboard::platform::MemoryError;

/// Bytes of each of these stacks; its lowest page is the guard.
pub(super) const STACK_BYTES: usize = 8 * to_usize(PAGE);

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
/// Bytes of the stacks of a further CPU: these, and the one that it starts on.
pub(super) const BYTES_OF_CPU: usize = (STACKS + 1) * STACK_BYTES;

#[repr(C, align(4096))]
struct Stack(UnsafeCell<[u8; STACK_BYTES]>);

// SAFETY: only the CPU accesses these bytes, as a stack, for one class of vectors at a time.
unsafe impl Sync for Stack {}

static IST: [Stack; STACKS] = [const { Stack(UnsafeCell::new([0; STACK_BYTES])) }; STACKS];
/// The segments of a CPU.
#[derive(Debug)]
pub(super) struct Segments {
    gdt: GlobalDescriptorTable,
    code: SegmentSelector,
    data: SegmentSelector,
    task: SegmentSelector,
}

/// Returns the stack that holds `address`, without its guard page, or `None` when it is in none of these.
pub(super) fn holding(address: u64) -> Option<Range<u64>> {
    let boot = IST.iter().map(|stack| VirtAddr::from_ptr(stack.0.get()).as_u64());
    let mut stacks = boot.chain(paging::stack_holding(address)).map(|at| at..at + STACK_BYTES as u64);
    stacks.find(|range| range.contains(&address)).map(|range| range.start + PAGE..range.end)
}

/// Returns whether the caller runs in an interrupt handler, by its stack.
pub(super) fn in_interrupt() -> bool {
    let here = 0_u8;
    let base = to_usize(cpus::current().interrupt_stack.load(Ordering::Relaxed));
    (base..base + STACK_BYTES).contains(&(&raw const here).addr())
}

/// Loads the GDT and the TSS of the boot CPU, unmaps the guard pages of its stacks, and enters its area.
pub(super) fn init() {
    let bottoms = IST.each_ref().map(|stack| VirtAddr::from_ptr(stack.0.get()));
    bottoms.iter().for_each(|bottom| paging::guard(bottom.as_u64()));
    let area = cpus::boot_area();
    area.set_segments(Segments::new(area, bottoms));
    load(area);
    area.enter();
}

/// Makes the stacks and the segments of a further CPU. Returns the top of the stack that it starts on.
///
/// # Errors
/// [`MemoryError::OutOfMemory`] when there is no memory for the stacks.
pub(super) fn prepare(area: &'static CpuArea) -> Result<VirtAddr, MemoryError> {
    let mut bottoms = [VirtAddr::zero(); STACKS];
    for bottom in &mut bottoms {
        *bottom = paging::map_stack()?;
    }
    area.set_segments(Segments::new(area, bottoms));
    Ok(paging::map_stack()? + STACK_BYTES as u64)
}

impl Segments {
    /// Makes the segments of a CPU whose stacks are at these addresses.
    fn new(area: &CpuArea, bottoms: [VirtAddr; STACKS]) -> &'static Self {
        area.interrupt_stack.store(bottoms[Ist::Interrupt as usize].as_u64(), Ordering::Relaxed);
        let mut tss = TaskStateSegment::new();
        for (index, bottom) in bottoms.into_iter().enumerate() {
            tss.interrupt_stack_table[index] = bottom + STACK_BYTES as u64;
        }
        let mut gdt = GlobalDescriptorTable::new();
        let code = gdt.append(Descriptor::kernel_code_segment());
        let data = gdt.append(Descriptor::kernel_data_segment());
        let task = gdt.append(Descriptor::tss_segment(Box::leak(Box::new(tss))));
        Box::leak(Box::new(Self { gdt, code, data, task }))
    }
}

/// Loads the GDT and the TSS of a CPU, which calls this. Clears GS.
pub(super) fn load(area: &CpuArea) {
    let Segments { gdt, code, data, task } = area.segments();
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
