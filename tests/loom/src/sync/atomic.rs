//! Loom's atomics, with `const` constructors, and sequentially consistent as x86 is.
//!
//! Loom creates its atomics at run time only: these are created at their first use, which a model does before it starts
//! its threads. Loom weakens `SeqCst` accesses to acquire and release, but models fences in full. On x86 a `SeqCst` write
//! is a locked instruction, which is a full fence, and a `SeqCst` read is a plain load; so here. Loom also does not order a
//! plain store among swaps, so that a later swap may miss it: here a store is a swap as well.

use core::fmt;
use core::sync::atomic as plain;
use std::sync::OnceLock;

use crate::hardware::cpu;

pub(crate) use loom::sync::atomic::Ordering;

fn read(order: Ordering) -> Ordering {
    if order == Ordering::SeqCst { Ordering::Acquire } else { order }
}

/// Does a write and what `order` demands around it, which `weaker` leaves out.
fn write<R>(order: Ordering, weaker: Ordering, write: impl FnOnce(Ordering) -> R) -> R {
    cpu::boundary();
    if order != Ordering::SeqCst {
        return write(order);
    }
    let result = write(weaker);
    loom::sync::atomic::fence(Ordering::SeqCst);
    result
}

macro_rules! atomic {
    ($name:ident $(<$generic:ident>)?, $value:ty) => {
        pub(crate) struct $name $(<$generic>)? {
            initial: plain::$name $(<$generic>)?,
            made: OnceLock<loom::sync::atomic::$name $(<$generic>)?>,
        }

        impl $(<$generic>)? $name $(<$generic>)? {
            pub(crate) const fn new(value: $value) -> Self {
                Self { initial: plain::$name::new(value), made: OnceLock::new() }
            }

            fn made(&self) -> &loom::sync::atomic::$name $(<$generic>)? {
                self.made.get_or_init(|| loom::sync::atomic::$name::new(self.initial.load(Ordering::Relaxed)))
            }

            pub(crate) fn load(&self, order: Ordering) -> $value {
                cpu::boundary();
                self.made().load(read(order))
            }

            pub(crate) fn store(&self, value: $value, order: Ordering) {
                write(order, Ordering::Release, |order| self.made().swap(value, order));
            }

            pub(crate) fn swap(&self, value: $value, order: Ordering) -> $value {
                write(order, Ordering::AcqRel, |order| self.made().swap(value, order))
            }

            pub(crate) fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                order: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                write(order, Ordering::AcqRel, |order| self.made().compare_exchange(current, new, order, read(failure)))
            }
        }

        impl $(<$generic>)? Default for $name $(<$generic>)?
        where
            $value: Default,
        {
            fn default() -> Self {
                let this = Self::new(<$value>::default());
                this.made();
                this
            }
        }

        impl $(<$generic>)? fmt::Debug for $name $(<$generic>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}

atomic!(AtomicBool, bool);
atomic!(AtomicPtr<T>, *mut T);
atomic!(AtomicU32, u32);
atomic!(AtomicU64, u64);
atomic!(AtomicUsize, usize);

impl AtomicU64 {
    pub(crate) fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
        write(order, Ordering::AcqRel, |order| self.made().fetch_add(value, order))
    }

    pub(crate) fn fetch_or(&self, value: u64, order: Ordering) -> u64 {
        write(order, Ordering::AcqRel, |order| self.made().fetch_or(value, order))
    }
}
