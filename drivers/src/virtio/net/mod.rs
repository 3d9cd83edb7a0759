//! virtio-net: an Ethernet card of two queues (virtio 1.2, 5.1).
//!
//! Frames are handed over in place, out of and into the buffers that the device uses. The interrupts only wake the task
//! that runs the network stack, which then drains the queues and rests.

mod config;
mod counters;
mod receive;
mod send;
#[cfg(test)]
mod tests;

use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Waker};

use atomic_waker::AtomicWaker;
use embassy_net_driver::{Capabilities, HardwareAddress, LinkState};
use switchboard::driver::{Driver, Id, ProbeError};
use switchboard::function::Function;
use switchboard::interrupt::{Claim, InIsr, Interrupts, LineIsr, Live, MessageIsr};
use switchboard::messages;
use switchboard::mmio::Bar;

use self::config::{LARGEST_FRAME, NetConfig, NetFeatures};
pub use self::counters::{NetCounter, NetCounters};
pub use self::receive::Frame;
use self::receive::Receiver;
use self::send::Sender;
pub use self::send::TxSlot;
use super::queue::QueueParameters;
use super::{InterruptCause, InterruptStatus, Running, Transport, VENDOR};
use crate::interfaces::network::NetworkCard;

/// Bytes of the header before each frame (5.1.6.1, as of version 1).
const HEADER: usize = 12;
/// Buffers for each direction.
const BUFFERS: usize = 128;
const SHAPE: QueueParameters = QueueParameters { size: 128, max_segments: 1 };

const RECEIVE_QUEUE: u16 = 0;
const TRANSMIT_QUEUE: u16 = 1;

messages! {
    /// The messages of the card, the most important first: with fewer vectors the last ones share one.
    pub enum NetMessage { Rx, Tx, Config }
}

/// What the handlers share with the driver.
#[derive(Debug)]
struct Shared {
    status: InterruptStatus,
    receive: AtomicWaker,
    send: AtomicWaker,
    link: AtomicWaker,
    is_config_changed: AtomicBool,
}

impl Shared {
    fn config_changed(&self) {
        self.is_config_changed.store(true, Ordering::Release);
        self.link.wake();
    }

    fn wake_all(&self) {
        self.receive.wake();
        self.send.wake();
        self.link.wake();
    }
}

impl MessageIsr<3> for Shared {
    type Message = NetMessage;

    fn on_message(&self, message: NetMessage, _isr: &InIsr<'_>) {
        if !self.status.is_live() {
            return;
        }
        match message {
            NetMessage::Rx => self.receive.wake(),
            NetMessage::Tx => self.send.wake(),
            NetMessage::Config => self.config_changed(),
        }
        // Called once more for all of a card that has gone, on whatever vectors there are.
        if self.status.is_gone() {
            self.link.wake();
        }
    }
}

impl LineIsr for Shared {
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        let Some(cause) = self.status.take_cause() else {
            if self.status.is_gone() {
                self.wake_all();
            }
            return Claim::NotMine;
        };
        if cause.contains(InterruptCause::QUEUE) {
            // Which queue, the line does not say.
            self.receive.wake();
            self.send.wake();
        }
        if cause.contains(InterruptCause::CONFIG) {
            self.config_changed();
        }
        Claim::Mine
    }
}

/// A virtio network card, behind embassy's interface for them.
pub struct VirtioNet {
    // First, so that the device has let go of memory and interrupts when these go.
    device: Running,
    _interrupts: Interrupts<3, Shared, Live>,
    receiver: Receiver,
    sender: Sender,
    shared: Arc<Shared>,
    counters: Arc<NetCounters>,
    config: Bar<NetConfig>,
    features: NetFeatures,
    mac: [u8; 6],
    largest_frame: usize,
    is_up: bool,
    is_quarantined: bool,
    /// The waker that was registered last for a change of the link; none once that has happened.
    follower: Option<Waker>,
}

impl Driver for VirtioNet {
    const NAME: &'static str = "virtio-net";
    const MATCHES: &'static [Id] = &[Id::new(VENDOR, 0x1041), Id::new(VENDOR, 0x1000)];

