//! The slot of one vector: its handler, and the protocol by which a handler is removed while interrupts arrive.
//!
//! The path from the CPU's vector to the handler takes no lock: mark the slot running, load one pointer, call through it.
//! Removal is the slow side: swap the pointer out, wait until the slot is not running, free the handler. Both sides access
//! `running` and `bound` with sequential consistency, so at least one of them sees the other: either the dispatcher finds
//! the slot empty, or the remover sees the slot running and waits.
//!
//! A handler may drop the last reference to its own registration. It cannot wait for itself to end: the slot recognises it by
//! its stack pointer, and keeps the removed handler until the slot is used again.

#![expect(unsafe_code, reason = "the one place where a handler's type is erased")]

use core::fmt;
use core::ptr::{self, NonNull};

use crate::sync::primitives::{AtomicPtr, AtomicU64, AtomicUsize, Box, Ordering, planted, spin_loop};
use crate::sync::stack_pointer;

/// The result of a line handler: whether its function raised the interrupt.
///
/// A line is shared, so each of its handlers is called and each looks at its own function. A line that fires 1,000 times in a
/// row without a [`Claim::Mine`] is a storm, and is masked; see [`LineIsr`](crate::interrupt::LineIsr) for an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a line handler must return whether the interrupt was its own"]
pub enum Claim {
    /// This function raised the interrupt, and the handler acknowledged it at the device.
    Mine,
    /// This function did not raise the interrupt.
    NotMine,
}

/// A handler as a slot calls it.
pub(crate) trait ServeInterrupt: Send + Sync + 'static {
    /// Serves one delivery of the vector, and returns whether it was claimed.
    fn serve(&self) -> Claim;
}

/// The type-erased head of a [`Node`]: the functions that call and free the handler behind it.
struct Head {
    serve: unsafe fn(NonNull<Head>) -> Claim,
    free: unsafe fn(NonNull<Head>),
}

/// # Invariants
/// `head` is first (`repr(C)`), so a pointer to the node is a pointer to its head, and `head`'s functions are
/// those of this `H`.
#[repr(C)]
struct Node<H> {
    head: Head,
    handler: H,
}

/// An owned, type-erased handler that is in no slot.
pub(crate) struct HandlerBox {
    node: NonNull<Head>,
}

// SAFETY: a `HandlerBox` owns a `Node<H>` with `H: ServeInterrupt`, and `ServeInterrupt` requires `Send`.
unsafe impl Send for HandlerBox {}
// SAFETY: as above; `ServeInterrupt` requires `Sync`, and `&HandlerBox` reaches nothing but the handler.
unsafe impl Sync for HandlerBox {}

impl HandlerBox {
    pub(crate) fn new<H: ServeInterrupt>(handler: H) -> Self {
        let head = Head { serve: serve_node::<H>, free: free_node::<H> };
        let node = Box::into_raw(Box::new(Node { head, handler }));
        // SAFETY: `Box::into_raw` never returns null.
        let node = unsafe { NonNull::new_unchecked(node) };
        Self { node: node.cast() }
    }

    /// Calls the handler.
    #[inline]
    pub(crate) fn serve(&self) -> Claim {
        // SAFETY: the node is alive, since this `HandlerBox` owns it.
        let serve = unsafe { self.node.as_ref() }.serve;
        // SAFETY: `serve` is that of the node's own type (invariant of `Node`).
        unsafe { serve(self.node) }
    }

    fn into_raw(self) -> NonNull<Head> {
        let node = self.node;
        let _ = core::mem::ManuallyDrop::new(self);
        node
    }
}

impl Drop for HandlerBox {
    fn drop(&mut self) {
        // SAFETY: the node is alive until here, since this `HandlerBox` owns it.
        let free = unsafe { self.node.as_ref() }.free;
        // SAFETY: `free` is that of the node's own type (invariant of `Node`), and the node is not used afterwards.
        unsafe { free(self.node) };
    }
}

impl fmt::Debug for HandlerBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandlerBox").finish_non_exhaustive()
    }
}

/// Calls the handler of a node.
///
/// # Safety
/// `head` is the head of a live `Node<H>`.
unsafe fn serve_node<H: ServeInterrupt>(head: NonNull<Head>) -> Claim {
    // SAFETY: the caller promises a live `Node<H>`, whose first field is the head.
    let node = unsafe { head.cast::<Node<H>>().as_ref() };
    node.handler.serve()
}

/// Frees a node.
///
/// # Safety
/// `head` is the head of a live `Node<H>` made by `HandlerBox::new`, and is not used again.
unsafe fn free_node<H: ServeInterrupt>(head: NonNull<Head>) {
    // SAFETY: the caller promises a node from `HandlerBox::new`, which boxed it as this type.
    drop(unsafe { Box::from_raw(head.cast::<Node<H>>().as_ptr()) });
}

