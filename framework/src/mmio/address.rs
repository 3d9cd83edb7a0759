//! Address registers: registers that hold the address of DMA memory and take only a [`BusAddress`].

use core::fmt;
use core::marker::PhantomData;

use super::bar::Bar;
use super::register::{Reg, RegisterBlock, WriteOnly};
use crate::dma::BusAddress;

/// A 64-bit register of block `B` that holds a bus address.
///
/// ```
/// use switchboard::mmio::{AddressReg, Bar, RegisterBlock};
/// # use switchboard_testing::{FakeFunction, FakeMachine};
///
/// struct Copier;
/// impl RegisterBlock for Copier {
///     const SIZE: u64 = 0x100;
///     const ALIGN: u64 = 8;
/// }
/// const SOURCE: AddressReg<Copier> = AddressReg::at(0x80);
///
/// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).bar(0, 0x1000)]);
/// # let function = fake.machine().take_all().remove(0);
/// # let address = function.address();
/// # let resources = function.claim()?;
/// let registers: Bar<Copier> = resources.bar0.map()?;
/// let buffer = resources.dma.buffer(4096)?;
/// registers.write_address(&SOURCE, buffer.bus());
/// # let halves = [0x80, 0x84].map(|offset| u64::from(fake.read_register(address, 0, offset)));
/// # assert_eq!(halves[0] | halves[1] << 32, buffer.bus().get());
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
pub struct AddressReg<B> {
    register: Reg<B, u64, WriteOnly>,
}

impl<B: RegisterBlock> AddressReg<B> {
    /// Returns the register at `offset` bytes into the block.
    ///
    /// # Panics
    /// At compile time, under the conditions of [`Reg::at`] for 64 bits.
    #[must_use]
    pub const fn at(offset: u64) -> Self {
        Self { register: Reg::at(offset) }
    }
}

/// Two 32-bit registers of block `B` that hold the halves of a bus address.
///
/// ```
/// use switchboard::dma::DmaShared;
/// use switchboard::mmio::{AddressPair, Bar, RegisterBlock};
/// # use switchboard_testing::{FakeFunction, FakeMachine};
///
/// struct Card;
/// impl RegisterBlock for Card {
///     const SIZE: u64 = 0x6000;
/// }
/// /// Receive Descriptor Base Address, low and high.
/// const RDBA: AddressPair<Card> = AddressPair::at(0x2800);
///
/// # let fake = FakeMachine::new([FakeFunction::new(0x8086, 0x100e).bar(0, 0x2_0000)]);
/// # let function = fake.machine().take_all().remove(0);
/// # let address = function.address();
/// # let resources = function.claim()?;
/// let registers: Bar<Card> = resources.bar0.map()?;
/// let ring: DmaShared<[u64; 2]> = resources.dma.region(4096)?.carve(256, 128).expect("256 descriptors of 16 bytes");
/// registers.write_address_pair(&RDBA, ring.bus());
/// # assert_eq!(u64::from(fake.read_register(address, 0, 0x2804)), ring.bus().get() >> 32);
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
pub struct AddressPair<B> {
    low: Reg<B, u32, WriteOnly>,
    high: Reg<B, u32, WriteOnly>,
    flags: u32,
    is_high_first: bool,
    _block: PhantomData<fn() -> B>,
}

impl<B: RegisterBlock> AddressPair<B> {
    /// Returns the registers at `offset` and `offset + 4` bytes into the block. The low half is written first.
    ///
    /// # Panics
    /// At compile time, under the conditions of [`Reg::at`] for 32 bits.
    #[must_use]
    pub const fn at(offset: u64) -> Self {
        Self::apart(offset, offset + 4)
    }

    /// Returns the registers at `low` and `high` bytes into the block, for devices whose halves are not neighbours. The low half
    /// is written first.
    ///
    /// # Panics
    /// As [`at`](Self::at).
    #[must_use]
    pub const fn apart(low: u64, high: u64) -> Self {
        let (low, high) = (Reg::at(low), Reg::at(high));
        Self { low, high, flags: 0, is_high_first: false, _block: PhantomData }
    }

    /// Writes the high half first, for devices that act on the write to the low half.
    #[must_use]
    pub const fn high_first(self) -> Self {
        Self { is_high_first: true, ..self }
    }

    /// Sets flags in the low half, for devices that keep flags in the bits below the alignment of the address.
    ///
    /// # Panics
    /// At compile time, when a flag is not in the lowest six bits. Within those bits, a device that took the flags for a part of
    /// the address would still access the same 64 bytes.
    #[must_use]
    pub const fn with_flags(self, flags: u32) -> Self {
        assert!(flags < 64, "flags beside an address are in its lowest six bits");
        Self { flags, ..self }
    }
}

impl<B> AddressReg<B> {
    /// Returns the offset from the start of the block, in bytes.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.register.offset()
    }
}

impl<B> AddressPair<B> {
    /// Returns the offset of the low half from the start of the block, in bytes.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.low.offset()
    }
}

impl<B: RegisterBlock> Bar<B> {
    /// Writes a bus address to its register.
    #[inline]
    pub fn write_address(&self, register: &AddressReg<B>, address: BusAddress) {
        self.write(&register.register, address.get());
    }

    /// Writes a bus address to a pair of registers.
    #[inline]
    pub fn write_address_pair(&self, pair: &AddressPair<B>, address: BusAddress) {
        let AddressPair { low, high, flags, .. } = pair;
        let value = address.get();
        debug_assert!(value & u64::from(*flags) == 0, "flags overlap the bits of the address");
        let (low_half, high_half) = ((value & 0xffff_ffff) as u32 | flags, (value >> 32) as u32);
        if pair.is_high_first {
            self.write(high, high_half);
            self.write(low, low_half);
        } else {
            self.write(low, low_half);
            self.write(high, high_half);
        }
    }
}

impl<B> fmt::Debug for AddressReg<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AddressReg({:#x})", self.offset())
    }
}

impl<B> fmt::Debug for AddressPair<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AddressPair({:#x})", self.offset())
    }
}
