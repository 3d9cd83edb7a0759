//! Shares of a budget, so that one peer cannot have all of it.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;

use super::{MemoryBudget, OutOfBudget, Reservation};

/// The most bytes of a budget that each owner, such as a peer's address, can have.
///
/// ```
/// use std::rc::Rc;
/// use switchboard_runtime::memory_budget::{MemoryBudget, OutOfBudget, Shares};
///
/// static BUDGET: MemoryBudget = MemoryBudget::new(1000);
///
/// let shares = Rc::new(Shares::new(&BUDGET, 500));
/// let first = shares.reserve("10.0.0.2", 400)?;
/// assert_eq!(shares.reserve("10.0.0.2", 200).unwrap_err(), OutOfBudget::Share);
/// assert!(shares.reserve("10.0.0.3", 200).is_ok());
/// drop(first);
/// assert!(shares.reserve("10.0.0.2", 200).is_ok());
/// # Ok::<_, OutOfBudget>(())
/// ```
pub struct Shares<K> {
    budget: &'static MemoryBudget,
    max_bytes: usize,
    /// Those with reservations, in their order, and how many bytes each has.
    owners: RefCell<Vec<(K, usize)>>,
}

impl<K: Ord + Copy> Shares<K> {
    /// Creates shares of `max_bytes` each.
    #[must_use]
    pub const fn new(budget: &'static MemoryBudget, max_bytes: usize) -> Self {
        Self { budget, max_bytes, owners: RefCell::new(Vec::new()) }
    }

    /// Reserves `bytes` for `owner` until the reservation is dropped.
    ///
    /// # Errors
    /// [`OutOfBudget`] when the owner's share or the budget has no room.
    pub fn reserve(self: &Rc<Self>, owner: K, bytes: usize) -> Result<ShareReservation<K>, OutOfBudget> {
        let mut owners = self.owners.borrow_mut();
        let place = owners.binary_search_by_key(&owner, |(other, _)| *other);
        let before = place.map_or(0, |place| owners[place].1);
        let sum = before.checked_add(bytes).filter(|sum| *sum <= self.max_bytes).ok_or(OutOfBudget::Share)?;
        let reservation = self.budget.reserve(bytes)?;
        match place {
            Ok(place) => owners[place].1 = sum,
            Err(place) => {
                owners.try_reserve(1).map_err(|_| OutOfBudget::Budget)?;
                owners.insert(place, (owner, sum));
            }
        }
        Ok(ShareReservation { shares: self.clone(), owner, reservation })
    }

    fn give_back(&self, owner: K, bytes: usize) {
        let mut owners = self.owners.borrow_mut();
        if let Ok(place) = owners.binary_search_by_key(&owner, |(other, _)| *other) {
            owners[place].1 -= bytes;
            if owners[place].1 == 0 {
                owners.remove(place);
            }
        }
    }

    /// Returns how many bytes `owner` has.
    #[must_use]
    pub fn used_bytes(&self, owner: K) -> usize {
        let owners = self.owners.borrow();
        owners.binary_search_by_key(&owner, |(other, _)| *other).map_or(0, |place| owners[place].1)
    }
}

impl<K> fmt::Debug for Shares<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shares")
            .field("max_bytes", &self.max_bytes)
            .field("owners", &self.owners.borrow().len())
            .finish_non_exhaustive()
    }
}

/// A part of an owner's share, which returns to it when this is dropped.
#[must_use = "a reservation ends when it is dropped"]
pub struct ShareReservation<K: Ord + Copy> {
    shares: Rc<Shares<K>>,
    owner: K,
    reservation: Reservation,
}

impl<K: Ord + Copy> ShareReservation<K> {
    /// Returns the number of bytes.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.reservation.bytes()
    }
}

impl<K: Ord + Copy> Drop for ShareReservation<K> {
    fn drop(&mut self) {
        self.shares.give_back(self.owner, self.reservation.bytes());
    }
}

impl<K: Ord + Copy> fmt::Debug for ShareReservation<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShareReservation").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static BUDGET: MemoryBudget = MemoryBudget::new(100);

    #[test]
    fn what_is_refused_leaves_nothing_behind() {
        let shares = Rc::new(Shares::new(&BUDGET, 80));
        let first = shares.reserve(1, 70).expect("room");
        assert_eq!(shares.reserve(2, 70).err(), Some(OutOfBudget::Budget));
        assert_eq!(shares.reserve(1, 20).err(), Some(OutOfBudget::Share));
        assert_eq!(shares.reserve(1, usize::MAX).err(), Some(OutOfBudget::Share));
        assert_eq!((shares.used_bytes(1), shares.used_bytes(2), BUDGET.usage().used_bytes), (70, 0, 70));
        drop(first);
        assert_eq!((shares.used_bytes(1), BUDGET.usage().used_bytes), (0, 0));
        assert!(shares.owners.borrow().is_empty());
    }
}
