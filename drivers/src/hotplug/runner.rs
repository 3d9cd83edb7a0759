//! The runner of a port: waits for what happens, asks the policy, and acts.

use core::future::poll_fn;
use core::task::Poll;

use embassy_futures::select::{Either, select};
use embedded_hal_async::delay::DelayNs;
use switchboard::config::Address;
use switchboard::function::{CommandCompletion, IndicatorState, SlotCommand, SlotEvents};
use switchboard::interrupt::Mode;

use super::monitor::{CUT, KEPT, RELEASED};
use super::policy::{Act, Cause, Phase, decide};
use super::{HotplugPort, SlotChange};

const MILLISECOND: u64 = 1_000_000;
/// How long a slot may take to carry out a command (PCIe 4.0, 6.7.3.2).
const COMMAND_TIME: u32 = 1_000;
/// How long a link may take to come up once there is power.
const LINK_TIME: u32 = 1_000;
/// A function is left alone this long after its link came up (PCIe 4.0, 6.6.1).
const SETTLE_TIME: u32 = 100;
/// And may ask for more time until then (PCIe 4.0, 6.6.1).
const READY_TIME: u32 = 1_000;
/// Between two looks at something that is coming up.
const STEP: u32 = 10;
/// Between two looks at a slot whose port has a line. QEMU's root ports let go of the line when anything in their
/// configuration space is written (`pcie_aer_root_write_config` has no other reason for it); an event that comes while
/// the line is being served, and such a write after it, then cause no interrupt, nor does any that follows.
const GLANCE: u32 = 500;

/// Runs one port. Dropping it ends its part of the hot-plugging; what is in the slot stays as it is.
#[derive(Debug)]
pub struct Runner {
    port: HotplugPort,
    phase: Phase,
    /// In nanoseconds.
    grace: u64,
}

impl Runner {
    pub(super) fn new(port: HotplugPort, grace: u32) -> Self {
        Self { port, phase: Phase::Empty, grace: u64::from(grace) * MILLISECOND }
    }

    /// Runs until the port itself is gone. `delay` is the executor's way to wait.
    pub async fn run(mut self, mut delay: impl DelayNs) {
        self.open(&mut delay).await;
        log::info!(
            "{}: slot {}: watched, {}",
            self.address(),
            self.number(),
            match self.phase {
                Phase::Empty => "empty",
                _ => "in use",
            }
        );
        while !self.port.presence.is_gone() {
            self.wait(&mut delay).await;
            self.turn(&mut delay).await;
        }
        self.port.bus.mark_removed();
        self.tell(SlotChange::Gone);
    }

    /// Finds out how things are, and turns notifications on.
    async fn open(&mut self, delay: &mut impl DelayNs) {
        // What was announced before is seen in the state that there is now.
        self.port.shared.collect();
        self.port.shared.take(SlotEvents::all());
        let wanted = SlotEvents::all() - SlotEvents::LATCH;
        let completion = self.port.slot.enable_events(wanted);
        self.complete(completion, delay).await;
        let slot = &self.port.slot;
        let (is_occupied, is_up) = (slot.is_occupied(), slot.is_link_active() != Some(false));
        if is_occupied && is_up && slot.is_powered() {
            self.phase = Phase::Occupied;
            self.perform(Act::Show(IndicatorState::On), delay).await;
        } else if is_occupied {
            self.on(Cause::Changed { is_occupied, is_intact: false }, delay).await;
        } else {
            self.perform(Act::Stop, delay).await;
        }
    }

    /// Until there is something to do.
    async fn wait(&self, delay: &mut impl DelayNs) {
        let Self { port, .. } = self;
        let news = poll_fn(|context| {
            port.shared.mailbox.runner.register(context.waker());
            let is_news = port.shared.has_events() || port.shared.mailbox.has_answers() || port.presence.is_gone();
            if is_news { Poll::Ready(()) } else { Poll::Pending }
        });
        let glance = (port.mode() == Mode::Intx).then_some(GLANCE);
        match self.remaining().into_iter().chain(glance).min() {
            Some(milliseconds) => {
                if let (Either::Second(()), Some(_)) = (select(news, delay.delay_ms(milliseconds)).await, glance) {
                    port.shared.collect();
                }
            }
            None => news.await,
        }
    }

    /// Milliseconds that are left of a grace period, rounded up.
    fn remaining(&self) -> Option<u32> {
        let (Phase::Arriving { until } | Phase::Departing { until }) = self.phase else { return None };
        let left = until.saturating_sub(self.now()).div_ceil(MILLISECOND);
        Some(u32::try_from(left).unwrap_or(u32::MAX))
    }

    async fn turn(&mut self, delay: &mut impl DelayNs) {
        let answers = self.port.shared.mailbox.take_answers();
        if answers & CUT != 0 {
            self.power_off(delay).await;
        }
        if answers & RELEASED != 0 {
            self.on(Cause::Released, delay).await;
        } else if answers & KEPT != 0 {
            self.on(Cause::Kept, delay).await;
        }
        let events = self.port.shared.take(SlotEvents::all() - SlotEvents::COMMAND_COMPLETED);
        if !events.is_empty() {
            log::debug!("{}: slot {}: {:?}, {events:?}", self.address(), self.number(), self.phase);
        }
        if events.contains(SlotEvents::POWER_FAULT) {
            log::error!("{}: the power controller of slot {} found a fault", self.address(), self.number());
            self.on(Cause::Fault, delay).await;
        }
        let (before, mut has_come) = (self.phase, false);
        if events.intersects(SlotEvents::PRESENCE | SlotEvents::LINK) {
            let is_occupied = self.port.slot.is_occupied();
            let is_up = self.port.slot.is_link_active() != Some(false);
            // Presence that has changed and is there again changed twice: it is another card, or has lost its state.
            let is_same = is_occupied && is_up && !events.contains(SlotEvents::PRESENCE);
            let is_intact = is_same && self.port.bus.is_intact();
            has_come = is_occupied && !is_intact;
            self.on(Cause::Changed { is_occupied, is_intact }, delay).await;
        }
        // Who puts something in and presses the button means one thing, and it has happened then; also where something else
        // was in the slot until the same moment, and the phase is as it was.
        if events.contains(SlotEvents::ATTENTION_BUTTON) && self.phase == before && !has_come {
            self.on(Cause::Button { is_occupied: self.port.slot.is_occupied() }, delay).await;
        }
        if self.remaining() == Some(0) {
            self.on(Cause::Expired, delay).await;
        }
    }

