//! The runner of a port: waits for events and responses, and carries out the actions of the state machine.

use core::future::poll_fn;
use core::task::Poll;

use embassy_futures::select::{Either, select};
use embedded_hal_async::delay::DelayNs;
use switchboard::config::Address;
use switchboard::function::{IndicatorState, SlotCommand, SlotEvents};
use switchboard::interrupt::Mode;

use super::monitor::{KEPT, POWER_CUT, RELEASED};
use super::policy::{SlotAction, SlotInput, SlotState, transition};
use super::{HotplugPort, SlotChange};

const NS_PER_MS: u64 = 1_000_000;
/// The interval of polling a slot whose port has a line. QEMU's root ports deassert the line on any write to their configuration space
/// (`pcie_aer_root_write_config`). After an event while the line is served, and such a write, there is no interrupt for this event or
/// for later ones.
const LINE_POLL_INTERVAL_MS: u32 = 500;

/// The runner of one port, to be spawned as a task. Dropping it stops handling the slot, whose card stays as it is.
#[derive(Debug)]
pub struct Runner {
    pub(super) port: HotplugPort,
    state: SlotState,
    grace_ns: u64,
}

impl Runner {
    pub(super) fn new(port: HotplugPort, grace_ms: u32) -> Self {
        Self { port, state: SlotState::Empty, grace_ns: u64::from(grace_ms) * NS_PER_MS }
    }

    /// Runs until the port itself is removed. `delay` is the delay of the executor.
    pub async fn run(mut self, mut delay: impl DelayNs) {
        self.open(&mut delay).await;
        log::info!(
            "{}: slot {}: watched, {}",
            self.address(),
            self.number(),
            match self.state {
                SlotState::Empty => "empty",
                _ => "in use",
            }
        );
        while !self.port.presence.is_gone() {
            self.wait(&mut delay).await;
            self.handle(&mut delay).await;
        }
        self.port.bus.mark_removed();
        self.report(SlotChange::Gone);
    }

    /// Reads the initial state, and enables events.
    async fn open(&mut self, delay: &mut impl DelayNs) {
        // Earlier events are part of the state that is read below.
        self.port.shared.collect();
        self.port.shared.take(SlotEvents::all());
        let events = SlotEvents::all() - SlotEvents::LATCH;
        let completion = self.port.slot.enable_events(events);
        self.complete(completion, delay).await;
        let slot = &self.port.slot;
        let (is_occupied, is_up) = (slot.is_occupied(), slot.is_link_active() != Some(false));
        if is_occupied && is_up && slot.is_powered() {
            self.state = SlotState::Occupied;
            self.perform(SlotAction::SetPowerIndicator(IndicatorState::On), delay).await;
        } else if is_occupied {
            self.on(SlotInput::Changed { is_occupied, is_intact: false }, delay).await;
        } else {
            self.perform(SlotAction::Stop, delay).await;
        }
    }

    /// Waits for an event, a response, or a deadline.
    async fn wait(&self, delay: &mut impl DelayNs) {
        let Self { port, .. } = self;
        let change = poll_fn(|context| {
            port.shared.mailbox.runner.register(context.waker());
            let is_change = port.shared.has_events() || port.shared.mailbox.has_responses() || port.presence.is_gone();
            if is_change { Poll::Ready(()) } else { Poll::Pending }
        });
        let interval_ms = (port.mode() == Mode::Intx).then_some(LINE_POLL_INTERVAL_MS);
        match self.remaining_ms().into_iter().chain(interval_ms).min() {
            Some(timeout_ms) => {
                if let (Either::Second(()), Some(_)) = (select(change, delay.delay_ms(timeout_ms)).await, interval_ms) {
                    port.shared.collect();
                }
            }
            None => change.await,
        }
    }

    /// Returns the rest of a grace period in milliseconds, rounded up.
    fn remaining_ms(&self) -> Option<u32> {
        let (SlotState::Arriving { deadline_ns } | SlotState::Departing { deadline_ns }) = self.state else {
            return None;
        };
        let left_ms = deadline_ns.saturating_sub(self.now_ns()).div_ceil(NS_PER_MS);
        Some(u32::try_from(left_ms).unwrap_or(u32::MAX))
    }

