//! The messages of the disk.

use switchboard::messages;

use crate::virtio::InterruptCause;
use crate::virtio::request_handlers::RequestMessages;

messages! {
    /// The messages of the disk: requests are done, or the configuration has changed.
    pub enum BlkMessage { Done, Config }
}

impl RequestMessages for BlkMessage {
    const DONE: Self = Self::Done;
    const CHANGES: InterruptCause = InterruptCause::CONFIG;
}
