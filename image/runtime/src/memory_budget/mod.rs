//! A budget of heap memory for what peers can make grow.
//!
//! The allocator's failure is a panic, so no peer may reach it. Whatever grows by what a peer sends takes a
//! [`Reservation`] first, and allocates its buffers with `try_reserve`. A refused reservation means that new work is
//! refused, while the work that has its memory goes on: a SYN is dropped, a request gets 503.
//!
//! ```
//! use switchboard_runtime::memory_budget;
//!
//! fn buffer(bytes: usize) -> Option<(Vec<u8>, memory_budget::Reservation)> {
//!     let reservation = memory_budget::reserve(bytes).ok()?;
//!     let mut buffer = Vec::new();
//!     buffer.try_reserve_exact(bytes).ok()?;
//!     Some((buffer, reservation))
//! }
//!
//! let (buffer, reservation) = buffer(4096).expect("a test has room");
//! assert!(buffer.capacity() >= 4096 && memory_budget::usage().used_bytes >= 4096);
//! drop((buffer, reservation));
//! ```
//!
//! The budget is three quarters of the heap that is free when it is used first. The rest is for what no peer makes grow,
//! and for what the allocator loses between blocks. Nor is anything reserved when the heap has less than an eighth left, of at
//! most 2 MiB, beside it: small allocations are not counted, such as those of tasks that wait, and have this reserve.

mod shares;

use core::sync::atomic::{AtomicUsize, Ordering};

use spin::Once;

use crate::hal::{self, MemoryUsage};

pub use shares::{ShareReservation, Shares};

/// The budget where no machine reports its heap: in a test on the host.
const HOST_LIMIT_BYTES: usize = 1 << 30;
/// The most bytes of the heap that are left free for what is not counted.
const MAX_RESERVE_BYTES: usize = 2 << 20;

/// A number of bytes that reservations share.
///
/// Most code uses the budget of the machine, by [`reserve`]. A test makes a small one:
///
/// ```
/// use switchboard_runtime::memory_budget::{MemoryBudget, OutOfBudget};
///
/// static BUDGET: MemoryBudget = MemoryBudget::new(1000);
///
/// let first = BUDGET.reserve(600)?;
/// assert_eq!(BUDGET.reserve(600).unwrap_err(), OutOfBudget::Budget);
/// drop(first);
/// assert!(BUDGET.reserve(600).is_ok());
/// # Ok::<_, OutOfBudget>(())
/// ```
#[derive(Debug)]
pub struct MemoryBudget {
    /// Set at the first use if it depends on the machine.
    limit_bytes: Once<usize>,
    used_bytes: AtomicUsize,
    /// Whether its memory is the heap of the machine.
    is_of_heap: bool,
}

/// The limit of a budget, and how much of it is reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BudgetUsage {
    /// The most bytes that can be reserved at a time.
    pub limit_bytes: usize,
    /// The bytes that are reserved now.
    pub used_bytes: usize,
}

/// The error of a reservation for which there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutOfBudget {
    /// The bytes that are left in the budget are fewer.
    #[error("the memory budget is used up")]
    Budget,
    /// The owner has its share of the budget already.
    #[error("the share of the memory budget is used up")]
    Share,
}

