//! Commands and completions, as they are in the queues (NVM Express Base Specification 1.4, 4.2 and 4.6).

use switchboard::dma::BusAddress;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The addresses of a command's data: two physical region page (PRP) entries (4.3).
pub(super) trait DataPointer {
    /// The submission queue entry of a command with such data.
    type Entry: IntoBytes + Copy;

    /// Returns the entry of a command.
    fn entry(self, id: u16, operation: Operation) -> Self::Entry;
}

/// A command without data.
#[derive(Debug, Clone, Copy, Default, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct NoData {
    prp1: u64,
    prp2: u64,
}

/// Data in one page.
#[derive(Debug, Clone, Copy, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct OnePage {
    page: BusAddress,
    prp2: u64,
}

impl OnePage {
    pub(super) const fn new(page: BusAddress) -> Self {
        Self { page, prp2: 0 }
    }
}

/// Data in several pages: the first, and the second or a list of all others.
#[derive(Debug, Clone, Copy, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub(super) struct Pages {
    pub(super) first: BusAddress,
    pub(super) rest: BusAddress,
}

/// The operation of a command, and its arguments (dwords 10 to 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Operation {
    pub(super) opcode: u8,
    pub(super) namespace: u32,
    pub(super) arguments: [u32; 6],
}

impl Operation {
    /// An operation with arguments in dwords 10 and 11.
    pub(super) const fn new(opcode: u8, namespace: u32, dword10: u32, dword11: u32) -> Self {
        Self { opcode, namespace, arguments: [dword10, dword11, 0, 0, 0, 0] }
    }
}

/// Bytes of a submission queue entry.
pub(super) const COMMAND_BYTES: usize = 64;

/// Defines the submission queue entry for each form of data. Not a generic structure, which could not be written as bytes.
macro_rules! entries {
    ($($entry:ident: $data:ident),+) => { $(
        /// A submission queue entry.
        #[derive(Debug, Clone, Copy, IntoBytes, Immutable, KnownLayout)]
        #[repr(C)]
        pub(super) struct $entry {
            opcode: u8,
            flags: u8,
            id: u16,
            namespace: u32,
            reserved: u64,
            metadata: u64,
            data: $data,
            arguments: [u32; 6],
        }

        const _: () = assert!(size_of::<$entry>() == COMMAND_BYTES);

        impl DataPointer for $data {
            type Entry = $entry;

            #[inline]
            fn entry(self, id: u16, operation: Operation) -> $entry {
                let Operation { opcode, namespace, arguments } = operation;
                $entry { opcode, flags: 0, id, namespace, reserved: 0, metadata: 0, data: self, arguments }
            }
        }
    )+ };
}

entries!(PlainCommand: NoData, PageCommand: OnePage, PagesCommand: Pages);

/// A completion queue entry.
#[derive(Debug, Clone, Copy, FromBytes, KnownLayout)]
#[repr(C)]
pub(super) struct Completion {
    pub(super) result: u32,
    _reserved: u32,
    pub(super) submission_head: u16,
    pub(super) submission_queue: u16,
    pub(super) id: u16,
    status: u16,
}

impl Completion {
    /// Returns the phase tag, which differs from that of the round before in a new entry.
    pub(super) const fn phase(self) -> bool {
        self.status & 1 != 0
    }

    pub(super) const fn status(self) -> CommandStatus {
        CommandStatus(self.status >> 1)
    }
}

/// The status of a finished command (4.6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CommandStatus(u16);

impl CommandStatus {
    pub(super) const fn is_success(self) -> bool {
        self.0 & 0x7ff == 0
    }

    /// The status of a command that the controller did not finish in time.
    pub(crate) const TIMED_OUT: Self = Self(u16::MAX);

    /// The command did not finish in time, or was aborted for that: Command Abort Requested.
    pub(super) const fn is_timeout(self) -> bool {
        self.0 == Self::TIMED_OUT.0 || self.0 & 0x7ff == 7
    }

    /// Invalid Command Opcode.
    pub(super) const fn is_unsupported(self) -> bool {
        self.0 & 0x7ff == 1
    }

    /// Returns status code type and status code, as `type << 8 | code`.
    pub(super) const fn code(self) -> u16 {
        self.0 & 0x7ff
    }
}