/// The depth below the dispatcher, in bytes, within which a stack pointer belongs to its handler. No handler uses more.
const STACK: usize = 64 * 1024;

/// The slot of one vector on one CPU.
pub(crate) struct VectorSlot {
    bound: AtomicPtr<Head>,
    /// The stack pointer of the dispatch in progress, or 0.
    running: AtomicUsize,
    /// A handler that removed itself from the slot.
    retired: AtomicPtr<Head>,
    unexpected: AtomicU64,
}

impl VectorSlot {
    pub(crate) const fn new() -> Self {
        Self {
            bound: AtomicPtr::new(ptr::null_mut()),
            running: AtomicUsize::new(0),
            retired: AtomicPtr::new(ptr::null_mut()),
            unexpected: AtomicU64::new(0),
        }
    }

    /// Puts a handler in (with `None`: removes it), waits until the old one is not running, and returns the old one. Called by
    /// the handler that is in the slot, it does not wait, returns `None`, and keeps the old handler until the slot is used again.
    pub(crate) fn replace(&self, handler: Option<HandlerBox>) -> Option<HandlerBox> {
        self.exchange(handler).wait()
    }

    /// Puts a handler in (with `None`: removes it), without waiting for the old one, which may still be running.
    pub(crate) fn exchange(&self, handler: Option<HandlerBox>) -> TakenOut<'_> {
        let new = handler.map_or(ptr::null_mut(), |bound| bound.into_raw().as_ptr());
        let node = NonNull::new(self.bound.swap(new, Ordering::SeqCst));
        TakenOut { slot: self, node }
    }

    /// Waits until the handler is not running. Returns `false` at once when the caller is the handler.
    pub(crate) fn wait_idle(&self) -> bool {
        let here = stack_pointer();
        let is_own = |frame: usize| {
            planted!(
                (here..here + STACK).contains(&frame),
                "all-taken-for-the-handler" => true,
                "handler-not-recognised" => false,
            )
        };
        loop {
            match self.running.load(Ordering::SeqCst) {
                0 => return true,
                frame if is_own(frame) => return false,
                _ => planted!(spin_loop(), "taken-out-without-waiting" => return true),
            }
        }
    }

    /// Returns the number of deliveries that found no handler.
    pub(crate) fn unexpected(&self) -> u64 {
        self.unexpected.load(Ordering::Relaxed)
    }

    /// Calls the handler for one delivery.
    ///
    /// # Safety
    /// Deliveries of one slot do not overlap: only the CPU that owns the vector calls this, with interrupts off.
    #[inline]
    pub(crate) unsafe fn dispatch(&self) {
        let _ = planted!(
            self.running.swap(stack_pointer(), Ordering::SeqCst),
            "marked-by-a-plain-store" => { self.running.store(stack_pointer(), Ordering::Release); 0 },
        );
        match NonNull::new(self.bound.load(Ordering::SeqCst)) {
            Some(node) => {
                // SAFETY: `replace` frees a node only after it saw `running` clear; we set it before we loaded
                // the pointer, so the node lives until we clear it.
                let serve = unsafe { node.as_ref() }.serve;
                // SAFETY: `serve` is that of the node's own type, and the node is alive, as above.
                let _ = unsafe { serve(node) };
            }
            // Only this CPU writes the counter, so no locked increment.
            None => self.unexpected.store(self.unexpected.load(Ordering::Relaxed) + 1, Ordering::Relaxed),
        }
        self.running.store(0, planted!(Ordering::Release, "end-not-published" => Ordering::Relaxed));
    }
}

/// A handler that was taken out of its slot and may still be running. It is freed, or returned, once it is not.
#[must_use = "dropping waits for the handler"]
pub(crate) struct TakenOut<'a> {
    slot: &'a VectorSlot,
    node: Option<NonNull<Head>>,
}

impl TakenOut<'_> {
    /// Waits until the handler is not running, and returns it; see [`VectorSlot::replace`].
    pub(crate) fn wait(mut self) -> Option<HandlerBox> {
        self.take()
    }

    fn take(&mut self) -> Option<HandlerBox> {
        let (slot, node) = (self.slot, self.node.take());
        if planted!(slot.wait_idle(), "freed-while-it-runs" => slot.wait_idle() || node.is_some()) {
            let retired = slot.retired.swap(ptr::null_mut(), Ordering::SeqCst);
            drop(NonNull::new(retired).map(|node| HandlerBox { node }));
            return node.map(|node| HandlerBox { node });
        }
        // If one is kept already, this one is leaked: it may be the caller, so it cannot be freed.
        let old = node.map_or(ptr::null_mut(), NonNull::as_ptr);
        let _ = slot.retired.compare_exchange(ptr::null_mut(), old, Ordering::SeqCst, Ordering::SeqCst);
        None
    }
}

impl Drop for TakenOut<'_> {
    fn drop(&mut self) {
        if self.node.is_some() {
            drop(self.take());
        }
    }
}
