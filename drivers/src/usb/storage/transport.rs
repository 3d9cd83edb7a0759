//! Bulk-only transport: a SCSI command as a wrapper, its data, and a status (USB MSC BOT 1.0).

use switchboard::dma::DmaBuffer;

use crate::scsi::{Cdb, Sense, request_sense};
use crate::usb::{Interface, Setup, TransferType, Transferred, UsbDevice, UsbError, request};

/// The bytes of a command block wrapper (5.1), and of a command status wrapper (5.2).
const COMMAND_BYTES: usize = 31;
const STATUS_BYTES: usize = 13;
const COMMAND_SIGNATURE: [u8; 4] = *b"USBC";
const STATUS_SIGNATURE: [u8; 4] = *b"USBS";
const DATA_IN: u8 = 0x80;
/// Statuses: the command has failed, and the device has lost the thread.
const FAILED: u8 = 1;
const PHASE_ERROR: u8 = 2;
/// Bulk-Only Mass Storage Reset (3.1), and Get Max LUN (3.2).
const RESET: u8 = 0xff;
const GET_MAX_LUN: u8 = 0xfe;
/// The limit for each transfer of a command. Disks may take 30 seconds for a flush.
const TIMEOUT_NS: u64 = 30_000_000_000;
/// The bytes of sense data that are read.
const SENSE_BYTES: u8 = 18;

/// The data of a command: none, or memory to be read or written.
#[derive(Debug)]
pub(super) enum Data {
    None,
    In(DmaBuffer, usize),
    Out(DmaBuffer, usize),
}

