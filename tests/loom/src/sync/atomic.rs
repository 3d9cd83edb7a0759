//! Loom's atomics, with `const` constructors, and sequentially consistent as x86 is.
//!
//! Loom makes its atomics at run time only: these make theirs at the first use, which a model does before it starts
//! its threads. Loom takes `SeqCst` accesses for acquire and release, and knows only fences better; on x86 they are a
//! locked instruction, which is a full fence, where they write, and a plain load where they do not. So here. And loom
//! leaves open where a plain store comes among swaps, so that a later swap may miss it: here a store is a swap too.

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
