//! The area of a CPU: what it has for itself, found by its GS base.

#![expect(unsafe_code, reason = "the GS base, which leads to the area of the CPU that reads it")]

use core::arch::asm;
use core::fmt;
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use spin::Once;
use switchboard::vector::VectorTable;
use x86_64::VirtAddr;
use x86_64::registers::model_specific::GsBase;

use crate::stacks::Segments;

/// The variables of one CPU. Interrupts come from ring 0 alone, so the GS base is never exchanged.
#[repr(C)]
pub(crate) struct CpuArea {
    /// The address of this area.
    this: AtomicPtr<CpuArea>,
    /// The vectors of the CPU; null until they have been made.
    vectors: AtomicPtr<VectorTable>,
    /// What the executor of the CPU is known by; null until there is one.
    executor: AtomicPtr<()>,
    /// The position among the CPUs that were started; 0 is the boot CPU.
    index: u32,
    /// The local APIC id.
    id: AtomicU32,
    /// The lowest address of the stack of interrupts.
    pub(crate) interrupt_stack: AtomicU64,
    /// The vectors whose handlers are requested by software, a bit each.
    pub(crate) called: [AtomicU64; 4],
    /// The vectors for which another CPU waits until nothing with them is pending here, a bit each.
    pub(crate) draining: [AtomicU64; 4],
    /// A CPU that waits has asked once more, perhaps in vain.
    pub(crate) is_asked_again: AtomicBool,
    /// The time that the CPU was halted, in ticks of the time stamp counter.
    pub(crate) idle_ticks: AtomicU64,
    segments: Once<&'static Segments>,
    /// The CPU runs on its own tables and stacks.
    pub(crate) is_running: AtomicBool,
}

/// The boot CPU's.
static BOOT: CpuArea = CpuArea::new(0, 0);

/// The areas by local APIC id.
static BY_ID: [AtomicPtr<CpuArea>; 256] = [const { AtomicPtr::new(ptr::null_mut()) }; 256];

/// Set once [`current`] may be called on the boot CPU.
static HAS_AREAS: AtomicBool = AtomicBool::new(false);

impl CpuArea {
    pub(super) const fn new(index: u32, id: u32) -> Self {
        Self {
            this: AtomicPtr::new(ptr::null_mut()),
            vectors: AtomicPtr::new(ptr::null_mut()),
            executor: AtomicPtr::new(ptr::null_mut()),
            index,
            id: AtomicU32::new(id),
            interrupt_stack: AtomicU64::new(0),
            called: [const { AtomicU64::new(0) }; 4],
            draining: [const { AtomicU64::new(0) }; 4],
            is_asked_again: AtomicBool::new(false),
            idle_ticks: AtomicU64::new(0),
            segments: Once::new(),
            is_running: AtomicBool::new(false),
        }
    }

    /// Returns the position among the CPUs that were started; 0 is the boot CPU.
    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    /// Returns the local APIC id.
    pub(crate) fn id(&self) -> u32 {
        self.id.load(Ordering::Relaxed)
    }

    pub(super) fn set_id(&'static self, id: u32) {
        self.id.store(id, Ordering::Relaxed);
        BY_ID[(id & 0xff) as usize].store(ptr::from_ref(self).cast_mut(), Ordering::Release);
    }

    pub(super) fn set_executor(&self, context: *mut ()) {
        self.executor.store(context, Ordering::Relaxed);
    }

    /// Sets the vectors, before the CPU enables interrupts.
    pub(crate) fn set_vectors(&self, vectors: &'static VectorTable) {
        self.vectors.store(ptr::from_ref(vectors).cast_mut(), Ordering::Release);
    }

    /// Returns the vectors, or `None` when they have not been made yet.
    pub(crate) fn vectors(&self) -> Option<&'static VectorTable> {
        // SAFETY: null, or a static reference that `set_vectors` stored.
        unsafe { self.vectors.load(Ordering::Acquire).as_ref() }
    }

    /// Sets the segments, before the CPU loads them.
    pub(crate) fn set_segments(&self, segments: &'static Segments) {
        self.segments.call_once(|| segments);
    }

    /// Returns the segments.
    ///
    /// # Panics
    /// Panics before they have been set.
    pub(crate) fn segments(&self) -> &'static Segments {
        self.segments.get().copied().expect("the segments of a CPU are set before it runs")
    }

    /// Makes this the area of the CPU that calls.
    pub(crate) fn enter(&'static self) {
        self.this.store(ptr::from_ref(self).cast_mut(), Ordering::Relaxed);
        GsBase::write(VirtAddr::from_ptr(self));
        HAS_AREAS.store(true, Ordering::Relaxed);
    }
}

/// Returns the area of the boot CPU.
pub(crate) fn boot_area() -> &'static CpuArea {
    &BOOT
}

/// Returns the area of the CPU with that local APIC id, if it was started.
pub(crate) fn by_id(id: u32) -> Option<&'static CpuArea> {
    let area = BY_ID.get(usize::try_from(id).ok()?)?.load(Ordering::Acquire);
    // SAFETY: null, or a static reference that `set_id` stored.
    unsafe { area.as_ref() }
}

/// Returns the area of this CPU. It has [entered](CpuArea::enter) it: on the boot CPU before there is a heap or an interrupt, on
/// others first of all.
#[inline(always)]
pub(crate) fn current() -> &'static CpuArea {
    let this: *const CpuArea;
    // SAFETY: GS leads to the area of this CPU, which is static and never changes.
    unsafe {
        asm!("mov {}, gs:[{}]", out(reg) this, const offset_of!(CpuArea, this), options(pure, readonly, nostack, preserves_flags));
    };
    // SAFETY: `enter` stored a static reference there.
    unsafe { &*this }
}

/// Returns the area of this CPU, or `None` before the boot CPU has entered its own, as early in the boot.
pub(crate) fn find_current() -> Option<&'static CpuArea> {
    HAS_AREAS.load(Ordering::Relaxed).then(current)
}

/// Returns the vectors of this CPU.
///
/// # Safety
/// They have been made: interrupts are enabled.
#[inline(always)]
pub(crate) unsafe fn vectors() -> &'static VectorTable {
    let vectors: *const VectorTable;
    // SAFETY: GS leads to the area of this CPU, whose vectors do not change once they have been made.
    unsafe {
        asm!("mov {}, gs:[{}]", out(reg) vectors, const offset_of!(CpuArea, vectors), options(pure, readonly, nostack, preserves_flags));
    };
    // SAFETY: the caller promises that `set_vectors` stored a static reference there.
    unsafe { &*vectors }
}

/// Returns what the executor of this CPU is known by, as [`set_executor_context`](super::set_executor_context) was given it.
///
/// It costs one instruction: a waker asks by it whether its task is of this CPU.
///
/// # Safety
/// Called on the bare machine, after [`init`](crate::init).
#[inline(always)]
#[must_use]
pub unsafe fn executor_context() -> *mut () {
    let context;
    // SAFETY: GS leads to the area of this CPU.
    unsafe {
        asm!("mov {}, gs:[{}]", out(reg) context, const offset_of!(CpuArea, executor), options(pure, readonly, nostack, preserves_flags));
    };
    context
}

impl fmt::Debug for CpuArea {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CpuArea").field("index", &self.index).field("id", &self.id()).finish_non_exhaustive()
    }
}
