//! Creation of the I/O queues at the controller.

use switchboard::driver::ProbeError;

use super::admin::Admin;
use super::command::Operation;
use super::queue::QueuePair;

/// The number of the I/O queues.
pub(super) const IO_QUEUE: u16 = 1;

const CREATE_IO_SUBMISSION_QUEUE: u8 = 0x01;
const CREATE_IO_COMPLETION_QUEUE: u8 = 0x05;
/// In both: the queue is contiguous. In the latter: it interrupts.
const CONTIGUOUS: u32 = 1 << 0;
const INTERRUPTS: u32 = 1 << 1;

/// Creates the I/O queues at the controller: for completions first, since the other refers to it (5.3, 5.4).
pub(super) fn create_queues<R>(
    admin: &mut Admin,
    pair: &QueuePair<R>,
    entries: u16,
    vector: u16,
) -> Result<(), ProbeError> {
    let (submission, completion) = pair.addresses();
    let (number, size) = (u32::from(IO_QUEUE), u32::from(entries - 1));
    let flags = CONTIGUOUS | INTERRUPTS | u32::from(vector) << 16;
    let create = Operation::new(CREATE_IO_COMPLETION_QUEUE, 0, number | size << 16, flags);
    admin.command_with("I/O completion queue", create, completion)?;
    let create = Operation::new(CREATE_IO_SUBMISSION_QUEUE, 0, number | size << 16, CONTIGUOUS | number << 16);
    admin.command_with("I/O submission queue", create, submission)?;
    Ok(())
}
