//! virtio-vsock: streams between this machine and its host (virtio 1.2, 5.10).
//!
//! The device is driven by one task, [`VirtioVsock::run`]. Sockets of other tasks share a table with it: no socket reaches the device.

mod connection;
mod packet;
mod stream;
mod table;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll};

use atomic_waker::AtomicWaker;
use spin::Mutex;
use switchboard::dma::DmaBuffer;
use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::Function;
use switchboard::interrupt::{Activity, Claim, InIsr, Interrupts, LineIsr, Live, MessageIsr};
use switchboard::messages;
use switchboard::mmio::{Bar, ReadOnly, Reg, RegisterBlock};

use self::packet::{HEADER_BYTES, Header};
use self::stream::Sockets;
use self::table::Table;
use super::queue::{Chain, Queue, QueueError, QueueParameters, QueueWatch, Segments};
use super::{InterruptStatus, NoFeatures, Running, Transport, VENDOR};

pub use self::packet::VsockAddress;
pub use self::stream::{Vsock, VsockError, VsockListener, VsockStream};

/// The context ID of the host (5.10.4).
pub const HOST: u64 = 2;

/// The queues (5.10.2).
const RECEIVE: u16 = 0;
const TRANSMIT: u16 = 1;
const EVENT: u16 = 2;
/// The packets in either direction that the device may have, and the bytes of data of each.
const PACKETS: u16 = 8;
const DATA_BYTES: usize = 4096;
/// Data begins here in the buffer of a packet, and is a segment of its own: some devices want that.
const DATA_OFFSET: usize = 64;
/// The buffers for events, of four bytes each. The only event is the reset of the transport.
const EVENTS: u16 = 4;
const EVENT_BYTES: usize = 4;
/// The most packets that are handled at a time.
const MAX_PACKETS: usize = 64;

/// The device configuration.
struct VsockConfig;

impl RegisterBlock for VsockConfig {
    const SIZE: u64 = 8;
}

// 64 bits, of which the upper half is zero, read as two halves (4.1.3.1).
const GUEST_CID_LOW: Reg<VsockConfig, u32, ReadOnly> = Reg::at(0);
const GUEST_CID_HIGH: Reg<VsockConfig, u32, ReadOnly> = Reg::at(4);

fn read_cid(config: &Bar<VsockConfig>) -> u64 {
    u64::from(config.read(&GUEST_CID_HIGH)) << 32 | u64::from(config.read(&GUEST_CID_LOW))
}

messages! {
    /// The only message of the device.
    pub enum VsockMessage { Work }
}

/// State that the handlers share with the driver.
#[derive(Debug)]
struct Shared {
    status: InterruptStatus,
    sockets: Arc<Sockets>,
    /// Of the queues for receiving and for events.
    watches: [QueueWatch; 2],
}

impl MessageIsr<1> for Shared {
    type Message = VsockMessage;

    fn on_message(&self, VsockMessage::Work: VsockMessage, _isr: &InIsr<'_>) {
        if self.status.is_live() {
            self.sockets.work.wake();
        }
    }

    fn activity(&self, VsockMessage::Work: VsockMessage) -> Activity {
        self.status.activity(|| self.watches.iter().map(QueueWatch::events).fold(Activity::IDLE, Activity::and))
    }
}

impl LineIsr for Shared {
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        let cause = self.status.take_cause();
        if cause.is_some() || self.status.is_gone() {
            self.sockets.work.wake();
        }
        if cause.is_some() { Claim::Mine } else { Claim::NotMine }
    }

    fn activity(&self) -> Activity {
        MessageIsr::activity(self, VsockMessage::Work)
    }
}

/// A buffer for a packet that is received.
#[derive(Debug)]
struct Incoming(DmaBuffer);

impl Chain for Incoming {
    fn describe(&self, segments: &mut Segments) {
        segments.writable(&self.0, 0..HEADER_BYTES);
        segments.writable(&self.0, DATA_OFFSET..DATA_OFFSET + DATA_BYTES);
    }
}

/// A packet that is sent.
#[derive(Debug)]
struct Outgoing {
    buffer: DmaBuffer,
    data_bytes: usize,
}

impl Chain for Outgoing {
    fn describe(&self, segments: &mut Segments) {
        segments.readable(&self.buffer, 0..HEADER_BYTES);
        if self.data_bytes > 0 {
            segments.readable(&self.buffer, DATA_OFFSET..DATA_OFFSET + self.data_bytes);
        }
    }
}

/// The reason why a device is quarantined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum VsockFault {
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error("a packet of {bytes} bytes, whose header has a length of {length}")]
    Length { bytes: u32, length: u32 },
}

/// A virtio socket device.
pub struct VirtioVsock {
    // The first field, so that the device is reset before its memory and interrupts are freed.
    device: Running,
    _interrupts: Interrupts<1, Shared, Live>,
    receive: Queue<Incoming>,
    transmit: Queue<Outgoing>,
    events: Queue<DmaBuffer>,
    /// Buffers for sending that the device does not have.
    idle: Vec<DmaBuffer>,
    config: Bar<VsockConfig>,
    sockets: Arc<Sockets>,
}

