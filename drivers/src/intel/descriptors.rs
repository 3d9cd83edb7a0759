//! The layouts of receive and transmit descriptors: 16 bytes each, in which the families differ.

use core::fmt;

use switchboard::dma::{BusAddress, DmaPort, DmaShared};
use switchboard::driver::ProbeError;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The size of a receive or transmit descriptor.
pub(crate) const DESCRIPTOR_BYTES: u16 = 16;

/// Allocates the descriptors of a ring, zeroed, and aligned to their 16 bytes.
pub(super) fn descriptors(dma: &DmaPort, count: u16) -> Result<DmaShared<Descriptor>, ProbeError> {
    let mut region = dma.region((count * DESCRIPTOR_BYTES).into())?;
    region
        .carve(count.into(), DESCRIPTOR_BYTES.into())
        .ok_or(ProbeError::Device("the descriptors do not fit their region"))
}

/// A descriptor as the driver writes it.
#[derive(Debug, Clone, Copy, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Descriptor {
    /// The address of the buffer.
    pub(super) address: BusAddress,
    /// Of a transmit descriptor: the length, the kind and the command. Of a receive descriptor: 0.
    pub(super) command: u32,
    /// Of a transmit descriptor: status and options. Of a receive descriptor: 0.
    pub(super) options: u32,
}

/// A descriptor as the device writes it back: four words.
#[derive(Debug, Clone, Copy, FromBytes, KnownLayout)]
#[repr(C)]
pub struct WriteBack([u32; 4]);

impl WriteBack {
    /// Returns the status of a transmit descriptor, which all layouts have in the same place.
    pub(super) fn transmit_status(self) -> u32 {
        self.0[3]
    }
}

/// What a receive descriptor reports.
#[derive(Debug, Clone, Copy)]
pub struct Received {
    /// Bits of `status`: see [`DONE`] and [`END`].
    pub(super) status: u32,
    pub(super) length: u16,
    /// Whether the frame is damaged. Checksum errors do not count, since the stack verifies checksums by itself.
    pub(super) has_error: bool,
}

/// `status` of both kinds of descriptors: the device has written the descriptor back.
pub(super) const DONE: u32 = 1 << 0;
/// `status` of a receive descriptor: the frame ends here.
pub(super) const END: u32 = 1 << 1;
/// `status` of a transmit descriptor: not sent, because of too many collisions or of a late one.
pub(super) const NOT_SENT: u32 = 1 << 1 | 1 << 2;

/// `command`: the frame ends here.
pub(super) const COMMAND_END: u32 = 1 << 24;
/// `command`: the device appends the CRC.
pub(super) const INSERT_CRC: u32 = 1 << 25;
/// `command`: the device reports when the frame was sent.
pub(super) const REPORT: u32 = 1 << 27;

/// The layout of a family's descriptors.
pub trait Layout: fmt::Debug + Send + Sync + 'static {
    /// The kind of transmit descriptor, as bits of its command.
    const KIND: u32;

    /// Returns the options of a transmit descriptor.
    fn options(_length: u32) -> u32 {
        0
    }

    /// Reads a receive descriptor.
    fn received(report: WriteBack) -> Received;
}

/// Legacy descriptors (3.2.3, 3.3.3).
#[derive(Debug)]
pub struct Legacy;

impl Layout for Legacy {
    const KIND: u32 = 0;

    fn received(WriteBack([_, _, length, status]): WriteBack) -> Received {
        /// CRC, symbol, sequence, carrier extension, and data errors.
        const ERRORS: u32 = 0b1001_0111 << 8;
        Received { status, length: low_half(length), has_error: status & ERRORS != 0 }
    }
}

/// Extended descriptors of the 82574 (its datasheet, 7.1.4.2 and 7.2.4).
#[derive(Debug)]
pub struct Extended;

impl Layout for Extended {
    /// An extended data descriptor.
    const KIND: u32 = 1 << 29 | 1 << 20;

    fn received(WriteBack([_, _, status, length]): WriteBack) -> Received {
        /// CRC, symbol, sequence, carrier extension, and data errors.
        const ERRORS: u32 = 0b1001_0111 << 24;
        Received { status, length: low_half(length), has_error: status & ERRORS != 0 }
    }
}

/// Advanced descriptors of the 82576 (its datasheet, 7.1.5.2 and 7.2.2.3), which are received as extended ones.
#[derive(Debug)]
pub struct Advanced;

impl Layout for Advanced {
    /// An advanced data descriptor.
    const KIND: u32 = 1 << 29 | 0b11 << 20;

    fn options(length: u32) -> u32 {
        length << 14
    }

    fn received(report: WriteBack) -> Received {
        Extended::received(report)
    }
}

fn low_half(word: u32) -> u16 {
    (word & 0xffff) as u16
}
