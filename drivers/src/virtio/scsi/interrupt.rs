//! The messages of the adapter.

use switchboard::messages;

use crate::virtio::InterruptCause;
use crate::virtio::request_handlers::RequestMessages;

messages! {
    /// The messages of the adapter: requests are done; units have come or gone, or the configuration has changed.
    pub enum ScsiMessage { Done, Event }
}

impl RequestMessages for ScsiMessage {
    const DONE: Self = Self::Done;
    // The line does not show which queue it is.
    const CHANGES: InterruptCause = InterruptCause::all();
}
