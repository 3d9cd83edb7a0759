//! The queue of one endpoint: its ring, with at most one transfer in flight (xHCI 1.2, 4.10 and 4.11.2).

use alloc::vec::Vec;

use switchboard::dma::{BusAddress, DmaBuffer};

use super::ring::{Ring, distance};
use super::trb::{
    CHAIN, Code, DATA_IN, DATA_OUT, EVENT_AT_END, EVENT_IF_SHORT, Entry, FROM_DEVICE, IMMEDIATE, TrbType,
};
use crate::usb::{Setup, Transferred, UsbError};

/// A TRB does not cross such a boundary (6.4.1).
const TRB_BOUNDARY: u32 = 64 * 1024;
const PAGE_BYTES: usize = 4096;
const TOO_LONG: UsbError = UsbError::Protocol("a transfer longer than its memory, or of no bytes");

/// A transfer that the controller has.
#[derive(Debug)]
struct Active {
    first: u16,
    /// The bytes of each TRB.
    lengths: Vec<u32>,
    buffer: DmaBuffer,
    is_control: bool,
    /// The bytes of the data stage, once it has ended early.
    short: Option<usize>,
}

/// The queue.
#[derive(Debug)]
pub(super) struct EndpointQueue {
    ring: Ring,
    /// The most bytes of a packet.
    max_packet: u32,
    active: Option<Active>,
    outcome: Option<Result<Transferred, UsbError>>,
    /// Counts transfers, so that the end of one that was given up is not taken for that of another.
    number: u32,
}

impl EndpointQueue {
    pub(super) fn new(ring: Ring, max_packet: u16) -> Self {
        Self { ring, max_packet: u32::from(max_packet).max(1), active: None, outcome: None, number: 0 }
    }

    /// Returns the address of the empty ring.
    pub(super) fn start(&self) -> BusAddress {
        self.ring.start()
    }

    /// Empties the ring, after the endpoint was stopped or reset.
    pub(super) fn reset(&mut self) {
        (self.active, self.outcome) = (None, None);
        self.ring.reset();
    }

    /// Submits a request to a control endpoint (4.11.2.2). Returns its number.
    pub(super) fn submit_control(&mut self, setup: Setup, buffer: DmaBuffer) -> Result<u32, UsbError> {
        let length = u32::from(setup.length);
        if length as usize > buffer.len().min(PAGE_BYTES) {
            return Err(UsbError::Protocol("a request with more data than its memory holds"));
        }
        let (kind, direction) = match (length, setup.is_in()) {
            (0, _) => (0, 0),
            (_, true) => (DATA_IN, FROM_DEVICE),
            (_, false) => (DATA_OUT, 0),
        };
        let mut entries = Vec::with_capacity(3);
        entries.push(Entry::plain(TrbType::SetupStage, setup.bits(), 8, IMMEDIATE | kind));
        if length > 0 {
            entries.push(Entry::address(TrbType::DataStage, buffer.bus(), length, direction | EVENT_IF_SHORT));
        }
        // Its direction is the other one, and from the device where there are no data.
        let status = if direction == 0 { FROM_DEVICE } else { 0 };
        entries.push(Entry::plain(TrbType::StatusStage, 0, 0, EVENT_AT_END | status));
        self.submit(&entries, buffer, true)
    }

    /// Submits a transfer of `length` bytes. Returns its number.
    pub(super) fn submit_normal(&mut self, buffer: DmaBuffer, length: usize) -> Result<u32, UsbError> {
        let mut entries = Vec::with_capacity(2);
        let mut at = 0;
        while at < length {
            let address = buffer.bus_at(at).ok_or(TOO_LONG)?;
            let whole = u32::try_from(length - at).map_err(|_| TOO_LONG)?;
            // Below the boundary, so no cast loses any.
            let within = (address.get() & u64::from(TRB_BOUNDARY - 1) & 0xffff_ffff) as u32;
            let bytes = whole.min(TRB_BOUNDARY - within);
            let rest = whole - bytes;
            at += bytes as usize;
            // The packets that remain, up to 31 (4.11.2.4).
            let packets = rest.div_ceil(self.max_packet).min(31);
            let flags = if rest > 0 { CHAIN | EVENT_IF_SHORT } else { EVENT_AT_END | EVENT_IF_SHORT };
            entries.push(Entry::address(TrbType::Normal, address, bytes | packets << 17, flags));
        }
        if length > buffer.len() || entries.is_empty() {
            return Err(TOO_LONG);
        }
        self.submit(&entries, buffer, false)
    }

    fn submit(&mut self, entries: &[Entry], buffer: DmaBuffer, is_control: bool) -> Result<u32, UsbError> {
        if self.active.is_some() {
            return Err(UsbError::Protocol("a second transfer of an endpoint"));
        }
        let lengths = entries.iter().map(|entry| if is_setup(entry) { 0 } else { entry.length() }).collect();
        let first = self.ring.push(entries);
        self.outcome = None;
        self.active = Some(Active { first, lengths, buffer, is_control, short: None });
        self.number = self.number.wrapping_add(1);
        Ok(self.number)
    }

    /// Takes the outcome of a transfer.
    pub(super) fn take(&mut self, number: u32) -> Option<Result<Transferred, UsbError>> {
        if number != self.number {
            return Some(Err(UsbError::TimedOut));
        }
        self.outcome.take()
    }

    /// Processes an event: at `pointer`, `residual` bytes were not transferred. The error is what the controller has violated.
    pub(super) fn complete(&mut self, pointer: u64, code: Code, residual: u32) -> Result<(), &'static str> {
        if code.is_stop() {
            return Ok(());
        }
        let index = self.ring.index_of(pointer).ok_or("it reports a transfer outside of the endpoint's ring")?;
        // There may be a second event for a short packet (4.10.1.1.2).
        let Some(active) = &mut self.active else { return Ok(()) };
        let at = usize::from(distance(active.first, index));
        let Some(length) = active.lengths.get(at) else { return Ok(()) };
        if code != Code::SUCCESS && code != Code::SHORT_PACKET {
            let error = if code == Code::STALL { UsbError::Stalled } else { UsbError::Failed { code: code.get() } };
            self.finish(Err(error));
            return Ok(());
        }
        let done = length.checked_sub(residual).ok_or("it reports more bytes than were to be transferred")?;
        let before: u32 = active.lengths[..at].iter().sum();
        let transferred = (before + done) as usize;
        let is_last = at + 1 == active.lengths.len();
        if active.is_control && !is_last {
            active.short = Some(transferred);
        } else if is_last || code == Code::SHORT_PACKET {
            let length = active.short.unwrap_or(transferred);
            self.finish(Ok(length));
        }
        Ok(())
    }

    fn finish(&mut self, outcome: Result<usize, UsbError>) {
        if let Some(Active { buffer, .. }) = self.active.take() {
            self.outcome = Some(outcome.map(|length| Transferred { buffer, length }));
        }
    }
}

/// Returns whether the bytes of a TRB are those of a request, and no data.
fn is_setup(entry: &Entry) -> bool {
    matches!(entry, Entry::Plain(trb) if trb.control & IMMEDIATE != 0)
}
