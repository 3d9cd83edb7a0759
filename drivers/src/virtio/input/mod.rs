//! virtio-input: keyboards (virtio 1.2, 5.8). Pointers are left alone: nothing uses them.

mod keys;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll};

use switchboard::dma::DmaBuffer;
use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::event::{Notifier, Waiter, event};
use switchboard::function::{Function, Gone};
use switchboard::interrupt::{Activity, Claim, InIsr, Interrupts, LineIsr, Live, MessageIsr};
use switchboard::messages;
use switchboard::mmio::{ReadOnly, Reg, RegisterBlock};

use self::keys::{KEY_A, KEY_EVENT, Keys};
use super::queue::{Queue, QueueError, QueueParameters, QueueWatch};
use super::{InterruptStatus, NoFeatures, Running, Setup, Transport, VENDOR};
use crate::interfaces::keyboard::{KeyEvent, KeyboardDevice};

/// The queue of events. That of states, such as those of lights, is not used.
const EVENT_QUEUE: u16 = 0;
/// The bytes of an event (5.8.6): its type, its code and its value.
const EVENT_BYTES: usize = 8;
/// The events that the device can have under way. It drops those beyond.
const EVENTS: u16 = 64;

/// The configuration: a selector, and what it selects (5.8.4).
struct InputConfig;

impl RegisterBlock for InputConfig {
    const SIZE: u64 = 8 + BITMAP_BYTES as u64;
}

const SELECT: Reg<InputConfig, u8> = Reg::at(0);
const SUBSELECT: Reg<InputConfig, u8> = Reg::at(1);
const SIZE: Reg<InputConfig, u8, ReadOnly> = Reg::at(2);
const DATA: u64 = 8;
/// The most bytes that are selected.
const BITMAP_BYTES: u16 = 128;
/// Selects the codes that the device has of a type of event, as bits.
const EV_BITS: u8 = 0x11;

messages! {
    /// The only message of the device.
    pub enum InputMessage { Event }
}

/// State that the handlers share with the driver.
#[derive(Debug)]
struct Shared {
    status: InterruptStatus,
    arrived: Notifier,
    watch: QueueWatch,
}

impl MessageIsr<1> for Shared {
    type Message = InputMessage;

    fn on_message(&self, InputMessage::Event: InputMessage, isr: &InIsr<'_>) {
        if self.status.is_live() {
            self.arrived.notify(isr);
        }
    }

    fn activity(&self, InputMessage::Event: InputMessage) -> Activity {
        self.status.activity(|| self.watch.events())
    }
}

impl LineIsr for Shared {
    fn on_line(&self, isr: &InIsr<'_>) -> Claim {
        let cause = self.status.take_cause();
        if cause.is_some() || self.status.is_gone() {
            self.arrived.notify(isr);
        }
        if cause.is_some() { Claim::Mine } else { Claim::NotMine }
    }

    fn activity(&self) -> Activity {
        MessageIsr::activity(self, InputMessage::Event)
    }
}

/// A virtio keyboard.
pub struct VirtioKeyboard {
    // The first field, so that the device is reset before its memory and interrupts are freed.
    device: Running,
    interrupts: Interrupts<1, Shared, Live>,
    queue: Queue<DmaBuffer>,
    arrived: Waiter,
    keys: Keys,
}

impl Driver for VirtioKeyboard {
    const NAME: &'static str = "virtio-input";
    const MATCHES: &'static [Id] = &[Id::new(VENDOR, 0x1052)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let (transport, irq, dma) = Transport::open(function)?;
        let (setup, _) = transport.negotiate(NoFeatures::empty())?;
        if !is_keyboard(&setup)? {
            return Err(ProbeError::LeftAlone("no keyboard: nothing uses pointers"));
        }
        let (notifier, arrived) = event();
        let interrupts = irq.grant()?;
        let parameters = QueueParameters { size: EVENTS, max_segments: 1 };
        let mut queue = setup.queue(EVENT_QUEUE, &dma, parameters, interrupts.entry(InputMessage::Event))?;
        for buffer in dma.buffers(queue.free().into(), EVENT_BYTES)? {
            // There is a descriptor for each.
            drop(queue.submit(buffer));
        }
        let shared = Arc::new(Shared { status: setup.interrupt_status(), arrived: notifier, watch: queue.watch() });
        let interrupts = interrupts.register(shared).unmask();
        let device = setup.start();
        queue.kick();
        Ok(Self { device, interrupts, queue, arrived, keys: Keys::default() })
    }
}

/// Returns whether the device has the key A.
fn is_keyboard(setup: &Setup) -> Result<bool, ProbeError> {
    let config = setup.config::<InputConfig>()?;
    config.write(&SELECT, EV_BITS);
    config.write(&SUBSELECT, u8::try_from(KEY_EVENT).unwrap_or_default());
    let at = KEY_A / 8;
    let bits = if u16::from(config.read(&SIZE)) > at { config.try_read::<u8>(DATA + u64::from(at)) } else { None };
    Ok(bits.is_some_and(|bits| bits >> (KEY_A % 8) & 1 != 0))
}

impl VirtioKeyboard {
    fn poll_event(&mut self, context: &Context<'_>) -> Poll<Result<KeyEvent, InputError>> {
        loop {
            self.device.presence().check()?;
            match self.queue.complete() {
                Ok(Some((buffer, length))) => {
                    let event = buffer.first_chunk::<EVENT_BYTES>().copied().filter(|_| length as usize >= EVENT_BYTES);
                    let Some([k0, k1, c0, c1, value @ ..]) = event else {
                        return Poll::Ready(Err(self.quarantine(InputError::Short { bytes: length })));
                    };
                    if let Err((error, _)) = self.queue.submit(buffer) {
                        return Poll::Ready(Err(self.quarantine(error)));
                    }
                    self.queue.kick();
                    let (kind, code) = (u16::from_le_bytes([k0, k1]), u16::from_le_bytes([c0, c1]));
                    let value = u32::from_le_bytes(value);
                    if let Some(event) = (kind == KEY_EVENT).then(|| self.keys.event(code, value)).flatten() {
                        return Poll::Ready(Ok(event));
                    }
                }
                Ok(None) if self.queue.enable_notifications() => {}
                Ok(None) if self.arrived.poll_wait(context).is_pending() => return Poll::Pending,
                Ok(None) => {}
                Err(error) => return Poll::Ready(Err(self.quarantine(error))),
            }
        }
    }

    /// Quarantines the device, once, while no handler runs: none reads the registers of a device that is being reset.
    fn quarantine(&mut self, error: impl Into<InputError>) -> InputError {
        let error = error.into();
        if error != InputError::Queue(QueueError::Dead) {
            let device = &self.device;
            self.interrupts.synchronize(|_| device.quarantine(error));
            self.queue.abandon();
        }
        error
    }
}

impl KeyboardDevice for VirtioKeyboard {
    type Error = InputError;

    async fn next_event(&mut self) -> Result<KeyEvent, InputError> {
        poll_fn(|context| self.poll_event(context)).await
    }

    fn is_gone(&self) -> bool {
        self.device.presence().is_gone()
    }
}

/// The error of a keyboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// The device violated the protocol of the queue.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The device was removed.
    #[error(transparent)]
    Gone(#[from] Gone),
    /// The device returned a part of an event.
    #[error("an event of {bytes} bytes")]
    Short {
        /// The bytes that it reports to have written.
        bytes: u32,
    },
}

impl fmt::Debug for VirtioKeyboard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtioKeyboard").field("device", &self.device).finish_non_exhaustive()
    }
}
