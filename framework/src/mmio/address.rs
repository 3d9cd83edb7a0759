//! Registers that hold the address of DMA memory: they are written with a [`BusAddress`] and with nothing else.

use core::fmt;
use core::marker::PhantomData;

use super::bar::Bar;
use super::register::{Reg, RegisterBlock, WriteOnly};
use crate::dma::BusAddress;

/// A register of 64 bits of block `B` that holds a bus address.
///
/// ```
/// use switchboard::mmio::{AddressReg, Bar, RegisterBlock};
/// use switchboard::dma::DmaBuffer;
/// struct Copier;
/// impl RegisterBlock for Copier {
///     const SIZE: u64 = 0x100;
///     const ALIGN: u64 = 8;
/// }
/// const SOURCE: AddressReg<Copier> = AddressReg::at(0x80);
///
/// fn read_from(registers: &Bar<Copier>, buffer: &DmaBuffer) {
///     registers.write_address(&SOURCE, buffer.bus());
/// }
/// ```
pub struct AddressReg<B> {
    register: Reg<B, u64, WriteOnly>,
}

impl<B: RegisterBlock> AddressReg<B> {
    /// The register at `offset` bytes into the block.
    ///
    /// # Panics
    /// At compile time, where [`Reg::at`] of 64 bits does.
    #[must_use]
    pub const fn at(offset: u64) -> Self {
        Self { register: Reg::at(offset) }
    }
}

/// A bus address in two registers of 32 bits of block `B`, the high half 4 bytes behind the low one.
///
/// ```
/// use switchboard::mmio::{AddressPair, Bar, RegisterBlock};
/// use switchboard::dma::DmaShared;
/// struct Card;
/// impl RegisterBlock for Card {
///     const SIZE: u64 = 0x6000;
/// }
/// const RDBA: AddressPair<Card> = AddressPair::at(0x2800);
///
/// fn set_ring(registers: &Bar<Card>, ring: &DmaShared<[u64; 2]>) {
///     registers.write_address_pair(&RDBA, ring.bus());
/// }
/// ```
pub struct AddressPair<B> {
    low: Reg<B, u32, WriteOnly>,
    high: Reg<B, u32, WriteOnly>,
    flags: u32,
    is_high_first: bool,
    _block: PhantomData<fn() -> B>,
}

impl<B: RegisterBlock> AddressPair<B> {
    /// The registers at `offset` and `offset + 4` bytes into the block. The low half is written first.
    ///
    /// # Panics
    /// At compile time, where [`Reg::at`] of 32 bits does.
    #[must_use]
    pub const fn at(offset: u64) -> Self {
        let (low, high) = (Reg::at(offset), Reg::at(offset + 4));
        Self { low, high, flags: 0, is_high_first: false, _block: PhantomData }
    }

    /// Writes the high half first, for devices that act on the low one.
    #[must_use]
    pub const fn high_first(self) -> Self {
        Self { is_high_first: true, ..self }
    }

    /// Sets bits of the low half beside the address, where a device keeps flags below the alignment of what it wants.
    ///
    /// # Panics
    /// At compile time, when a flag is not in the lowest six bits: what a device takes for the address is then in the same 64
    /// bytes, whatever it makes of the flags.
    #[must_use]
    pub const fn with_flags(self, flags: u32) -> Self {
        assert!(flags < 64, "flags beside an address are in its lowest six bits");
        Self { flags, ..self }
    }
}

impl<B> AddressReg<B> {
    /// Returns the bytes from the start of the block.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.register.offset()
    }
}

impl<B> AddressPair<B> {
    /// Returns the bytes from the start of the block to the low half.
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
        debug_assert!(value & u64::from(*flags) == 0, "flags are where the address has no bits");
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
