//! What a controller allows in requests.

use super::identify::ControllerIdentity;
use super::request::MAX_REQUEST_BYTES;

/// The limits and options of a controller's requests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) max_transfer_bytes: usize,
    /// Writes go to a cache, which can be flushed.
    pub(super) has_cache: bool,
    pub(super) has_deallocate: bool,
    pub(super) has_write_zeroes: bool,
}

impl Limits {
    pub(super) fn new(identity: &ControllerIdentity) -> Self {
        Self {
            max_transfer_bytes: identity.max_transfer_bytes.unwrap_or(usize::MAX).min(MAX_REQUEST_BYTES),
            has_cache: identity.has_cache,
            has_deallocate: identity.has_deallocate,
            has_write_zeroes: identity.has_write_zeroes,
        }
    }
}
