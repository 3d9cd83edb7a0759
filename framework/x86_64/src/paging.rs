//! Page tables: identity-mapped memory, the image with the rights of its sections, device memory on demand.
//!
//! | virtual                              | what                          | rights                          |
//! |--------------------------------------|-------------------------------|---------------------------------|
//! | = physical, usable memory            | heap, page tables, DMA        | read, write                     |
//! | = physical, the image's text         | code                          | read, execute                   |
//! | = physical, the image's rodata       | constants                     | read                            |
//! | = physical, the image's data         | data, stacks between guards   | read, write                     |
//! | `0xffff_8000_0000_0000` + physical   | device memory, firmware's too | read, write, uncached           |
//! | `0xffff_c000_0000_0000`              | stacks of further CPUs        | read, write                     |
//!
//! Everything else, including page 0, is not mapped. Firmware may assign BARs far above 4 GiB, so device memory is
//! mapped when a driver maps it.

#![expect(unsafe_code, reason = "memory safety depends on page tables")]

use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

use spin::Once;
use x86_64::registers::control::{Cr3, Cr3Flags};
use x86_64::structures::paging::mapper::{MapToError, MappedFrame, TranslateResult};
use x86_64::structures::paging::{
    FrameAllocator, Mapper, OffsetPageTable, Page, PageSize, PageTable, PageTableFlags, PhysFrame, Size2MiB, Size4KiB,
    Translate,
};
use x86_64::{PhysAddr, VirtAddr};

use super::boot_info::BootInfo;
use super::cpu;
use super::memory_map::CEILING;
use super::pages;
use super::stacks::STACK_BYTES;
use switchboard::platform::MemoryError;
use switchboard::sync::IrqLock;

/// The virtual address of physical address 0 in the device window.
const DEVICE_WINDOW: u64 = 0xffff_8000_0000_0000;

/// The addresses of the stacks of further CPUs, each above a guard page.
const STACK_WINDOW: u64 = 0xffff_c000_0000_0000;
const STACK_WINDOW_BYTES: u64 = 1 << 30;

const DATA: PageTableFlags = PageTableFlags::PRESENT.union(PageTableFlags::WRITABLE).union(PageTableFlags::NO_EXECUTE);
const RODATA: PageTableFlags = PageTableFlags::PRESENT.union(PageTableFlags::NO_EXECUTE);
const TEXT: PageTableFlags = PageTableFlags::PRESENT;
/// Uncached: PCD and PWT together choose UC in the PAT as the CPU resets it (SDM vol. 3, 12.12.4).
const DEVICE: PageTableFlags = DATA.union(PageTableFlags::NO_CACHE).union(PageTableFlags::WRITE_THROUGH);

/// The flags that the CPU has: all but `NO_EXECUTE` on one without the NX bit, where that bit is reserved and faults.
static SUPPORTED: Once<PageTableFlags> = Once::new();
/// The roots of the tables that the entry code made, and of those here.
static ROOTS: Once<(u64, u64)> = Once::new();
static TABLES: Once<IrqLock<OffsetPageTable<'static>>> = Once::new();

/// The allocator of page-table frames: zeroed pages of the pool.
struct Frames;

// SAFETY: the pool hands out each page once, and page tables are never freed.
unsafe impl FrameAllocator<Size4KiB> for Frames {
    fn allocate_frame(&mut self) -> Option<PhysFrame> {
        let page = pages::allocate(1).ok()?;
        PhysFrame::from_start_address(PhysAddr::new(page.addr().get() as u64)).ok()
    }
}

/// Makes the page tables and switches to them.
///
/// # Errors
/// [`MemoryError::OutOfMemory`] when the pool is too small for the tables.
pub(super) fn init(boot: &BootInfo) -> Result<(), MemoryError> {
    let has_no_execute = cpu::has_no_execute();
    if !has_no_execute {
        log::warn!("the CPU has no NX bit: data is not protected from execution");
    }
    let unsupported = if has_no_execute { PageTableFlags::empty() } else { PageTableFlags::NO_EXECUTE };
    SUPPORTED.call_once(|| PageTableFlags::all() - unsupported);
    let root = pages::allocate(1)?;
    // SAFETY: a zeroed page is an empty table, has no other user, and is never freed.
    let root = unsafe { root.cast::<PageTable>().as_mut() };
    let root_frame = PhysFrame::containing_address(PhysAddr::new(core::ptr::from_mut(root).addr() as u64));
    // SAFETY: page-table frames come from the pool, which is identity-mapped before and after the switch.
    let mut tables = unsafe { OffsetPageTable::new(root, VirtAddr::zero()) };

    let image = &boot.image;
    for range in &boot.memory.usable {
        // SAFETY: memory without a user yet.
        unsafe { map_range(&mut tables, range.clone(), 0, DATA) }?;
    }
    for (range, flags) in [(&image.text, TEXT), (&image.rodata, RODATA), (&image.data, DATA)] {
        // SAFETY: each section gets the rights that its contents need.
        unsafe { map_range(&mut tables, range.clone(), 0, flags) }?;
    }
    unmap_guard(&mut tables, image.stack_guard);

    let startup = Cr3::read().0.start_address().as_u64();
    ROOTS.call_once(|| (startup, root_frame.start_address().as_u64()));
    // SAFETY: the new tables map the running code, its stack, its data and the pool at the same addresses.
    unsafe { Cr3::write(root_frame, Cr3Flags::empty()) };
    TABLES.call_once(|| IrqLock::new(tables));
    Ok(())
}

