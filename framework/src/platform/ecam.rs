//! Configuration space by memory accesses: ECAM (PCI Express base 4.0, 7.2.2).

#![expect(unsafe_code, reason = "configuration space is reached through device memory")]

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use core::ptr::NonNull;

use super::memory::{Memory, MemoryError};
use crate::config::{Address, ConfigAccess, Width};

/// The memory-mapped configuration space of a range of buses: one allocation of the MCFG table.
///
/// ```
/// use switchboard::platform::EcamRegion;
///
/// let region = EcamRegion { base: 0xb000_0000, segment: 0, first_bus: 0x20, last_bus: 0x3f };
/// assert_eq!(region.decoded(), 0xb200_0000..0xb400_0000, "32 buses of 1 MiB");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EcamRegion {
    /// Physical address that the space of bus 0 has or would have; the region begins `first_bus` MiB above it.
    pub base: u64,
    /// PCI segment group.
    pub segment: u16,
    /// First bus of the region.
    pub first_bus: u8,
    /// Last bus of the region.
    pub last_bus: u8,
}

impl EcamRegion {
    /// Returns the physical addresses that the region decodes.
    #[must_use]
    pub fn decoded(&self) -> Range<u64> {
        let bus = |number: u8| self.base.saturating_add(u64::from(number) << 20);
        bus(self.first_bus)..bus(self.last_bus).saturating_add(1 << 20)
    }
}

/// Access to configuration space by memory accesses: all 4,096 bytes of every function in its regions.
///
/// ```
/// use core::ptr::NonNull;
/// use switchboard::config::{Address, ConfigAccess, Width};
/// use switchboard::platform::{DmaBlock, Ecam, EcamRegion, Mapping, Memory, MemoryError};
///
/// /// A machine whose device memory is one bus's configuration space on the heap.
/// struct OneBus(usize);
///
/// // SAFETY: the allocation is leaked, aligned, and used through the mapping only.
/// unsafe impl Memory for OneBus {
///     fn map(&self, _physical: u64, length: u64) -> Result<Mapping, MemoryError> {
///         assert_eq!(length, 1 << 20);
///         Ok(Mapping::Direct(NonNull::with_exposed_provenance(self.0.try_into().expect("not null"))))
///     }
///     fn allocate(&self, pages: usize) -> Result<DmaBlock, MemoryError> {
///         Err(MemoryError::OutOfMemory { wanted: pages * DmaBlock::PAGE })
///     }
///     unsafe fn release(&self, _block: DmaBlock) {}
/// }
///
/// let space = vec![u32::MAX; 1 << 18].leak();
/// space[(3 << 15) / 4] = 0x11e8_1234;
/// let region = EcamRegion { base: 0xb000_0000, segment: 0, first_bus: 0, last_bus: 0 };
/// let ecam = Ecam::new(&[region], &OneBus(space.as_mut_ptr().expose_provenance())).expect("mapped");
/// let function = Address::new(0, 0, 3, 0);
/// assert_eq!(ecam.read(function, 2, Width::Word), 0x11e8);
/// assert_eq!(ecam.size(function), 4096);
/// assert!(!ecam.has_bus(0, 1));
/// ```
pub struct Ecam {
    regions: Vec<Mapped>,
}

/// A mapped region.
///
/// # Invariants
/// `pointer` is the permanent mapping of one MiB for each bus of `region`.
struct Mapped {
    region: EcamRegion,
    pointer: NonNull<u8>,
}

// SAFETY: the mapping is not tied to a CPU, and volatile accesses of at most four bytes may come from any.
unsafe impl Send for Mapped {}
// SAFETY: as above.
unsafe impl Sync for Mapped {}

impl Ecam {
    /// Maps `regions` and returns access to them.
    ///
    /// # Errors
    /// [`MemoryError`] when a region cannot be mapped.
    pub fn new(regions: &[EcamRegion], memory: &dyn Memory) -> Result<Self, MemoryError> {
        let map = |region: &EcamRegion| {
            let buses = u64::from(region.last_bus.saturating_sub(region.first_bus)) + 1;
            let physical = region.base.saturating_add(u64::from(region.first_bus) << 20);
            let length = buses << 20;
            let pointer = memory.map(physical, length)?.direct();
            // The space of an emulated machine needs no mapping of its own: it has a `ConfigAccess`.
            Ok(Mapped { region: *region, pointer: pointer.ok_or(MemoryError::Unreachable { physical, length })? })
        };
        Ok(Self { regions: regions.iter().map(map).collect::<Result<_, _>>()? })
    }

    fn find(&self, segment: u16, bus: u8) -> Option<&Mapped> {
        self.regions.iter().find(|mapped| {
            let region = &mapped.region;
            region.segment == segment && (region.first_bus..=region.last_bus).contains(&bus)
        })
    }

    /// Returns the place of a register that is in a region and aligned to its width.
    fn locate(&self, address: Address, offset: u16, width: Width) -> Option<NonNull<u8>> {
        if offset >= 4096 || !offset.is_multiple_of(width.bytes()) {
            return None;
        }
        let mapped = self.find(address.segment(), address.bus())?;
        let function = usize::from(address.bus() - mapped.region.first_bus) << 20
            | usize::from(address.device()) << 15
            | usize::from(address.function()) << 12;
        // SAFETY: the bus is within the region and a function's place within its bus's MiB, so the result is in
        // the mapping.
        Some(unsafe { mapped.pointer.add(function + usize::from(offset)) })
    }
}

impl ConfigAccess for Ecam {
    fn read(&self, address: Address, offset: u16, width: Width) -> u32 {
        let Some(register) = self.locate(address, offset, width) else { return width.ones() };
        match width {
            // SAFETY: `locate` gives a mapped place for this width.
            Width::Byte => u32::from(unsafe { register.read_volatile() }),
            // SAFETY: as above; aligned to two.
            Width::Word => u32::from(unsafe { register.cast::<u16>().read_volatile() }),
            // SAFETY: as above; aligned to four.
            Width::Dword => unsafe { register.cast::<u32>().read_volatile() },
        }
    }

    fn write(&self, address: Address, offset: u16, width: Width, value: u32) {
        let Some(register) = self.locate(address, offset, width) else { return };
        match width {
            // SAFETY: `locate` gives a mapped place for this width. Writes come from the one `Machine` for this hardware, by the contract of its
            // constructor.
            Width::Byte => unsafe { register.write_volatile((value & 0xff) as u8) },
            // SAFETY: as above; aligned to two.
            Width::Word => unsafe { register.cast::<u16>().write_volatile((value & 0xffff) as u16) },
            // SAFETY: as above; aligned to four.
            Width::Dword => unsafe { register.cast::<u32>().write_volatile(value) },
        }
    }

    fn size(&self, address: Address) -> u16 {
        if self.locate(address, 0, Width::Dword).is_some() { 4096 } else { 0 }
    }

    fn last_segment(&self) -> u16 {
        self.regions.iter().map(|mapped| mapped.region.segment).max().unwrap_or(0)
    }

    fn has_bus(&self, segment: u16, bus: u8) -> bool {
        self.find(segment, bus).is_some()
    }
}

impl fmt::Debug for Ecam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.regions.iter().map(|mapped| mapped.region)).finish()
    }
}
