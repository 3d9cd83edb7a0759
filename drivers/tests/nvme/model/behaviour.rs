//! What a test changes of the controller.

use super::BLOCKS;

/// What a test changes.
#[derive(Clone)]
pub(crate) struct Behaviour {
    /// A power of two.
    pub(crate) block_bits: u8,
    pub(crate) mdts: u8,
    pub(crate) has_cache: bool,
    /// It has write zeroes and deallocation.
    pub(crate) has_options: bool,
    /// The statuses of the next I/O commands, instead of success.
    pub(crate) failures: Vec<u16>,
    /// The command id in the next I/O completion, instead of the right one.
    pub(crate) wrong_id: Option<u16>,
    /// I/O commands are left alone while this is set.
    pub(crate) is_stalled: bool,
    /// I/O commands of this opcode are taken, and never finished but by an abort.
    pub(crate) hangs: Option<u8>,
    /// Whether a command that hangs is aborted on request.
    pub(crate) can_abort: bool,
    /// The controller has failed until its next reset.
    pub(crate) is_fatal: bool,
    /// The controller does not become ready again.
    pub(crate) stays_off: bool,
    /// The pairs of I/O queues that it allows.
    pub(crate) pairs: u32,
    pub(crate) namespaces: u32,
    pub(crate) blocks: u64,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            block_bits: 9,
            mdts: 0,
            has_cache: true,
            has_options: true,
            failures: Vec::new(),
            wrong_id: None,
            is_stalled: false,
            hangs: None,
            can_abort: false,
            is_fatal: false,
            stays_off: false,
            pairs: 2,
            namespaces: 1,
            blocks: BLOCKS,
        }
    }
}