/// The end of a command that did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CommandError {
    /// The unit has refused it, and reports why.
    #[error(transparent)]
    Sense(#[from] Sense),
    /// It could not be carried out.
    #[error(transparent)]
    Usb(#[from] UsbError),
}

/// The transport of an interface.
#[derive(Debug)]
pub(super) struct Transport<D> {
    pub(super) device: D,
    interface: u8,
    bulk_in: u8,
    bulk_out: u8,
    tag: u32,
    /// The memory of wrappers, while it is not in use.
    wrapper: Option<DmaBuffer>,
}

impl<D: UsbDevice> Transport<D> {
    pub(super) fn new(device: D, interface: &Interface) -> Result<Self, UsbError> {
        let endpoint = |is_in| interface.endpoint(TransferType::Bulk, is_in);
        let (Some(bulk_in), Some(bulk_out)) = (endpoint(true), endpoint(false)) else {
            return Err(UsbError::Protocol("a disk without its two bulk endpoints"));
        };
        let (bulk_in, bulk_out) = (bulk_in.address, bulk_out.address);
        Ok(Self { device, interface: interface.number, bulk_in, bulk_out, tag: 0, wrapper: None })
    }

    /// Returns the number of the last unit. Devices with a single one may refuse the request.
    pub(super) async fn max_unit(&self) -> Result<u8, UsbError> {
        match crate::usb::read(&self.device, Setup::class_in(self.interface, GET_MAX_LUN, 1)).await {
            Ok(Transferred { buffer, length: 1 }) => Ok(buffer[0].min(15)),
            Ok(_) | Err(UsbError::Stalled) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Carries out a command. Returns its data, as many as the unit has transferred.
    pub(super) async fn execute(
        &mut self,
        unit: u8,
        cdb: &Cdb,
        data: Data,
    ) -> Result<Option<Transferred>, CommandError> {
        match self.attempt(unit, cdb, data).await {
            Ok((data, true)) => Ok(data),
            Ok((_, false)) => {
                let sense = self.device.buffer(SENSE_BYTES.into()).map_err(UsbError::from)?;
                let data = Data::In(sense, SENSE_BYTES.into());
                let data = match self.attempt(unit, &request_sense(SENSE_BYTES), data).await {
                    Ok((data, true)) => data,
                    Ok(_) => None,
                    Err(error) => return Err(self.recover(error).await.into()),
                };
                Err(Sense::parse(data.as_ref().map_or(&[], |data| &data.buffer[..data.length])).into())
            }
            Err(error) => Err(self.recover(error).await.into()),
        }
    }

    /// Carries out a command. Returns its data, and whether the unit reports success.
    async fn attempt(&mut self, unit: u8, cdb: &Cdb, data: Data) -> Result<(Option<Transferred>, bool), UsbError> {
        self.tag = self.tag.wrapping_add(1);
        self.send_command(unit, cdb, &data).await?;
        let moved = match data {
            Data::None => None,
            Data::In(buffer, length) => self.data(self.bulk_in, buffer, length).await?,
            Data::Out(buffer, length) => self.data(self.bulk_out, buffer, length).await?,
        };
        let status = match self.receive_status().await {
            // The status is sent again once the halt was cleared (6.7.2, figure 2).
            Err(UsbError::Stalled) => {
                self.clear_halt(self.bulk_in).await?;
                self.receive_status().await?
            }
            other => other?,
        };
        if status == PHASE_ERROR {
            return Err(UsbError::Protocol("the disk reports a phase error"));
        }
        Ok((moved, status != FAILED))
    }

    async fn send_command(&mut self, unit: u8, cdb: &Cdb, data: &Data) -> Result<(), UsbError> {
        let mut wrapper = self.take_wrapper()?;
        let (direction, length) = match data {
            Data::None => (0, 0),
            Data::In(_, length) => (DATA_IN, *length),
            Data::Out(_, length) => (0, *length),
        };
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        wrapper[..4].copy_from_slice(&COMMAND_SIGNATURE);
        wrapper[4..8].copy_from_slice(&self.tag.to_le_bytes());
        wrapper[8..12].copy_from_slice(&length.to_le_bytes());
        wrapper[12..15].copy_from_slice(&[direction, unit, crate::scsi::length(cdb)]);
        wrapper[15..COMMAND_BYTES].copy_from_slice(cdb);
        let sent = self.device.transfer(self.bulk_out, wrapper, COMMAND_BYTES, Some(TIMEOUT_NS)).await?;
        self.wrapper = Some(sent.buffer);
        Ok(())
    }

    /// Transfers data. Returns `None` for those that the unit has refused, which its status explains.
    async fn data(&self, endpoint: u8, buffer: DmaBuffer, length: usize) -> Result<Option<Transferred>, UsbError> {
        match self.device.transfer(endpoint, buffer, length, Some(TIMEOUT_NS)).await {
            Ok(data) => Ok(Some(data)),
            Err(UsbError::Stalled) => self.clear_halt(endpoint).await.map(|()| None),
            Err(error) => Err(error),
        }
    }

    async fn receive_status(&mut self) -> Result<u8, UsbError> {
        let wrapper = self.take_wrapper()?;
        let Transferred { buffer, length } =
            self.device.transfer(self.bulk_in, wrapper, STATUS_BYTES, Some(TIMEOUT_NS)).await?;
        let is_valid = length == STATUS_BYTES && buffer[..4] == STATUS_SIGNATURE;
        let (is_valid, status) = (is_valid && buffer[4..8] == self.tag.to_le_bytes(), buffer[12]);
        self.wrapper = Some(buffer);
        if is_valid { Ok(status) } else { Err(UsbError::Protocol("the disk sends an invalid status")) }
    }

    fn take_wrapper(&mut self) -> Result<DmaBuffer, UsbError> {
        match self.wrapper.take() {
            Some(wrapper) => Ok(wrapper),
            None => Ok(self.device.buffer(COMMAND_BYTES)?),
        }
    }

    async fn clear_halt(&self, endpoint: u8) -> Result<(), UsbError> {
        request(&self.device, Setup::clear_halt(endpoint)).await
    }

    /// Resets the transport (5.3.4). Returns the error, or the one that the reset ends with.
    async fn recover(&mut self, error: UsbError) -> UsbError {
        if matches!(error, UsbError::Gone | UsbError::Quarantined | UsbError::Memory(_)) {
            return error;
        }
        let steps = async {
            request(&self.device, Setup::class_out(self.interface, RESET, 0, 0)).await?;
            self.clear_halt(self.bulk_in).await?;
            self.clear_halt(self.bulk_out).await
        };
        match steps.await {
            Err(fatal @ (UsbError::Gone | UsbError::Quarantined)) => fatal,
            Ok(()) | Err(_) => error,
        }
    }
}
