//! What a driver reports of its device, for the report of the function.

use alloc::string::String;
use alloc::sync::Arc;

use crate::ownership::Claimed;

/// Publishes what a driver finds out about its device (model, serial number, health) in the
/// [report](crate::function::FunctionReport) of the function; a field of [`Resources`](crate::function::Resources).
///
/// ```
/// # use switchboard_testing::{FakeFunction, FakeMachine};
/// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8)]);
/// # let resources = fake.machine().take_all().remove(0).claim()?;
/// resources.details.set("serial number", "S1".into());
/// resources.details.set("temperature", "38 °C".into());
/// resources.details.set("temperature", "39 °C".into());
/// let details = fake.machine().functions().remove(0).details;
/// assert_eq!(details, [("serial number", "S1".into()), ("temperature", "39 °C".into())]);
///
/// drop(resources);
/// assert!(fake.machine().functions()[0].details.is_empty());
/// # Ok::<(), switchboard::driver::ProbeError>(())
/// ```
#[derive(Debug)]
pub struct Details {
    claimed: Arc<Claimed>,
}

impl Details {
    pub(super) fn new(claimed: Arc<Claimed>) -> Self {
        Self { claimed }
    }

    /// Sets the value of a name, which is new or replaces the one before.
    pub fn set(&self, name: &'static str, value: String) {
        self.claimed.record().update(|status| match status.details.iter_mut().find(|detail| detail.0 == name) {
            Some(detail) => detail.1 = value,
            None => status.details.push((name, value)),
        });
    }
}

impl Drop for Details {
    fn drop(&mut self) {
        self.claimed.record().update(|status| status.details.clear());
    }
}
