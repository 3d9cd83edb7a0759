//! Typed registers: block, offset, width and direction of each are known to the compiler.

use core::fmt;
use core::marker::PhantomData;

/// A block of registers that a driver maps: a marker type with the size of the block. See [`Reg`].
pub trait RegisterBlock: 'static {
    /// The size of the block in bytes. Mapping fails when the BAR is smaller.
    const SIZE: u64;
    /// The width of the widest access, in bytes. Mapping fails when the block is not aligned to it.
    const ALIGN: u64 = 4;
}

/// A value that one access carries: `u8`, `u16`, `u32` or `u64`. Every bit pattern is a valid value.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a register's value",
    note = "registers are u8, u16, u32 or u64"
)]
pub trait RegisterValue: Copy + Send + Sync + sealed::Sealed + 'static {
    #[doc(hidden)]
    fn from_bits(bits: u64) -> Self;
    #[doc(hidden)]
    fn to_bits(self) -> u64;
}

macro_rules! register_values {
    ($($value:ty),+) => {
        $(impl RegisterValue for $value {
            fn from_bits(bits: u64) -> Self {
                // The access had this width, so no bit is lost.
                Self::try_from(bits & u64::from(Self::MAX)).unwrap_or_default()
            }
            fn to_bits(self) -> u64 {
                self.into()
            }
        })+
    };
}

register_values!(u8, u16, u32, u64);

mod sealed {
    pub trait Sealed {}
    impl Sealed for u8 {}
    impl Sealed for u16 {}
    impl Sealed for u32 {}
    impl Sealed for u64 {}
    impl Sealed for super::ReadOnly {}
    impl Sealed for super::WriteOnly {}
    impl Sealed for super::ReadWrite {}
}

/// The direction of a register that can only be read.
#[derive(Debug, Clone, Copy)]
pub struct ReadOnly;
/// The direction of a register that can only be written.
#[derive(Debug, Clone, Copy)]
pub struct WriteOnly;
/// The direction of a register that can be read and written.
#[derive(Debug, Clone, Copy)]
pub struct ReadWrite;

/// A direction that allows reading.
#[diagnostic::on_unimplemented(message = "this register cannot be read: it is `{Self}`", label = "not readable")]
pub trait Readable: sealed::Sealed {}
impl Readable for ReadOnly {}
impl Readable for ReadWrite {}

/// A direction that allows writing.
#[diagnostic::on_unimplemented(message = "this register cannot be written: it is `{Self}`", label = "not writable")]
pub trait Writable: sealed::Sealed {}
impl Writable for WriteOnly {}
impl Writable for ReadWrite {}

/// A register of block `B` that holds a `T` and is accessed in direction `A`.
///
/// Drivers declare their registers as constants. A register outside its block does not compile, nor does a write to a
/// read-only register.
///
/// ```
/// use switchboard::mmio::{ReadOnly, Reg, RegisterBlock, WriteOnly};
///
/// struct Edu;
/// impl RegisterBlock for Edu {
///     const SIZE: u64 = 0x100;
/// }
/// const INTERRUPT_STATUS: Reg<Edu, u32, ReadOnly> = Reg::at(0x24);
/// const INTERRUPT_ACKNOWLEDGE: Reg<Edu, u32, WriteOnly> = Reg::at(0x64);
///
/// assert_eq!(INTERRUPT_STATUS.offset(), 0x24);
/// # assert_eq!(INTERRUPT_ACKNOWLEDGE.offset(), 0x64);
/// ```
pub struct Reg<B, T, A = ReadWrite> {
    offset: u64,
    _block: PhantomData<fn() -> B>,
    _value: PhantomData<fn() -> T>,
    _direction: PhantomData<fn() -> A>,
}

impl<B: RegisterBlock, T: RegisterValue, A> Reg<B, T, A> {
    /// Returns the register at `offset` bytes into the block.
    ///
    /// # Panics
    /// At compile time, when the register is outside the block, is not aligned to its width, or is wider than
    /// [`RegisterBlock::ALIGN`].
    #[must_use]
    pub const fn at(offset: u64) -> Self {
        let size = size_of::<T>() as u64;
        assert!(offset + size <= B::SIZE, "this register is outside its block");
        assert!(offset.is_multiple_of(size), "this register is not aligned to its width");
        assert!(size <= B::ALIGN, "this register is wider than the `ALIGN` of its block");
        Self { offset, _block: PhantomData, _value: PhantomData, _direction: PhantomData }
    }
}

impl<B, T, A> Reg<B, T, A> {
    /// Returns the offset from the start of the block, in bytes.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }
}

impl<B, T, A> fmt::Debug for Reg<B, T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reg({:#x})", self.offset)
    }
}
