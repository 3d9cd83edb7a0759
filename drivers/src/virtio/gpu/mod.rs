//! virtio-gpu: a display (virtio 1.2, 5.7), with one picture in two dimensions. Cursors, EDID and rendering are not used.
//!
//! The driver writes pixels in memory. Of what has changed, the device is asked to copy it and to show it, by two commands at once.
//!
//! ```no_run
//! use core::future::poll_fn;
//! use switchboard::driver::{ProbeError, attach};
//! use switchboard::function::Function;
//! use switchboard_drivers::interfaces::display::{DisplayDevice, DisplayError};
//! use switchboard_drivers::virtio::VirtioGpu;
//!
//! /// Fills the display with blue; with QEMU: `-device virtio-gpu-pci`.
//! async fn fill(function: Function) -> Result<Result<(), DisplayError>, ProbeError> {
//!     let mut display: VirtioGpu = attach(function)?;
//!     let (width, height) = display.size();
//!     let row = vec![0x00_00ff; width as usize];
//!     (0..height).for_each(|y| display.write(0, y, &row));
//!     Ok(poll_fn(|context| display.poll_show(context)).await)
//! }
//! ```

mod command;
mod frame;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::task::{Context, Poll};

use switchboard::dma::DmaPort;
use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::Function;
use switchboard::interrupt::{Interrupts, Live};
use switchboard::messages;
use switchboard::platform::Clock;
use zerocopy::IntoBytes;

use self::command::{COMMAND_BYTES, Command, OK, OK_DISPLAY_INFO, RESPONSE_BYTES, Request, write_attach};
use self::frame::FrameBuffer;
use super::queue::{Queue, QueueError, QueueParameters};
use super::request_handlers::{RequestHandlers, RequestMessages};
use super::{InterruptCause, NoFeatures, Running, Transport, VENDOR};
use crate::interfaces::display::{DisplayDevice, DisplayError};

/// The queue of commands. That of the cursor is not used.
const CONTROL_QUEUE: u16 = 0;
/// The commands that are under way at once: a copy, and what shows it.
const COMMANDS: usize = 2;
/// The limit for each command of the probe. Devices take microseconds.
const COMMAND_TIMEOUT_NS: u64 = 1_000_000_000;
/// The largest picture. A larger display shows it in a part.
const MAX_SIZE: (u32, u32) = (1920, 1200);
/// The smaller pictures that are tried where there is no memory for one of the display's size.
const SMALLER_SIZES: [(u32, u32); 2] = [(800, 600), (640, 480)];

messages! {
    /// The only message of the device.
    pub enum GpuMessage { Done }
}

impl RequestMessages for GpuMessage {
    const DONE: Self = Self::Done;
    const CHANGES: InterruptCause = InterruptCause::empty();
}

/// A virtio display.
pub struct VirtioGpu {
    // The first field, so that the device is reset before its memory and interrupts are freed.
    device: Running,
    interrupts: Interrupts<1, RequestHandlers<GpuMessage>, Live>,
    shared: Arc<RequestHandlers<GpuMessage>>,
    queue: Queue<Request>,
    /// The requests that the device does not have.
    idle: Vec<Request>,
    frame: FrameBuffer,
}

impl Driver for VirtioGpu {
    const NAME: &'static str = "virtio-gpu";
    const MATCHES: &'static [Id] = &[Id::new(VENDOR, 0x1050)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let clock = function.clock();
        let (transport, irq, dma) = Transport::open(function)?;
        let (setup, _) = transport.negotiate(NoFeatures::empty())?;
        let interrupts = irq.grant()?;
        let parameters = QueueParameters { size: 16, max_segments: 2 };
        let mut queue = setup.queue(CONTROL_QUEUE, &dma, parameters, interrupts.entry(GpuMessage::Done))?;
        let shared = Arc::new(RequestHandlers::new(setup.interrupt_status(), queue.watch()));
        let interrupts = interrupts.register(shared.clone()).unmask();
        let device = setup.start();

        let mut request = request(&dma, COMMAND_BYTES)?;
        request = run(&mut queue, clock, request, Command::GetDisplayInfo, OK_DISPLAY_INFO)?;
        let (scanout, size) = request.first_display().ok_or(ProbeError::LeftAlone("no display is connected"))?;
        let frame = frame(&dma, size)?;
        let (width, height) = frame.size();
        request = run(&mut queue, clock, request, Command::Create { width, height }, OK)?;
        attach(&mut queue, clock, &dma, &frame)?;
        request = run(&mut queue, clock, request, Command::SetScanout { scanout, width, height }, OK)?;
        let mut idle = Vec::with_capacity(COMMANDS);
        idle.push(request);
        while idle.len() < COMMANDS {
            idle.push(self::request(&dma, COMMAND_BYTES)?);
        }
        Ok(Self { device, interrupts, shared, queue, idle, frame })
    }
}

/// Allocates a request for commands of up to `bytes` bytes.
fn request(dma: &DmaPort, bytes: usize) -> Result<Request, ProbeError> {
    Ok(Request { command: dma.buffer(bytes)?, length: 0, response: dma.buffer(RESPONSE_BYTES)? })
}

