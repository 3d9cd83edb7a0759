//! virtio-scsi: an adapter with any number of disks and CDs, which come and go (virtio 1.2, 5.6).
//!
//! With QEMU: `-device virtio-scsi-pci -drive if=none,id=d,.. -device scsi-hd,drive=d`.

mod disk;
mod host;
mod interrupt;
mod lun;
mod request;
mod scan;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use spin::Mutex;
use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::Function;
use switchboard::mmio::{ReadOnly, Reg, RegisterBlock};

pub use self::disk::ScsiDisk;
pub use self::interrupt::ScsiMessage;

use self::host::{EVENT_BYTES, EventBuffer, Host};
use self::request::Request;
use self::scan::scan;
use super::queue::QueueParameters;
use super::request_handlers::RequestHandlers;
use super::{Transport, VENDOR};
use crate::interfaces::block::DiskController;
use crate::requests::Requests;

/// The most requests in flight, of all disks together.
const MAX_REQUESTS: usize = 64;
/// Segments of a request: command, response, data.
const SEGMENTS: u16 = 3;
const EVENT_BUFFERS: usize = 8;
/// The queues (5.6.2). That for control is not used: requests are not aborted one by one.
const EVENT_QUEUE: u16 = 1;
const REQUEST_QUEUE: u16 = 2;
/// The limit for the first search.
const SCAN_TIMEOUT_NS: u64 = 5_000_000_000;

bitflags::bitflags! {
    /// The features that the driver uses.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct ScsiFeatures: u64 {
        /// The device reports units that come and go.
        const HOTPLUG = 1 << 1;
        /// The device reports changed parameters, such as a capacity.
        const CHANGE = 1 << 2;
    }
}

/// The device configuration (5.6.4).
struct ScsiConfig;

impl RegisterBlock for ScsiConfig {
    const SIZE: u64 = 36;
}

const MAX_TARGET: Reg<ScsiConfig, u16, ReadOnly> = Reg::at(30);

type Scan = Pin<Box<dyn Future<Output = Vec<ScsiDisk>>>>;

/// A virtio SCSI adapter.
pub struct VirtioScsi {
    host: Arc<Host>,
    found: VecDeque<ScsiDisk>,
    /// A search that is going on.
    scan: Option<Scan>,
}

impl Driver for VirtioScsi {
    const NAME: &'static str = "virtio-scsi";
    const MATCHES: &'static [Id] = &[Id::new(VENDOR, 0x1048), Id::new(VENDOR, 0x1004)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let clock = function.clock();
        let (transport, irq, dma) = Transport::open(function)?;
        let (setup, _) = transport.negotiate(ScsiFeatures::all())?;
        let config = setup.config::<ScsiConfig>()?;
        let max_target = setup.read_config(|| config.read(&MAX_TARGET))?;
        let interrupts = irq.grant()?;
        let event = interrupts.entry(ScsiMessage::Event);
        setup.set_config_entry(event)?;
        let size = u16::try_from(EVENT_BUFFERS).unwrap_or(u16::MAX);
        let mut events = setup.queue(EVENT_QUEUE, &dma, QueueParameters { size, max_segments: 1 }, event)?;
        for buffer in dma.buffers(events.free().into(), EVENT_BYTES)?.into_iter().take(EVENT_BUFFERS) {
            drop(events.submit(EventBuffer(buffer)));
        }
        let parameters = QueueParameters { size: 256, max_segments: SEGMENTS };
        let queue = setup.queue(REQUEST_QUEUE, &dma, parameters, interrupts.entry(ScsiMessage::Done))?;
        let count = MAX_REQUESTS.min(queue.max_chains().into());
        if count == 0 {
            let (wanted, found) = (SEGMENTS.into(), queue.free().into());
            return Err(ProbeError::Unexpected { what: "descriptors for a virtio-scsi request", wanted, found });
        }
        let shared = Arc::new(RequestHandlers::new(setup.interrupt_status(), queue.watch()));
        let requests = Requests::new(queue, Request::allocate(count, &dma)?, clock);
        let interrupts = interrupts.register(shared.clone()).unmask();
        let device = setup.start();
        events.kick();
        let (events, units) = (Mutex::new(events), Mutex::default());
        let max_target = u8::try_from(max_target).unwrap_or(u8::MAX);
        let host = Arc::new(Host { device, _interrupts: interrupts, requests, events, dma, shared, max_target, units });
        let mut first: Scan = Box::pin(scan(host.clone()));
        let mut found = None;
        clock.wait_until(SCAN_TIMEOUT_NS, || {
            if let Poll::Ready(disks) = first.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                found = Some(disks);
            }
            found.is_some()
        });
        let found = found.ok_or(ProbeError::Device("SCSI commands are not done in time"))?.into();
        Ok(Self { host, found, scan: None })
    }
}

impl DiskController for VirtioScsi {
    type Disk = ScsiDisk;

    fn next_disk(&mut self) -> Option<ScsiDisk> {
        self.found.pop_front()
    }

    fn poll_change(&mut self, context: &mut Context<'_>) -> Poll<u64> {
        self.host.shared.watcher.register(context.waker());
        loop {
            if let Some(scan) = &mut self.scan {
                let Poll::Ready(disks) = scan.as_mut().poll(context) else { return Poll::Pending };
                self.found.extend(disks);
                self.scan = None;
                return Poll::Ready(0);
            }
            if !self.host.take_events() {
                return Poll::Pending;
            }
            self.scan = Some(Box::pin(scan(self.host.clone())));
        }
    }
}

impl fmt::Debug for VirtioScsi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtioScsi").field("host", &self.host).finish_non_exhaustive()
    }
}
