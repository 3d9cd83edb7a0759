//! What stands for the hot-plug slots without the feature `hotplug`: devices stay as they were found.

use core::convert::Infallible;

use switchboard::config::Address;

use super::System;

/// No slots.
#[derive(Debug, Default)]
pub(super) struct Slots(());

/// A change that never happens.
pub(super) type Change = Infallible;

impl Slots {
    pub(super) async fn next(&mut self) -> Change {
        core::future::pending().await
    }

    #[expect(clippy::unused_async, reason = "the same interface as with the feature")]
    pub(super) async fn remove_port(&mut self, _: Address) -> bool {
        false
    }
}

impl System {
    #[expect(clippy::unused_async, reason = "the same interface as with the feature")]
    pub(super) async fn start_slots(&mut self) {}

    #[expect(clippy::unused_async, reason = "the same interface as with the feature")]
    pub(super) async fn apply(&mut self, change: Change) {
        match change {}
    }
}