/// Allocates the picture, of the first size for which there is memory.
fn frame(dma: &DmaPort, display: (u32, u32)) -> Result<FrameBuffer, ProbeError> {
    let mut outcome = Err(ProbeError::Device("the display has no size that is supported"));
    for size in sizes(display) {
        outcome = FrameBuffer::new(dma, size);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// Returns the sizes of the picture that are tried: that of the display, as far as it is supported, and smaller ones.
fn sizes((width, height): (u32, u32)) -> impl Iterator<Item = (u32, u32)> {
    let size = (width.min(MAX_SIZE.0), height.min(MAX_SIZE.1));
    let is_smaller = move |smaller: &(u32, u32)| smaller.0 < size.0 && smaller.1 < size.1;
    [size].into_iter().filter(|size| size.0 != 0 && size.1 != 0).chain(SMALLER_SIZES.into_iter().filter(is_smaller))
}

/// Runs a command of the probe, which waits for its response.
fn run(
    queue: &mut Queue<Request>,
    clock: &dyn Clock,
    mut request: Request,
    command: Command,
    wanted: u32,
) -> Result<Request, ProbeError> {
    request.length = command.write(&mut request.command);
    exchange(queue, clock, request, wanted)
}

/// Gives the device the list of the picture's blocks.
fn attach(queue: &mut Queue<Request>, clock: &dyn Clock, dma: &DmaPort, frame: &FrameBuffer) -> Result<(), ProbeError> {
    let entries = frame.entries();
    let mut request = request(dma, COMMAND_BYTES + entries.len() * size_of::<frame::BlockEntry>())?;
    // A picture has at most 1,200 rows, and so blocks.
    let head = write_attach(&mut request.command, u32::try_from(entries.len()).unwrap_or(0));
    request.length = head;
    for entry in entries {
        let end = request.length + entry.as_bytes().len();
        request.command[request.length..end].copy_from_slice(entry.as_bytes());
        request.length = end;
    }
    exchange(queue, clock, request, OK).map(drop)
}

/// Has the device carry out a request of the probe, and checks its response.
fn exchange(
    queue: &mut Queue<Request>,
    clock: &dyn Clock,
    request: Request,
    wanted: u32,
) -> Result<Request, ProbeError> {
    let violation = |_| ProbeError::Device("the display violated the protocol of its queue");
    queue.submit(request).map_err(|(error, _)| violation(error))?;
    queue.kick();
    let mut outcome = Ok(None);
    clock.wait_until(COMMAND_TIMEOUT_NS, || {
        outcome = queue.complete();
        !matches!(outcome, Ok(None))
    });
    let (request, length) = outcome.map_err(violation)?.ok_or(ProbeError::Device("the display does not respond"))?;
    queue.mark_taken();
    match request.response(length) {
        Some(found) if found == wanted => Ok(request),
        found => {
            let (wanted, found) = (wanted.into(), found.unwrap_or(0).into());
            Err(ProbeError::Unexpected { what: "response of the display", wanted, found })
        }
    }
}

impl VirtioGpu {
    /// Returns whether all that was written is shown. Has the device copy and show what has changed.
    fn poll(&mut self) -> Result<bool, Failure> {
        loop {
            while let Some((request, length)) = self.queue.complete()? {
                let response = request.response(length).ok_or(Failure::Short { bytes: length })?;
                self.queue.mark_taken();
                self.idle.push(request);
                if response != OK {
                    return Err(Failure::Refused(response));
                }
            }
            if self.idle.len() == COMMANDS {
                let Some((area, offset)) = self.frame.take_changed() else { return Ok(true) };
                for command in [Command::Transfer { area, offset }, Command::Flush { area }] {
                    let Some(mut request) = self.idle.pop() else { break };
                    request.length = command.write(&mut request.command);
                    self.queue.submit(request).map_err(|(error, _)| error)?;
                }
                self.queue.kick();
            }
            if !self.queue.enable_notifications() {
                return Ok(false);
            }
        }
    }

    /// Quarantines the device, once, while no handler runs: none reads the registers of a device that is being reset.
    fn quarantine(&mut self, failure: Failure) -> DisplayError {
        if self.is_gone() {
            return DisplayError::Gone;
        }
        if failure != Failure::Queue(QueueError::Dead) {
            let device = &self.device;
            self.interrupts.synchronize(|_| device.quarantine(failure));
            self.queue.abandon();
        }
        DisplayError::Quarantined
    }
}

impl DisplayDevice for VirtioGpu {
    fn size(&self) -> (u32, u32) {
        self.frame.size()
    }

    fn write(&mut self, x: u32, y: u32, pixels: &[u32]) {
        self.frame.write(x, y, pixels);
    }

    fn poll_show(&mut self, context: &mut Context<'_>) -> Poll<Result<(), DisplayError>> {
        self.shared.collector.register(context.waker());
        if self.is_gone() {
            return Poll::Ready(Err(DisplayError::Gone));
        }
        match self.poll() {
            Ok(true) => Poll::Ready(Ok(())),
            Ok(false) => Poll::Pending,
            Err(Failure::Refused(response)) => Poll::Ready(Err(DisplayError::Refused { response })),
            Err(failure) => Poll::Ready(Err(self.quarantine(failure))),
        }
    }

    fn is_gone(&self) -> bool {
        self.device.presence().is_gone()
    }
}

/// The reason why nothing is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error("a response of {bytes} bytes")]
    Short { bytes: u32 },
    #[error("the response is {0:#06x}")]
    Refused(u32),
}

impl fmt::Debug for VirtioGpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtioGpu").field("device", &self.device).field("size", &self.size()).finish_non_exhaustive()
    }
}