    fn probe(function: Function) -> Result<Self, ProbeError> {
        let address = function.address();
        let (transport, irq, dma) = Transport::open(function)?;
        let (setup, features) = transport.negotiate(NetFeatures::all())?;
        let config = setup.config()?;
        let (mac, largest_frame, is_up) = setup.read_config(|| {
            let mac = config::read_mac(&config, features, address);
            (mac, config::read_largest_frame(&config, features), config::read_link(&config, features))
        })?;
        let (mac, largest_frame) = (mac?, largest_frame?);
        let shared = Arc::new(Shared {
            status: setup.interrupt_status(),
            receive: AtomicWaker::new(),
            send: AtomicWaker::new(),
            link: AtomicWaker::new(),
            // A change between reading and starting is not announced.
            is_config_changed: AtomicBool::new(true),
        });
        let interrupts: Interrupts<3, Shared> = irq.grant()?;
        setup.set_config_entry(interrupts.entry(NetMessage::Config))?;
        let receive = setup.queue(RECEIVE_QUEUE, &dma, SHAPE, interrupts.entry(NetMessage::Rx))?;
        let send = setup.queue(TRANSMIT_QUEUE, &dma, SHAPE, interrupts.entry(NetMessage::Tx))?;
        let counters = Arc::new(NetCounters::default());
        let buffers = (BUFFERS, HEADER + LARGEST_FRAME);
        let entry = |message| interrupts.entry(message);
        let is_alone =
            entry(NetMessage::Rx) != entry(NetMessage::Tx) && entry(NetMessage::Rx) != entry(NetMessage::Config);
        let mask = interrupts.mask_of(NetMessage::Rx).filter(|_| is_alone);
        let mut receiver = Receiver::new(receive, shared.clone(), counters.clone(), &dma, buffers, mask)?;
        let sender = Sender::new(send, shared.clone(), counters.clone(), &dma, buffers)?;
        let interrupts = interrupts.register(shared.clone()).unmask();
        let device = setup.start();
        // A device may be kicked once it runs, and not before (3.1.1).
        receiver.kick();
        Ok(Self {
            device,
            _interrupts: interrupts,
            receiver,
            sender,
            shared,
            counters,
            config,
            features,
            mac,
            largest_frame,
            is_up,
            is_quarantined: false,
            follower: None,
        })
    }
}

impl VirtioNet {
    /// What the card has done so far; goes on counting after the card has moved into a network stack.
    #[must_use]
    pub fn counters(&self) -> Arc<NetCounters> {
        self.counters.clone()
    }

    /// The card's Ethernet address.
    #[must_use]
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }

    fn quarantine(&mut self, reason: impl fmt::Display) {
        if !self.is_quarantined {
            self.is_quarantined = true;
            self.device.quarantine(reason);
        }
    }

    /// Whether nothing is to be had from the card any more: it broke the rules, or is gone.
    fn is_unusable(&self) -> bool {
        self.is_quarantined || self.device.presence().is_gone()
    }

    /// Whether a frame can be sent.
    fn can_send(&mut self, context: &Context<'_>) -> bool {
        self.sender.poll(context).unwrap_or_else(|error| {
            self.quarantine(error);
            false
        })
    }

    fn refresh_link(&mut self) {
        if self.device.needs_reset() {
            self.quarantine("it reports that it needs a reset");
            return;
        }
        match self.device.read_config(|| config::read_link(&self.config, self.features)) {
            Ok(is_up) => self.is_up = is_up,
            // One that went away while it was read reads ones that never stand still, or do.
            Err(_) if self.device.presence().confirm().is_err() => {}
            Err(error) => self.quarantine(error),
        }
    }
}

impl embassy_net_driver::Driver for VirtioNet {
    type RxToken<'a> = Frame<'a>;
    type TxToken<'a> = TxSlot<'a>;

    fn receive(&mut self, context: &mut Context<'_>) -> Option<(Frame<'_>, TxSlot<'_>)> {
        if self.is_unusable() || !self.can_send(context) {
            return None;
        }
        // Not `?` on the error: the card would still be lent to the result.
        let Self { receiver, sender, is_quarantined, device, .. } = self;
        match receiver.poll(context) {
            Ok(frame) => frame.map(|frame| (frame, TxSlot { sender })),
            Err(error) => {
                *is_quarantined = true;
                device.quarantine(error);
                None
            }
        }
    }

    fn transmit(&mut self, context: &mut Context<'_>) -> Option<TxSlot<'_>> {
        let can_send = !self.is_unusable() && self.can_send(context);
        can_send.then_some(TxSlot { sender: &mut self.sender })
    }

    /// The end of a turn, too: a stack asks once each time it has received and sent all it could, so this is
    /// where the device is kicked for all frames of the turn.
    fn link_state(&mut self, context: &mut Context<'_>) -> LinkState {
        self.sender.kick();
        let is_changed = self.shared.is_config_changed.load(Ordering::Acquire);
        // Asked in each turn, so what need not be done again is not.
        if is_changed || self.follower.as_ref().is_none_or(|waker| !waker.will_wake(context.waker())) {
            self.follower = Some(context.waker().clone());
            self.shared.link.register(context.waker());
            if self.shared.is_config_changed.swap(false, Ordering::AcqRel) && !self.is_unusable() {
                self.refresh_link();
            }
        }
        if self.is_up && !self.is_unusable() { LinkState::Up } else { LinkState::Down }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = self.largest_frame;
        capabilities.max_burst_size = Some(BUFFERS);
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.mac)
    }
}

impl NetworkCard for VirtioNet {
    fn set_polled(&mut self, is_polled: bool) {
        self.receiver.set_polled(is_polled);
    }
}

impl fmt::Debug for VirtioNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtioNet").field("address", &self.device.address()).finish_non_exhaustive()
    }
}
