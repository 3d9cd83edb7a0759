//! Slot commands, and the waits for their effects.

use core::future::poll_fn;
use core::task::Poll;

use embassy_futures::select::{Either, select};
use embedded_hal_async::delay::DelayNs;
use switchboard::function::{CommandCompletion, IndicatorState, SlotCommand, SlotEvents};

use super::{HotplugPort, Runner};

/// The limit for a slot to complete a command (PCIe 4.0, 6.7.3.2).
const COMMAND_TIMEOUT_MS: u32 = 1_000;
/// The limit for a link to come up after the power was turned on.
const LINK_TIMEOUT_MS: u32 = 1_000;
/// The time after its link came up in which a function must not be accessed (PCIe 4.0, 6.6.1).
const SETTLE_MS: u32 = 100;
/// The limit for a function that responds with "retry" to become ready after that (PCIe 4.0, 6.6.1).
const READY_TIMEOUT_MS: u32 = 1_000;
/// The interval of polling a card that is being started.
const POLL_INTERVAL_MS: u32 = 10;

impl Runner {
    /// Turns power and power indicator off.
    pub(super) async fn power_off(&mut self, delay: &mut impl DelayNs) {
        let power_indicator = Some(IndicatorState::Off);
        self.command(SlotCommand { power: Some(false), power_indicator, attention_indicator: None }, delay).await;
    }

    /// Turns the power of the card on. Returns whether it responds.
    pub(super) async fn start(&mut self, delay: &mut impl DelayNs) -> bool {
        let (power, attention_indicator) = (Some(true), Some(IndicatorState::Off));
        self.command(SlotCommand { power, attention_indicator, ..SlotCommand::default() }, delay).await;
        if !self.wait_until(LINK_TIMEOUT_MS, delay, |port| port.slot.is_link_active() != Some(false)).await {
            log::error!("{}: slot {}: the link does not come up", self.address(), self.number());
            return false;
        }
        delay.delay_ms(SETTLE_MS).await;
        let is_ready = self.wait_until(READY_TIMEOUT_MS, delay, |port| port.bus.answers() == Some(true)).await;
        if !is_ready {
            log::error!("{}: slot {}: the card does not respond", self.address(), self.number());
        }
        is_ready
    }

    /// Waits until `holds` returns `true`. Returns `false` on a timeout, or when the slot is empty.
    async fn wait_until(
        &self,
        timeout_ms: u32,
        delay: &mut impl DelayNs,
        holds: impl Fn(&HotplugPort) -> bool,
    ) -> bool {
        for _ in 0..=timeout_ms / POLL_INTERVAL_MS {
            if holds(&self.port) {
                return true;
            }
            if !self.port.slot.is_occupied() {
                break;
            }
            delay.delay_ms(POLL_INTERVAL_MS).await;
        }
        false
    }

    /// Sends a command, and waits until it is completed.
    pub(super) async fn command(&mut self, command: SlotCommand, delay: &mut impl DelayNs) {
        let completion = self.port.slot.command(command);
        self.complete(completion, delay).await;
    }

    /// Waits until the slot accepts the next command. Some slots accept it without reporting the completion of the last one.
    pub(super) async fn complete(&self, completion: CommandCompletion, delay: &mut impl DelayNs) {
        if completion == CommandCompletion::Immediate {
            return;
        }
        let shared = &self.port.shared;
        let done = poll_fn(|context| {
            shared.mailbox.runner.register(context.waker());
            let is_done = !shared.take(SlotEvents::COMMAND_COMPLETED).is_empty() || self.port.presence.is_gone();
            if is_done { Poll::Ready(()) } else { Poll::Pending }
        });
        if let Either::First(()) = select(done, delay.delay_ms(COMMAND_TIMEOUT_MS)).await {
            return;
        }
        shared.collect();
        if shared.take(SlotEvents::COMMAND_COMPLETED).is_empty() {
            log::warn!("{}: slot {}: a command was not reported as completed", self.address(), self.number());
        }
    }
}
