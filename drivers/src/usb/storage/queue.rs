//! The queue of a disk: bulk-only transport has one command at a time, and the others wait.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use spin::Mutex;

use super::request::Request;
use super::transport::{CommandError, Transport};
use crate::requests::RequestQueue;
use crate::usb::{Transferred, UsbDevice};

/// What the disk reports: the bytes that were transferred.
pub(crate) type Report = Result<usize, CommandError>;
/// A command that is carried out, and the transport and the request when it is done.
type Command<D> = Pin<Box<dyn Future<Output = (Transport<D>, Box<Request>, Report)> + Send>>;

/// The end of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the disk takes no requests any more")]
pub(crate) struct Dead;

/// The queue.
pub(crate) struct DiskQueue<D> {
    // Locked, since looking for a finished request carries the command on. It is never contended.
    work: Mutex<Work<D>>,
    unit: u8,
    waiting: VecDeque<Box<Request>>,
    unkicked: u16,
    count: u16,
    is_dead: bool,
}

struct Work<D> {
    /// The transport, while no command is carried out.
    transport: Option<Transport<D>>,
    command: Option<Command<D>>,
    finished: Option<(Box<Request>, Report)>,
}

impl<D: UsbDevice> Work<D> {
    /// Carries the command on. What wakes the tasks is the device's waker, where the collector registers.
    fn poll(&mut self) -> bool {
        if let Some(command) = &mut self.command
            && let Poll::Ready((transport, request, report)) =
                command.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        {
            (self.command, self.transport) = (None, Some(transport));
            self.finished = Some((request, report));
        }
        self.finished.is_some()
    }
}

impl<D: UsbDevice> DiskQueue<D> {
    pub(super) fn new(transport: Transport<D>, unit: u8) -> Self {
        let work = Work { transport: Some(transport), command: None, finished: None };
        Self { work: Mutex::new(work), unit, waiting: VecDeque::new(), unkicked: 0, count: 0, is_dead: false }
    }

    /// Begins the next command.
    fn begin(&mut self) {
        let work = &mut *self.work.lock();
        if work.finished.is_some() || work.transport.is_none() {
            return;
        }
        if let Some(request) = self.waiting.pop_front()
            && let Some(transport) = work.transport.take()
        {
            work.command = Some(Box::pin(carry_out(transport, request, self.unit)));
            work.poll();
        }
    }

    /// Carries on what is in flight, whose time may be over. Returns whether a request is finished.
    pub(super) fn check(&self) -> bool {
        self.work.lock().poll()
    }
}

async fn carry_out<D: UsbDevice>(
    mut transport: Transport<D>,
    mut request: Box<Request>,
    unit: u8,
) -> (Transport<D>, Box<Request>, Report) {
    let (cdb, data) = (request.cdb, request.take_data());
    let report = transport.execute(unit, &cdb, data).await.map(|data| match data {
        Some(Transferred { buffer, length }) => {
            request.put_back(buffer);
            length
        }
        None => 0,
    });
    (transport, request, report)
}

impl<D: UsbDevice> RequestQueue for DiskQueue<D> {
    type Request = Request;
    type Report = Report;
    type Error = Dead;

    fn submit(&mut self, request: Box<Request>) -> Result<(), (Dead, Box<Request>)> {
        if self.is_dead {
            return Err((Dead, request));
        }
        self.waiting.push_back(request);
        (self.unkicked, self.count) = (self.unkicked + 1, self.count + 1);
        Ok(())
    }

    fn complete(&mut self) -> Result<Option<(Box<Request>, Report)>, Dead> {
        if self.is_dead {
            return Err(Dead);
        }
        let finished = {
            let work = &mut *self.work.lock();
            work.poll();
            work.finished.take()
        };
        if let Some((request, report)) = finished {
            self.count -= 1;
            self.begin();
            return Ok(Some((request, report)));
        }
        Ok(None)
    }

    fn has_used(&self) -> bool {
        self.is_dead || self.check()
    }

    fn kick(&mut self) {
        self.unkicked = 0;
        self.begin();
    }

    fn unkicked(&self) -> u16 {
        self.unkicked
    }

    fn in_flight(&self) -> u16 {
        self.count
    }

    /// Interrupts stay enabled, since other devices need them.
    fn enable_notifications(&mut self) -> bool {
        self.has_used()
    }

    fn disable_notifications(&mut self) {}

    fn abandon(&mut self) {
        self.is_dead = true;
    }
}

impl<D> fmt::Debug for DiskQueue<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskQueue").field("in_flight", &self.count).finish_non_exhaustive()
    }
}
