//! virtio-console: ports of bytes between host and guest (virtio 1.2, 5.3), one or several.
//!
//! A port has four buffers of 1 KiB in each direction. While all are full, the host, or the task that writes, waits.

mod config;
mod control;
mod interrupt;
mod port;
mod ports;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll};

use spin::Mutex;
use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::Function;
use switchboard::interrupt::{Interrupts, Live};
use switchboard::mmio::Bar;

use self::config::{ConsoleFeatures, SizeConfig};
use self::control::{CONTROL_BUFFERS, CONTROL_BYTES, Control, Event};
use self::interrupt::Shared;
use self::port::{BUFFERS, Port};
use self::ports::Ports;
use super::queue::{QueueError, QueueParameters};
use super::{Running, Transport, VENDOR};
use crate::interfaces::console::{ConsoleDevice, ConsoleError, EmergencyWriter, PortInfo};

pub use self::interrupt::ConsoleMessage;

/// The most ports that are used; the others of a device are refused.
const MAX_PORTS: u32 = 8;
/// The control queues. Those of port 0 are before them, those of other ports after.
const CONTROL_RECEIVE: u16 = 2;
const CONTROL_TRANSMIT: u16 = 3;

/// Returns the queue for receiving of a port. The next one is for sending.
fn receive_queue(port: u16) -> u16 {
    if port == 0 { 0 } else { 2 * port + 2 }
}

/// The way in which a console violates the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum ConsoleFault {
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error("a control message of {bytes} bytes, it has at least 8")]
    Short { bytes: u32 },
    #[error("a control message for port {id}, the device has {max_ports}")]
    Port { id: u32, max_ports: u32 },
    #[error("it returns one buffer without a byte after the other")]
    Empty,
    #[error("it needs a reset")]
    NeedsReset,
}

/// A virtio console. The tasks of its users read and write its ports.
pub struct VirtioConsole {
    // The first field, so that the device is reset before its memory and interrupts are freed.
    device: Running,
    _interrupts: Interrupts<3, Shared, Live>,
    ports: Mutex<Ports>,
    shared: Arc<Shared>,
    /// For a device with one port, which reports its size in the configuration.
    size: Option<Bar<SizeConfig>>,
    emergency: Option<Arc<dyn EmergencyWriter>>,
    is_closed: AtomicBool,
    is_quarantined: AtomicBool,
}

impl Driver for VirtioConsole {
    const NAME: &'static str = "virtio-console";
    const MATCHES: &'static [Id] = &[Id::new(VENDOR, 0x1043), Id::new(VENDOR, 0x1003)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let (transport, irq, dma) = Transport::open(function)?;
        let (setup, features) = transport.negotiate(ConsoleFeatures::all())?;
        let is_multiport = features.contains(ConsoleFeatures::MULTIPORT);
        let max_ports = if is_multiport { config::read_max_ports(&setup)? } else { 1 };
        let interrupts = irq.grant()?;
        setup.set_config_entry(interrupts.entry(ConsoleMessage::Config))?;
        let mut list = Vec::new();
        for id in 0..u16::try_from(max_ports.min(MAX_PORTS)).unwrap_or_default() {
            let parameters = QueueParameters { size: BUFFERS, max_segments: 1 };
            let (first, entry) = (receive_queue(id), interrupts.entry(ConsoleMessage::Data));
            let receive = setup.queue(first, &dma, parameters, entry)?;
            list.push(Port::new(receive, setup.queue(first + 1, &dma, parameters, entry)?));
        }
        let mut control = None;
        if is_multiport {
            let entry = interrupts.entry(ConsoleMessage::Control);
            let parameters = QueueParameters { size: CONTROL_BUFFERS, max_segments: 1 };
            let receive = setup.queue(CONTROL_RECEIVE, &dma, parameters, entry)?;
            let transmit = setup.queue(CONTROL_TRANSMIT, &dma, parameters, entry)?;
            let mut buffers = dma.buffers(usize::from(CONTROL_BUFFERS) * 2, CONTROL_BYTES)?;
            let receiving = buffers.split_off(CONTROL_BUFFERS.into());
            control = Some(Control::new(receive, transmit, receiving, buffers));
        } else if let Some(port) = list.first_mut() {
            (port.is_present, port.is_console, port.is_host_open) = (true, true, true);
            port.allocate(&dma)?;
        }
        let has_size = features.contains(ConsoleFeatures::SIZE) && !is_multiport;
        let size = if has_size { Some(setup.config()?) } else { None };
        let has_emergency = features.contains(ConsoleFeatures::EMERG_WRITE);
        let emergency = if has_emergency { Some(config::emergency_writer(&setup)?) } else { None };
        let control_watches = control.iter().flat_map(Control::watches).collect();
        let data_watches = list.iter().flat_map(Port::watches).collect();
        let shared = Shared::new(setup.interrupt_status(), list.len(), control_watches, data_watches);
        let shared = Arc::new(shared);
        let interrupts = interrupts.register(shared.clone()).unmask();
        let device = setup.start();
        match &mut control {
            Some(control) => {
                control.kick();
                // The port of this message is not used.
                control.send(0, Event::DeviceReady, 1).map_err(|_| ProbeError::Device("the control queue is dead"))?;
            }
            None => list.iter_mut().for_each(Port::kick),
        }
        let ports = Mutex::new(Ports { dma, list, max_ports, control, has_changed: true });
        let (is_closed, is_quarantined) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Self { device, _interrupts: interrupts, ports, shared, size, emergency, is_closed, is_quarantined })
    }
}

