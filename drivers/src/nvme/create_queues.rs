//! The I/O queues at the controller: how many it allows, and their creation.

use switchboard::driver::ProbeError;

use super::admin::Admin;
use super::command::Operation;
use super::queue::QueuePair;

const CREATE_IO_SUBMISSION_QUEUE: u8 = 0x01;
const CREATE_IO_COMPLETION_QUEUE: u8 = 0x05;
const SET_FEATURES: u8 = 0x09;
/// In both: the queue is contiguous. In the latter: it interrupts.
const CONTIGUOUS: u32 = 1 << 0;
const INTERRUPTS: u32 = 1 << 1;
/// The feature Number of Queues (5.21.1.7).
const NUMBER_OF_QUEUES: u32 = 0x07;

/// Requests `wanted` pairs of I/O queues, and returns how many the controller allows: at least one. One that refuses the request
/// has one.
pub(super) fn request_pairs(admin: &mut Admin, wanted: usize) -> usize {
    let count = u32::try_from(wanted.saturating_sub(1)).unwrap_or(0);
    let operation = Operation::new(SET_FEATURES, 0, NUMBER_OF_QUEUES, count | count << 16);
    let Ok(allowed) = admin.command("number of I/O queues", operation) else { return 1 };
    // Of submission queues in the low half, of completion queues in the high half; each less one.
    let allowed = (allowed & 0xffff).min(allowed >> 16) as usize + 1;
    allowed.min(wanted).max(1)
}

/// Creates a pair at the controller: for completions first, since the other refers to it (5.3, 5.4).
pub(super) fn create_pair<R>(admin: &mut Admin, pair: &QueuePair<R>, vector: u16) -> Result<(), ProbeError> {
    let (submission, completion) = pair.addresses();
    let (number, size) = (u32::from(pair.number()), u32::from(pair.entries() - 1));
    let flags = CONTIGUOUS | INTERRUPTS | u32::from(vector) << 16;
    let create = Operation::new(CREATE_IO_COMPLETION_QUEUE, 0, number | size << 16, flags);
    admin.command_with("I/O completion queue", create, completion)?;
    let create = Operation::new(CREATE_IO_SUBMISSION_QUEUE, 0, number | size << 16, CONTIGUOUS | number << 16);
    admin.command_with("I/O submission queue", create, submission)?;
    Ok(())
}