    /// Handles responses, events, and an expired grace period.
    async fn handle(&mut self, delay: &mut impl DelayNs) {
        let responses = self.port.shared.mailbox.take_responses();
        if responses & POWER_CUT != 0 {
            self.power_off(delay).await;
        }
        if responses & RELEASED != 0 {
            self.on(SlotInput::Released, delay).await;
        } else if responses & KEPT != 0 {
            self.on(SlotInput::Kept, delay).await;
        }
        let events = self.port.shared.take(SlotEvents::all() - SlotEvents::COMMAND_COMPLETED);
        if !events.is_empty() {
            log::debug!("{}: slot {}: {:?}, {events:?}", self.address(), self.number(), self.state);
        }
        if events.contains(SlotEvents::POWER_FAULT) {
            log::error!("{}: slot {}: the power controller reports a fault", self.address(), self.number());
            self.on(SlotInput::Fault, delay).await;
        }
        let (before, mut is_new) = (self.state, false);
        if events.intersects(SlotEvents::PRESENCE | SlotEvents::LINK) {
            let is_occupied = self.port.slot.is_occupied();
            let is_up = self.port.slot.is_link_active() != Some(false);
            // A presence that has changed, and is there, has changed twice: it is another card, or one that has lost its state.
            let is_same = is_occupied && is_up && !events.contains(SlotEvents::PRESENCE);
            let is_intact = is_same && self.port.bus.is_intact();
            is_new = is_occupied && !is_intact;
            self.on(SlotInput::Changed { is_occupied, is_intact }, delay).await;
        }
        // A press of the button while a card is added or exchanged is part of that change, not a request for the next one.
        if events.contains(SlotEvents::ATTENTION_BUTTON) && self.state == before && !is_new {
            self.on(SlotInput::Button { is_occupied: self.port.slot.is_occupied() }, delay).await;
        }
        if self.remaining_ms() == Some(0) {
            self.on(SlotInput::Expired, delay).await;
        }
    }

    /// Feeds an input to the state machine, and carries out its actions.
    async fn on(&mut self, input: SlotInput, delay: &mut impl DelayNs) {
        let mut next = Some(input);
        while let Some(input) = next.take() {
            let (state, actions) = transition(self.state, input, self.now_ns(), self.grace_ns);
            self.state = state;
            for action in actions {
                next = self.perform(*action, delay).await.or(next);
            }
        }
    }

    /// Carries out one action. Returns the input that results from it, if any.
    async fn perform(&mut self, action: SlotAction, delay: &mut impl DelayNs) -> Option<SlotInput> {
        match action {
            SlotAction::SetPowerIndicator(state) => {
                let command = SlotCommand { power_indicator: Some(state), ..SlotCommand::default() };
                self.command(command, delay).await;
            }
            SlotAction::Start => loop {
                let is_up = self.start(delay).await;
                // A press of the button until now is no request for removal. Events until the card responded are those of the card that
                // responds now. If none responds, another one may have been added meanwhile: the events are read from the port, since
                // their interrupt may be late.
                self.port.shared.collect();
                self.port.shared.take(SlotEvents::ATTENTION_BUTTON);
                let events = self.port.shared.take(SlotEvents::PRESENCE | SlotEvents::LINK);
                let is_occupied = self.port.slot.is_occupied();
                let is_there = is_up && is_occupied && self.port.bus.answers() == Some(true);
                if is_there || !is_occupied || !events.contains(SlotEvents::PRESENCE) {
                    return Some(SlotInput::Started(is_there));
                }
            },
            SlotAction::Stop => {
                self.power_off(delay).await;
                self.port.bus.mark_removed();
            }
            SlotAction::SetAttention => {
                let command = SlotCommand { attention_indicator: Some(IndicatorState::On), ..SlotCommand::default() };
                self.command(command, delay).await;
            }
            SlotAction::MarkRemoved => _ = self.port.bus.mark_removed(),
            SlotAction::Report(change) => self.report(change),
        }
        None
    }

    /// Reports a change to the users.
    fn report(&self, change: SlotChange) {
        log::info!("{}: slot {}: {change:?}", self.address(), self.number());
        self.port.shared.mailbox.post(change);
    }

    fn now_ns(&self) -> u64 {
        self.port.clock.now_ns()
    }

    pub(super) fn address(&self) -> Address {
        self.port.presence.address()
    }

    pub(super) fn number(&self) -> u16 {
        self.port.slot.capabilities().number()
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.port.shared.mailbox.close();
    }
}