impl VirtioConsole {
    fn check(&self) -> Result<(), ConsoleError> {
        if self.is_quarantined.load(Ordering::Acquire) {
            return Err(ConsoleError::Quarantined);
        }
        let is_gone = self.is_closed.load(Ordering::Acquire) || self.device.presence().is_gone();
        if is_gone { Err(ConsoleError::Gone) } else { Ok(()) }
    }

    /// Quarantines the device, once, and wakes all tasks that wait for it.
    fn quarantine(&self, ports: &mut Ports, fault: ConsoleFault) -> ConsoleError {
        if self.device.presence().confirm().is_err() {
            return ConsoleError::Gone;
        }
        if !self.is_quarantined.swap(true, Ordering::AcqRel) {
            self.device.quarantine(fault);
        }
        ports.abandon();
        self.shared.wake_all();
        ConsoleError::Quarantined
    }

    /// Carries out an operation on a port.
    fn with_port<R>(
        &self,
        id: u32,
        operation: impl FnOnce(&mut Port) -> Result<Poll<R>, ConsoleFault>,
    ) -> Poll<Result<R, ConsoleError>> {
        if let Err(error) = self.check() {
            return Poll::Ready(Err(error));
        }
        let ports = &mut *self.ports.lock();
        let Some(port) = ports.port(id) else { return Poll::Ready(Err(ConsoleError::NoPort { port: id })) };
        match operation(port) {
            Ok(poll) => poll.map(Ok),
            Err(fault) => Poll::Ready(Err(self.quarantine(ports, fault))),
        }
    }

    fn wakers(&self, id: u32) -> Option<&interrupt::PortWakers> {
        self.shared.ports.get(usize::try_from(id).ok()?)
    }
}

impl ConsoleDevice for VirtioConsole {
    fn ports(&self) -> Vec<PortInfo> {
        let ports = self.ports.lock();
        (0..).zip(&ports.list).filter(|(_, port)| port.is_present).map(|(id, port)| port.info(id)).collect()
    }

    fn set_open(&self, port: u32, is_open: bool) {
        if let Some(port) = self.ports.lock().port(port) {
            port.wants_open = is_open;
        }
        // Its task sends the message.
        self.shared.changes.wake();
    }

    fn poll_change(&self, context: &mut Context<'_>) -> Poll<Result<(), ConsoleError>> {
        self.shared.changes.register(context.waker());
        self.check()?;
        let ports = &mut *self.ports.lock();
        if self.shared.is_config_changed.swap(false, Ordering::AcqRel) {
            if self.device.needs_reset() {
                return Poll::Ready(Err(self.quarantine(ports, ConsoleFault::NeedsReset)));
            }
            // A configuration that changes all the time is read at the next change.
            if let Some(config) = &self.size
                && let Ok(size) = self.device.read_config(|| config::read_size(config))
                && let Some(port) = ports.port(0)
            {
                let has_changed = port.size != size;
                port.size = size;
                ports.has_changed |= has_changed;
            }
        }
        if let Err(fault) = ports.update(&self.shared) {
            return Poll::Ready(Err(self.quarantine(ports, fault)));
        }
        if core::mem::take(&mut ports.has_changed) { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn poll_read(&self, id: u32, bytes: &mut [u8], context: &mut Context<'_>) -> Poll<Result<usize, ConsoleError>> {
        if let Some(wakers) = self.wakers(id) {
            wakers.reader.register(context.waker());
        }
        self.with_port(id, |port| match port.read(bytes)? {
            Poll::Pending if !port.is_host_open => Ok(Poll::Ready(0)),
            poll => Ok(poll),
        })
    }

    fn poll_write(&self, id: u32, bytes: &[u8], context: &mut Context<'_>) -> Poll<Result<usize, ConsoleError>> {
        if let Some(wakers) = self.wakers(id) {
            wakers.writer.register(context.waker());
        }
        let is_open = |port: &mut Port| Ok(Poll::Ready(port.is_host_open));
        match self.with_port(id, is_open) {
            Poll::Ready(Ok(true)) if bytes.is_empty() => Poll::Ready(Ok(0)),
            Poll::Ready(Ok(true)) => self.with_port(id, |port| port.write(bytes)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Err(ConsoleError::Closed { port: id })),
        }
    }

    fn poll_flush(&self, id: u32, context: &mut Context<'_>) -> Poll<Result<(), ConsoleError>> {
        if let Some(wakers) = self.wakers(id) {
            wakers.writer.register(context.waker());
        }
        // The host takes nothing while its end is closed.
        self.with_port(id, |port| match port.is_host_open && !port.flush()? {
            true => Ok(Poll::Pending),
            false => Ok(Poll::Ready(())),
        })
    }

    fn emergency_writer(&self) -> Option<Arc<dyn EmergencyWriter>> {
        self.emergency.clone()
    }

    fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.shared.wake_all();
    }
}

impl fmt::Debug for VirtioConsole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtioConsole").field("device", &self.device).finish_non_exhaustive()
    }
}
