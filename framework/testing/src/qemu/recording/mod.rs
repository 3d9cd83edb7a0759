//! Recordings: what a driver did and saw in a run on QEMU, as a text file; and its replay without QEMU.
//!
//! # Format
//!
//! Lines of ASCII. The first is `switchboard-recording 1`, where 1 is the version of the format. Lines that begin with `#` are
//! comments. `modes` names the interrupt modes that the machine permits. The other lines are what happened, in order. Numbers with
//! `0x` are hexadecimal, other numbers decimal; BYTES is the width of an access.
//!
//! | line | meaning |
//! |---|---|
//! | `read PLACE BYTES VALUE` | the driver, or the framework for it, has read a register |
//! | `write PLACE BYTES VALUE` | it has written one |
//! | `time N`, `fence N`, `wait N` | the N-th reading of the clock, fence, or poll of a task since the last access; only if something follows that happened there |
//! | `interrupt SOURCE` | the handlers of an interrupt were called; their accesses are indented |
//! | `end` | they have returned |
//! | `resumed` | the task went on beside the handlers, since one of them waited for a lock that the task held |
//! | `refused PAGES` | an allocation of DMA memory failed |
//! | `look` | the watch of the machine has looked at its handlers, since a task waited for long |
//! | `stuck` | a task was given up, as it waited for something that did not come |
//! | `driver BUS DATA` | what the driver has written to DMA memory before the next line |
//! | `device BUS DATA` | what the device has written to DMA memory, as seen after the line before |
//!
//! PLACE is `00:03.0 config+0x4`, `00:03.0 bar0+0x10`, `memory 0xfee00000` or `port 0x60`. SOURCE is `line 23` (an input of the I/O
//! APIC), `message 33` (a vector), or `raised 33` (by software). DATA is hexadecimal digits, in parts that are separated by
//! commas; `00*512` is a byte and how often it is repeated.
//!
//! # DMA memory
//!
//! What a device writes is visible to a CPU at once, between any two instructions. A recording needs places. So the driver of a
//! recorded run has a memory of its own, and bytes are exchanged with the memory of QEMU at the lines above alone: what the driver
//! has written before an access goes to QEMU's memory first, and what the device has written comes back after it. QEMU is stopped
//! (`SIGSTOP`) for that moment, so that it sees all of the driver's writes or none. This is what a device and a CPU do that are
//! slow: an algorithm that is right with [`device_fence`](switchboard::sync::device_fence), where memory is exchanged, too, is right here.
//! For the same reason interrupts of a recorded run are delivered at these places only. A replay has the same
//! memory at the same places.

mod difference;
mod event;
mod exchange;
mod parse;
mod player;
mod recorder;
#[cfg(test)]
mod tests;

pub(super) use event::{Access, Action, Event, Place, Point, Source};
pub(super) use exchange::Exchange;
pub(super) use player::{Player, Waited};
pub(super) use recorder::Recorder;

/// The first line of a file.
const HEADER: &str = "switchboard-recording 1";
