//! What a unit is: its name, whether it is ready, its capacity.

use alloc::string::String;
use core::future::poll_fn;
use core::task::Poll;

use super::transport::{CommandError, Data, Transport};
use crate::scsi::{
    CD, Cdb, DISK, MODE_SENSE, NOT_READY, READ_CAPACITY_10, READ_CAPACITY_16, Sense, TEST_UNIT_READY, UNIT_ATTENTION,
    capacity_10, capacity_16, inquiry, is_valid_capacity, name,
};
use crate::usb::{UsbDevice, UsbError};

/// The bytes of INQUIRY and of MODE SENSE that every device sends: some fail for more.
const INQUIRY_BYTES: u8 = 36;
const MODE_BYTES: u8 = 192;
/// How often a unit is looked at that is not ready yet, and the time between.
const READY_ATTEMPTS: usize = 20;
const READY_INTERVAL_NS: u64 = 100_000_000;
/// Additional sense codes: the unit becomes ready; there is no medium (SPC-4, annex D).
const BECOMING_READY: u8 = 0x04;
const NO_MEDIUM: u8 = 0x3a;

/// What is known of a unit.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) number: u8,
    pub(super) name: String,
    pub(super) blocks: u64,
    /// The size of a block, as a power of two of bytes.
    pub(super) block_bits: u32,
    pub(super) is_read_only: bool,
}

impl<D: UsbDevice> Transport<D> {
    /// Finds the first unit that is a disk with a medium.
    pub(super) async fn find_unit(&mut self) -> Result<Unit, UsbError> {
        let last = self.max_unit().await?;
        let mut reason = "no disk";
        for unit in 0..=last {
            match self.identify(unit).await {
                Ok(unit) => return Ok(unit),
                Err(CommandError::Usb(UsbError::Protocol(other))) => reason = other,
                Err(CommandError::Sense(Sense { code: NO_MEDIUM, .. })) => reason = "no medium",
                Err(CommandError::Sense(_)) => reason = "a disk that is not ready",
                Err(CommandError::Usb(error)) => return Err(error),
            }
        }
        Err(UsbError::Protocol(reason))
    }

    async fn identify(&mut self, unit: u8) -> Result<Unit, CommandError> {
        let mut command = inquiry(None);
        command[4] = INQUIRY_BYTES;
        let data: [u8; 36] = self.read(unit, &command).await?;
        let is_cd = match data[0] {
            DISK => false,
            CD => true,
            _ => return Err(UsbError::Protocol("neither a disk nor a CD").into()),
        };
        let name = name(&data);
        self.wait_until_ready(unit).await?;
        let (mut last, mut block_bytes) = capacity_10(self.read(unit, &READ_CAPACITY_10).await?);
        if last == u32::MAX.into() {
            let data: [u8; 32] = self.read(unit, &READ_CAPACITY_16).await?;
            (last, block_bytes, _) = capacity_16(*data.first_chunk().unwrap_or(&[0; 16]));
        }
        if !is_valid_capacity(last, block_bytes) {
            return Err(UsbError::Protocol("blocks of a size other than 512 to 4,096 bytes").into());
        }
        let is_read_only = is_cd || self.is_protected(unit).await?;
        Ok(Unit { number: unit, name, blocks: last + 1, block_bits: block_bytes.trailing_zeros(), is_read_only })
    }

    /// Reads a structure of which the unit has to send all bytes.
    async fn read<const N: usize>(&mut self, unit: u8, command: &Cdb) -> Result<[u8; N], CommandError> {
        let buffer = self.device.buffer(N).map_err(UsbError::from)?;
        let data = self.execute(unit, command, Data::In(buffer, N)).await?;
        let bytes = data.as_ref().and_then(|data| data.buffer[..data.length].first_chunk());
        Ok(*bytes.ok_or(UsbError::Protocol("a disk that sends too few bytes"))?)
    }

    /// Waits until the unit is ready. This also takes the reports of its reset.
    async fn wait_until_ready(&mut self, unit: u8) -> Result<(), CommandError> {
        let mut attempt = 0;
        loop {
            let sense = match self.execute(unit, &TEST_UNIT_READY, Data::None).await {
                Err(CommandError::Sense(sense)) => sense,
                other => return other.map(drop),
            };
            attempt += 1;
            match sense {
                _ if attempt >= READY_ATTEMPTS => return Err(sense.into()),
                Sense { key: UNIT_ATTENTION, .. } => {}
                Sense { key: NOT_READY, code: BECOMING_READY, .. } => delay(&self.device, READY_INTERVAL_NS).await?,
                _ => return Err(sense.into()),
            }
        }
    }

    /// Returns whether the medium is write-protected. A unit that does not report that has no protection.
    async fn is_protected(&mut self, unit: u8) -> Result<bool, CommandError> {
        let buffer = self.device.buffer(MODE_BYTES.into()).map_err(UsbError::from)?;
        match self.execute(unit, &MODE_SENSE, Data::In(buffer, MODE_BYTES.into())).await {
            Ok(Some(data)) => Ok(data.length > 2 && data.buffer[2] & 0x80 != 0),
            Ok(None) | Err(CommandError::Sense(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Waits for a time, while the task is polled.
async fn delay(device: &impl UsbDevice, time_ns: u64) -> Result<(), UsbError> {
    let deadline_ns = device.clock().now_ns() + time_ns;
    poll_fn(|_| {
        if device.is_gone() {
            return Poll::Ready(Err(UsbError::Gone));
        }
        if device.clock().now_ns() >= deadline_ns { Poll::Ready(Ok(())) } else { Poll::Pending }
    })
    .await
}