    async fn on(&mut self, cause: Cause, delay: &mut impl DelayNs) {
        let mut next = Some(cause);
        while let Some(cause) = next.take() {
            let (phase, acts) = decide(self.phase, cause, self.now(), self.grace);
            self.phase = phase;
            for act in acts {
                next = self.perform(*act, delay).await.or(next);
            }
        }
    }

    /// Carries out one act; returns the cause that follows from it, if any.
    async fn perform(&mut self, act: Act, delay: &mut impl DelayNs) -> Option<Cause> {
        match act {
            Act::Show(light) => {
                let command = SlotCommand { power_indicator: Some(light), ..SlotCommand::default() };
                self.command(command, delay).await;
            }
            Act::Start => loop {
                let is_up = self.start(delay).await;
                // A press meanwhile, or with the card that came, was no request to take it out again. And what was announced
                // until something answered was of what answers now; if nothing does, another may have come meanwhile. It is
                // looked for where it is announced: its interrupt may be late.
                self.port.shared.collect();
                self.port.shared.take(SlotEvents::ATTENTION_BUTTON);
                let events = self.port.shared.take(SlotEvents::PRESENCE | SlotEvents::LINK);
                let is_occupied = self.port.slot.is_occupied();
                let is_there = is_up && is_occupied && self.port.bus.answers() == Some(true);
                if is_there || !is_occupied || !events.contains(SlotEvents::PRESENCE) {
                    return Some(Cause::Started(is_there));
                }
            },
            Act::Stop => {
                self.power_off(delay).await;
                self.port.bus.mark_removed();
            }
            Act::Alarm => {
                let command = SlotCommand { attention_indicator: Some(IndicatorState::On), ..SlotCommand::default() };
                self.command(command, delay).await;
            }
            Act::Withdraw => _ = self.port.bus.mark_removed(),
            Act::Tell(change) => self.tell(change),
        }
        None
    }

    fn tell(&self, change: SlotChange) {
        log::info!("{}: slot {}: {change:?}", self.address(), self.number());
        self.port.shared.mailbox.tell(change);
    }

    async fn power_off(&mut self, delay: &mut impl DelayNs) {
        let light = Some(IndicatorState::Off);
        self.command(SlotCommand { power: Some(false), power_indicator: light, attention_indicator: None }, delay)
            .await;
    }

    /// Powers what is in the slot. Returns whether it answers.
    async fn start(&mut self, delay: &mut impl DelayNs) -> bool {
        let (power, attention_indicator) = (Some(true), Some(IndicatorState::Off));
        self.command(SlotCommand { power, attention_indicator, ..SlotCommand::default() }, delay).await;
        if !self.within(LINK_TIME, delay, |port| port.slot.is_link_active() != Some(false)).await {
            log::error!("{}: slot {}: the link does not come up", self.address(), self.number());
            return false;
        }
        delay.delay_ms(SETTLE_TIME).await;
        let is_ready = self.within(READY_TIME, delay, |port| port.bus.answers() == Some(true)).await;
        if !is_ready {
            log::error!("{}: slot {}: what is in it does not answer", self.address(), self.number());
        }
        is_ready
    }

    /// Whether `holds` did so within that time, while something is in the slot.
    async fn within(&self, milliseconds: u32, delay: &mut impl DelayNs, holds: impl Fn(&HotplugPort) -> bool) -> bool {
        for _ in 0..=milliseconds / STEP {
            if holds(&self.port) {
                return true;
            }
            if !self.port.slot.is_occupied() {
                break;
            }
            delay.delay_ms(STEP).await;
        }
        false
    }

    async fn command(&mut self, command: SlotCommand, delay: &mut impl DelayNs) {
        let completion = self.port.slot.command(command);
        self.complete(completion, delay).await;
    }

    /// Waits until the slot takes the next command. Some never say so, and take it all the same.
    async fn complete(&self, completion: CommandCompletion, delay: &mut impl DelayNs) {
        if completion == CommandCompletion::Immediate {
            return;
        }
        let shared = &self.port.shared;
        let done = poll_fn(|context| {
            shared.mailbox.runner.register(context.waker());
            let is_done = !shared.take(SlotEvents::COMMAND_COMPLETED).is_empty() || self.port.presence.is_gone();
            if is_done { Poll::Ready(()) } else { Poll::Pending }
        });
        if let Either::First(()) = select(done, delay.delay_ms(COMMAND_TIME)).await {
            return;
        }
        shared.collect();
        if shared.take(SlotEvents::COMMAND_COMPLETED).is_empty() {
            log::warn!("{}: slot {}: a command was not reported to be done", self.address(), self.number());
        }
    }

    fn now(&self) -> u64 {
        self.port.clock.now_ns()
    }

    fn address(&self) -> Address {
        self.port.presence.address()
    }

    fn number(&self) -> u16 {
        self.port.slot.capabilities().number()
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.port.shared.mailbox.close();
    }
}