impl MemoryBudget {
    /// Creates a budget of so many bytes.
    #[must_use]
    pub const fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes: Once::initialized(limit_bytes), used_bytes: AtomicUsize::new(0), is_of_heap: false }
    }

    fn limit_bytes(&self) -> usize {
        *self.limit_bytes.call_once(|| match hal::memory_usage().heap_bytes_free {
            0 => HOST_LIMIT_BYTES,
            free => free / 4 * 3,
        })
    }

    /// Reserves `bytes` until the reservation is dropped.
    ///
    /// # Errors
    /// [`OutOfBudget::Budget`] when fewer are left.
    pub fn reserve(&'static self, bytes: usize) -> Result<Reservation, OutOfBudget> {
        self.take(bytes)?;
        Ok(Reservation { budget: self, bytes })
    }

    fn take(&self, bytes: usize) -> Result<(), OutOfBudget> {
        let limit = self.limit_bytes();
        if self.is_of_heap && !has_reserve(&hal::memory_usage(), bytes) {
            return Err(OutOfBudget::Budget);
        }
        let add = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= limit);
        let added = self.used_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        added.map(drop).map_err(|_| OutOfBudget::Budget)
    }

    fn give_back(&self, bytes: usize) {
        self.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Returns the limit, and how much of it is reserved.
    #[must_use]
    pub fn usage(&self) -> BudgetUsage {
        BudgetUsage { limit_bytes: self.limit_bytes(), used_bytes: self.used_bytes.load(Ordering::Relaxed) }
    }
}

/// Returns whether `bytes` of the heap can be allocated without the part that is left for what is not counted.
fn has_reserve(heap: &MemoryUsage, bytes: usize) -> bool {
    let reserve = (heap.heap_bytes / 8).min(MAX_RESERVE_BYTES);
    // Where no machine reports its heap, there is no reserve.
    heap.heap_bytes == 0 || bytes.checked_add(reserve).is_some_and(|sum| sum <= heap.heap_bytes_free)
}

/// A part of a budget, which returns to it when this is dropped.
#[derive(Debug)]
#[must_use = "a reservation ends when it is dropped"]
pub struct Reservation {
    budget: &'static MemoryBudget,
    bytes: usize,
}

impl Reservation {
    /// Returns the number of bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Changes the number of bytes.
    ///
    /// ```
    /// use switchboard_runtime::memory_budget::MemoryBudget;
    ///
    /// static BUDGET: MemoryBudget = MemoryBudget::new(1000);
    /// let mut reservation = BUDGET.reserve(600)?;
    /// assert!(reservation.resize(1001).is_err() && reservation.bytes() == 600);
    /// reservation.resize(100)?;
    /// assert_eq!(BUDGET.usage().used_bytes, 100);
    /// # Ok::<_, switchboard_runtime::memory_budget::OutOfBudget>(())
    /// ```
    ///
    /// # Errors
    /// [`OutOfBudget::Budget`] when there is no room for the difference; nothing changes.
    pub fn resize(&mut self, bytes: usize) -> Result<(), OutOfBudget> {
        match bytes.checked_sub(self.bytes) {
            Some(more) => self.budget.take(more)?,
            None => self.budget.give_back(self.bytes - bytes),
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

/// The budget of the machine.
static MACHINE: MemoryBudget =
    MemoryBudget { limit_bytes: Once::new(), used_bytes: AtomicUsize::new(0), is_of_heap: true };

/// Returns the budget of the machine.
#[must_use]
pub fn machine() -> &'static MemoryBudget {
    &MACHINE
}

/// Reserves `bytes` of the machine's budget.
///
/// # Errors
/// [`OutOfBudget::Budget`] when fewer are left.
pub fn reserve(bytes: usize) -> Result<Reservation, OutOfBudget> {
    MACHINE.reserve(bytes)
}

/// Returns the limit of the machine's budget, and how much of it is reserved.
#[must_use]
pub fn usage() -> BudgetUsage {
    MACHINE.usage()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_heap_is_left_for_what_is_not_counted() {
        let heap = |total, free| MemoryUsage { heap_bytes: total, heap_bytes_free: free, ..MemoryUsage::default() };
        assert!(has_reserve(&heap(8 << 20, 2 << 20), 1 << 20));
        assert!(!has_reserve(&heap(8 << 20, 2 << 20), (1 << 20) + 1));
        assert!(has_reserve(&heap(1 << 30, 3 << 20), 1 << 20));
        assert!(!has_reserve(&heap(1 << 30, 1 << 20), 0) && !has_reserve(&heap(8 << 20, 8 << 20), usize::MAX));
        assert!(has_reserve(&MemoryUsage::default(), usize::MAX), "where no heap is known");
    }
}