impl Driver for VirtioVsock {
    const NAME: &'static str = "virtio-vsock";
    const MATCHES: &'static [Id] = &[Id::new(VENDOR, 0x1053), Id::new(VENDOR, 0x1012)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let (transport, irq, dma) = Transport::open(function)?;
        // Without a feature there are stream sockets only, as of 1.2.
        let (setup, _) = transport.negotiate(NoFeatures::empty())?;
        let config = setup.config::<VsockConfig>()?;
        let cid = setup.read_config(|| read_cid(&config))?;
        let interrupts = irq.grant()?;
        let entry = interrupts.entry(VsockMessage::Work);
        let parameters = QueueParameters { size: 2 * PACKETS, max_segments: 2 };
        let mut receive = setup.queue(RECEIVE, &dma, parameters, entry)?;
        let transmit: Queue<Outgoing> = setup.queue(TRANSMIT, &dma, parameters, entry)?;
        let mut events = setup.queue(EVENT, &dma, QueueParameters { size: EVENTS, max_segments: 1 }, entry)?;
        let sending = transmit.max_chains().min(PACKETS).into();
        let idle = dma.buffers(sending, DATA_OFFSET + DATA_BYTES)?;
        let receiving = receive.max_chains().min(PACKETS).into();
        for buffer in dma.buffers(receiving, DATA_OFFSET + DATA_BYTES)? {
            // There is room for each.
            drop(receive.submit(Incoming(buffer)));
        }
        for buffer in dma.buffers(events.free().min(EVENTS).into(), EVENT_BYTES)? {
            drop(events.submit(buffer));
        }
        let sockets = Arc::new(Sockets { table: Mutex::new(Table::new(cid)), work: AtomicWaker::new() });
        let watches = [receive.watch(), events.watch()];
        let shared = Arc::new(Shared { status: setup.interrupt_status(), sockets: sockets.clone(), watches });
        let interrupts = interrupts.register(shared).unmask();
        let device = setup.start();
        receive.kick();
        events.kick();
        Ok(Self { device, _interrupts: interrupts, receive, transmit, events, idle, config, sockets })
    }
}

impl VirtioVsock {
    /// Returns a handle for sockets.
    #[must_use]
    pub fn sockets(&self) -> Vsock {
        Vsock(self.sockets.clone())
    }

    /// Drives the device until it is removed or quarantined. All sockets fail when this ends, or when it is dropped.
    pub async fn run(mut self) -> VsockError {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &Context<'_>) -> Poll<VsockError> {
        self.sockets.work.register(context.waker());
        if self.device.presence().is_gone() {
            return Poll::Ready(VsockError::Gone);
        }
        match self.work() {
            Ok(()) => Poll::Pending,
            Err(fault) => {
                if self.device.presence().confirm().is_ok() {
                    self.device.quarantine(fault);
                }
                Poll::Ready(VsockError::Gone)
            }
        }
    }

    /// Moves packets between the queues and the table, until there are none.
    fn work(&mut self) -> Result<(), VsockFault> {
        let mut table = self.sockets.table.lock();
        for _ in 0..MAX_PACKETS {
            let mut is_busy = false;
            if let Some((buffer, _)) = self.events.complete()? {
                // The machine was moved: streams are lost, and its ID may be another (5.10.6.7).
                table.end_all(false);
                if let Ok(cid) = self.device.read_config(|| read_cid(&self.config)) {
                    table.cid = cid;
                }
                self.events.submit(buffer).map_err(|(error, _)| error)?;
                self.events.kick();
                is_busy = true;
            }
            if let Some((incoming, bytes)) = self.receive.complete()? {
                let header = incoming.0.first_chunk().map(Header::parse);
                let length = header.map_or(u32::MAX, |header| header.length);
                let data = incoming.0.get(DATA_OFFSET..).and_then(|data| data.get(..length as usize));
                let has_data = u64::from(bytes) >= HEADER_BYTES as u64 + u64::from(length);
                let (Some(header), Some(data), true) = (header, data, has_data) else {
                    return Err(VsockFault::Length { bytes, length });
                };
                table.receive(&header, data);
                self.receive.submit(incoming).map_err(|(error, _)| error)?;
                self.receive.kick();
                is_busy = true;
            }
            while let Some((outgoing, _)) = self.transmit.complete()? {
                self.idle.push(outgoing.buffer);
            }
            if let Some(mut buffer) = self.idle.pop() {
                let header = table.next_packet(&mut buffer[DATA_OFFSET..]);
                let Some(header) = header else {
                    self.idle.push(buffer);
                    if is_busy || self.receive.enable_notifications() || self.events.enable_notifications() {
                        continue;
                    }
                    return Ok(());
                };
                buffer[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
                let outgoing = Outgoing { buffer, data_bytes: header.length as usize };
                self.transmit.submit(outgoing).map_err(|(error, _)| error)?;
                self.transmit.kick();
            } else if !(is_busy
                || self.transmit.enable_notifications()
                || self.receive.enable_notifications()
                || self.events.enable_notifications())
            {
                return Ok(());
            }
        }
        // Others run meanwhile.
        self.sockets.work.wake();
        Ok(())
    }
}

impl Drop for VirtioVsock {
    fn drop(&mut self) {
        self.sockets.table.lock().end_all(true);
    }
}

impl fmt::Debug for VirtioVsock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtioVsock").field("device", &self.device).finish_non_exhaustive()
    }
}
