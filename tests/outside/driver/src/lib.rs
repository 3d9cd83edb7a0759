//! A driver of a disk that is one BAR. An image lists it as `class::<BarDisk, Disk>()`.
#![no_std]
#![forbid(unsafe_code)]

use core::task::{Context, Poll};

use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::{Function, Resources};
use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock};
use switchboard_drivers::interfaces::block::{
    BlockDevice, BlockError, BlockRequest, Geometry, SECTOR_SIZE, Ticket, Transfer,
};

#[derive(Debug)]
struct Registers;

impl RegisterBlock for Registers {
    const SIZE: u64 = 0x1000;
    const ALIGN: u64 = 4;
}

/// The number of sectors.
const SECTORS: Reg<Registers, u32, ReadOnly> = Reg::at(0x00);
/// The byte that fills the disk, in bits 7 to 0.
const FILLING: Reg<Registers, u32, ReadOnly> = Reg::at(0x04);

/// A disk whose bytes all have the same value.
#[derive(Debug)]
pub struct BarDisk {
    registers: Bar<Registers>,
}

impl Driver for BarDisk {
    const NAME: &'static str = "bar-disk";
    const MATCHES: &'static [Id] = &[Id::new(0x1af5, 0x0001)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let Resources { bar0, .. } = function.claim()?;
        Ok(Self { registers: bar0.map()? })
    }
}

impl BlockDevice for BarDisk {
    fn geometry(&self) -> Option<Geometry> {
        let capacity = self.registers.read(&SECTORS).into();
        Some(Geometry {
            capacity,
            block_bytes: SECTOR_SIZE,
            is_read_only: true,
            max_transfer_bytes: SECTOR_SIZE,
            max_discard_bytes: 0,
            max_write_zeroes_bytes: 0,
        })
    }

    fn poll_request(&self, request: &mut BlockRequest<'_>, _: &mut Context<'_>) -> Poll<Result<(), BlockError>> {
        if let Transfer::Read(take) = &mut request.transfer {
            let filling = self.registers.read(&FILLING).to_le_bytes()[0];
            take(&[filling; SECTOR_SIZE][..request.length]);
        }
        Poll::Ready(Ok(()))
    }

    fn abandon(&self, _ticket: &mut Ticket) {}

    fn close(&self) {}
}