/// Maps device memory, uncached, and returns its virtual address. Mapping a range again has no further effect.
///
/// # Errors
/// [`MemoryError`] when the range reaches beyond 2^46 or there is no memory for page tables.
pub(super) fn map_device(physical: u64, length: u64) -> Result<VirtAddr, MemoryError> {
    let unreachable = MemoryError::Unreachable { physical, length };
    let end = physical.checked_add(length).filter(|end| *end <= CEILING).ok_or(unreachable)?;
    let pages = physical / Size4KiB::SIZE * Size4KiB::SIZE..end.next_multiple_of(Size4KiB::SIZE);
    let mut tables = TABLES.get().ok_or(unreachable)?.lock();
    // SAFETY: nothing else lives in the device window, and its pages are not executable.
    unsafe { map_range(&mut tables, pages, DEVICE_WINDOW, DEVICE) }?;
    Ok(VirtAddr::new(DEVICE_WINDOW + physical))
}

/// Returns the physical addresses of the tables that the entry code made, which map the first 4 GiB one to one, and of those
/// in use.
pub(super) fn roots() -> (u64, u64) {
    ROOTS.get().copied().unwrap_or_default()
}

/// Maps a stack of a further CPU above a guard page. Returns the address of the guard page.
///
/// # Errors
/// [`MemoryError::OutOfMemory`] when there is no memory for it.
pub(super) fn map_stack() -> Result<VirtAddr, MemoryError> {
    static STACKS: AtomicU64 = AtomicU64::new(0);
    let wanted = STACK_BYTES;
    let mut tables = TABLES.get().ok_or(MemoryError::OutOfMemory { wanted })?.lock();
    let guard = VirtAddr::new(STACK_WINDOW + STACKS.fetch_add(STACK_BYTES as u64, Ordering::Relaxed));
    let flags = DATA & SUPPORTED.get().copied().unwrap_or(DATA);
    for offset in (Size4KiB::SIZE..STACK_BYTES as u64).step_by(4096) {
        let frame = Frames.allocate_frame().ok_or(MemoryError::OutOfMemory { wanted })?;
        let page = Page::<Size4KiB>::containing_address(guard + offset);
        // SAFETY: a fresh frame, at an address that nothing else has.
        let flush = unsafe { tables.map_to(page, frame, flags, &mut Frames) };
        flush.map_err(|error| memory_error(&error, offset))?.flush();
    }
    Ok(guard)
}

/// Returns the address of the guard page of the stack of a further CPU that holds `address`.
pub(super) fn stack_holding(address: u64) -> Option<u64> {
    let offset = address.checked_sub(STACK_WINDOW).filter(|offset| *offset < STACK_WINDOW_BYTES)?;
    Some(STACK_WINDOW + offset / STACK_BYTES as u64 * STACK_BYTES as u64)
}

/// Unmaps a page of the image, so that a stack overflow into it faults.
pub(super) fn guard(page: u64) {
    if let Some(tables) = TABLES.get() {
        unmap_guard(&mut tables.lock(), page);
    }
}

fn unmap_guard(tables: &mut OffsetPageTable<'_>, page: u64) {
    let page = Page::<Size4KiB>::containing_address(VirtAddr::new(page));
    // The image is mapped in small pages. An error means that the page is not mapped already.
    if let Ok((_, flush)) = tables.unmap(page) {
        flush.flush();
    }
}

