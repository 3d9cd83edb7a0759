//! The CPUs of a machine, each with vectors of its own.

use alloc::vec::Vec;
use core::{fmt, ptr};

use super::block::VectorBlock;
use super::table::{VectorTable, VectorsExhausted};
use crate::sync::primitives::{AtomicBool, Ordering};

/// A CPU that runs. Only a [`Machine`](crate::machine::Machine) makes values of it, so there is none for another CPU.
///
/// ```
/// use switchboard_testing::FakeMachine;
///
/// let fake = FakeMachine::builder().cpus(2).build();
/// let cpus: Vec<_> = fake.machine().cpus().collect();
/// assert_eq!(cpus.len(), 2);
/// assert_eq!((cpus[1].number(), cpus[1].to_string()), (1, "CPU 1".to_string()));
/// ```
#[derive(Clone, Copy)]
pub struct Cpu(&'static VectorTable);

impl Cpu {
    /// Returns the number of the CPU; 0 is the boot CPU.
    #[must_use]
    pub fn number(self) -> usize {
        self.0.number()
    }

    pub(super) fn of(table: &'static VectorTable) -> Self {
        Self(table)
    }

    pub(crate) fn used_vectors(self) -> usize {
        self.0.used()
    }

    pub(super) fn table(self) -> &'static VectorTable {
        self.0
    }
}

impl PartialEq for Cpu {
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self.0, other.0)
    }
}

impl Eq for Cpu {}

impl fmt::Debug for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cpu({})", self.number())
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CPU {}", self.number())
    }
}

/// Where vectors are allocated.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Placement {
    /// Where the machine's policy has them.
    Policy,
    /// On this CPU while it has vectors, else where the policy has them.
    Prefer(Cpu),
    /// On this CPU.
    Only(Cpu),
}

/// The CPUs of a machine, the boot CPU first.
pub(crate) struct Cpus {
    tables: Vec<&'static VectorTable>,
    /// Vectors are allocated on the CPU that has most, rather than on the boot CPU.
    is_spread: AtomicBool,
}

impl Cpus {
    pub(crate) fn new(tables: Vec<&'static VectorTable>) -> Self {
        tables.iter().enumerate().for_each(|(number, table)| table.set_number(number));
        Self { tables, is_spread: AtomicBool::new(false) }
    }

    /// Returns all CPUs.
    pub(crate) fn all(&self) -> impl ExactSizeIterator<Item = Cpu> {
        self.tables.iter().map(|table| Cpu(table))
    }

    /// Returns the CPU with that number.
    pub(super) fn get(&self, number: usize) -> Cpu {
        Cpu(self.tables[number])
    }

    pub(crate) fn spread(&self, is_spread: bool) {
        self.is_spread.store(is_spread, Ordering::Relaxed);
    }

    /// Allocates contiguous vectors of one CPU; see [`VectorTable::allocate`].
    ///
    /// # Errors
    /// [`VectorsExhausted`], with the number of vectors that are free on the CPUs in question.
    pub(crate) fn allocate(
        &self,
        count: usize,
        align: usize,
        is_first: bool,
        placement: Placement,
    ) -> Result<VectorBlock, VectorsExhausted> {
        if let Placement::Only(cpu) = placement {
            return cpu.table().allocate(count, align, is_first);
        }
        let (mut last, mut free) = (None, 0);
        while let Some((rank, table)) = self.next_after(last, placement) {
            match table.allocate(count, align, is_first) {
                Ok(block) => return Ok(block),
                Err(short) => free += short.free,
            }
            last = Some(rank);
        }
        Err(VectorsExhausted { wanted: count, free })
    }

    /// Returns the best CPU of those behind `last` in order of preference.
    fn next_after(&self, last: Option<Rank>, placement: Placement) -> Option<(Rank, &'static VectorTable)> {
        let is_spread = self.is_spread.load(Ordering::Relaxed);
        let ranked = self.tables.iter().map(|table| {
            let class = match placement {
                Placement::Prefer(cpu) if ptr::eq(cpu.table(), *table) => 0,
                _ if is_spread || table.number() == 0 => 1,
                _ => 2,
            };
            ((class, table.used(), table.number()), *table)
        });
        ranked.filter(|(rank, _)| last.is_none_or(|last| *rank > last)).min_by_key(|(rank, _)| *rank)
    }

    /// Allocates up to `count` vectors one by one: each on the best CPU at that time.
    ///
    /// # Errors
    /// [`VectorsExhausted`] when there is none at all.
    pub(crate) fn allocate_each(
        &self,
        count: usize,
        is_first: bool,
        placement: Placement,
    ) -> Result<Vec<VectorBlock>, VectorsExhausted> {
        let mut blocks = Vec::with_capacity(count);
        blocks.push(self.allocate(1, 1, is_first, placement)?);
        while blocks.len() < count
            && let Ok(block) = self.allocate(1, 1, false, placement)
        {
            blocks.push(block);
        }
        Ok(blocks)
    }

    /// Limits the vectors that can be allocated to `count` in total, those of the boot CPU first.
    pub(crate) fn limit(&self, mut count: usize) {
        for table in &self.tables {
            count -= table.limit(count);
        }
    }

    /// Returns the number of free vectors.
    pub(crate) fn free(&self) -> usize {
        self.tables.iter().map(|table| table.free()).sum()
    }

    /// Returns the number of deliveries to vectors without a handler.
    pub(crate) fn unexpected(&self) -> u64 {
        self.tables.iter().map(|table| table.unexpected()).sum()
    }

    /// Returns the number of spurious interrupts.
    pub(crate) fn spurious(&self) -> u64 {
        self.tables.iter().map(|table| table.spurious()).sum()
    }
}

/// The order in which CPUs are tried: by class, vectors in use, and number.
type Rank = (u8, usize, usize);