/// Maps whole pages at `offset` above their physical addresses, in pages of 2 MiB where possible. Pages that are mapped
/// already are not changed.
///
/// # Safety
/// As for [`Mapper::map_to`]: the new mappings must not violate Rust's aliasing rules.
unsafe fn map_range(
    tables: &mut OffsetPageTable<'_>,
    range: Range<u64>,
    offset: u64,
    flags: PageTableFlags,
) -> Result<(), MemoryError> {
    let flags = flags & SUPPORTED.get().copied().unwrap_or(flags);
    let mut at = range.start;
    while at < range.end {
        if let TranslateResult::Mapped { frame, .. } = tables.translate(VirtAddr::new(offset + at)) {
            at += bytes_to_end(frame, at);
            continue;
        }
        // SAFETY: the caller's contract is the same.
        let size = unsafe { map_page(tables, at, range.end - at, offset, flags) }?;
        at += size;
        let rest = at..range.end.min(at.next_multiple_of(Size2MiB::SIZE));
        // SAFETY: as above.
        if size == Size4KiB::SIZE && !rest.is_empty() && unsafe { fill_table(tables, rest.clone(), offset, flags) } {
            at = rest.end;
        }
    }
    Ok(())
}

/// Maps the small pages of a range that lies in one table of the lowest level, of which one page was mapped with the same
/// flags. Pages that are mapped already are not changed. The mapper takes more than ten times as long for each page.
/// Returns whether there is the table.
///
/// # Safety
/// As for [`map_range`].
unsafe fn fill_table(tables: &mut OffsetPageTable<'_>, range: Range<u64>, offset: u64, flags: PageTableFlags) -> bool {
    let first = VirtAddr::new(offset + range.start);
    let Some(table) = lowest_table(tables, first) else { return false };
    let entries = table.iter_mut().skip(first.p1_index().into());
    for (entry, at) in entries.zip(range.step_by(4096)) {
        // A CPU does not cache that an entry is not present (SDM vol. 3, 4.10.2.3).
        if entry.is_unused() {
            entry.set_addr(PhysAddr::new(at), flags);
        }
    }
    true
}

/// Returns the table of the lowest level for an address, if there is one.
fn lowest_table<'t>(tables: &'t mut OffsetPageTable<'_>, address: VirtAddr) -> Option<&'t mut PageTable> {
    let mut table = tables.level_4_table_mut();
    for index in [address.p4_index(), address.p3_index(), address.p2_index()] {
        let entry = &table[index];
        if !entry.flags().contains(PageTableFlags::PRESENT) || entry.flags().contains(PageTableFlags::HUGE_PAGE) {
            return None;
        }
        let next = VirtAddr::new(entry.addr().as_u64()).as_mut_ptr::<PageTable>();
        // SAFETY: such an entry refers to a table of the pool, identity-mapped and never freed, which is reached through
        // `tables` alone.
        table = unsafe { &mut *next };
    }
    Some(table)
}

/// Returns the bytes from `at` to the end of its frame.
fn bytes_to_end(frame: MappedFrame, at: u64) -> u64 {
    let size = match frame {
        MappedFrame::Size4KiB(_) => Size4KiB::SIZE,
        MappedFrame::Size2MiB(_) => Size2MiB::SIZE,
        MappedFrame::Size1GiB(_) => 1 << 30,
    };
    size - at % size
}

/// Maps one page at `at`, of the largest size that fits in `left` bytes, and returns that size.
///
/// # Safety
/// As for [`map_range`].
unsafe fn map_page(
    tables: &mut OffsetPageTable<'_>,
    at: u64,
    left: u64,
    offset: u64,
    flags: PageTableFlags,
) -> Result<u64, MemoryError> {
    let (address, physical) = (VirtAddr::new(offset + at), PhysAddr::new(at));
    if at.is_multiple_of(Size2MiB::SIZE) && left >= Size2MiB::SIZE {
        let (page, frame) = (Page::<Size2MiB>::containing_address(address), PhysFrame::containing_address(physical));
        // SAFETY: the caller's contract is the same.
        match unsafe { tables.map_to(page, frame, flags, &mut Frames) } {
            Ok(flush) => {
                flush.flush();
                return Ok(Size2MiB::SIZE);
            }
            // Some of its small pages are mapped: the others are mapped one by one.
            Err(MapToError::PageAlreadyMapped(_)) => {}
            Err(error) => return Err(memory_error(&error, at)),
        }
    }
    let (page, frame) = (Page::<Size4KiB>::containing_address(address), PhysFrame::containing_address(physical));
    // SAFETY: the caller's contract is the same.
    unsafe { tables.map_to(page, frame, flags, &mut Frames) }.map_err(|error| memory_error(&error, at))?.flush();
    Ok(Size4KiB::SIZE)
}

/// Converts an error of the mapper.
fn memory_error<S: PageSize>(error: &MapToError<S>, physical: u64) -> MemoryError {
    match error {
        MapToError::FrameAllocationFailed => MemoryError::OutOfMemory { wanted: 4096 },
        _ => MemoryError::Unreachable { physical, length: S::SIZE },
    }
}
