//! What a recording consists of, and its text.

use core::fmt;
use std::string::String;
use std::vec::Vec;

use switchboard::config::Address;

/// What an access reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::qemu) enum Place {
    /// A byte of the configuration space of a function.
    Config(Address, u16),
    /// A byte of a BAR of a function.
    Bar(Address, u8, u64),
    /// A physical address that is in no BAR.
    Memory(u64),
    /// An I/O port.
    Port(u16),
}

/// The direction of an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::qemu) enum Action {
    Read,
    Write(u64),
}

/// An access of a driver, or of the framework for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::qemu) struct Access {
    pub(in crate::qemu) place: Place,
    pub(in crate::qemu) bytes: u8,
    pub(in crate::qemu) action: Action,
}

/// A place other than an access at which memory is exchanged and interrupts are delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::qemu) enum Point {
    /// A reading of the clock.
    Time,
    /// A fence between the CPU and its devices.
    Fence,
    /// A poll of a task, or a wait for one.
    Wait,
}

/// The source of an interrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::qemu) enum Source {
    /// An input of the I/O APIC.
    Line(u32),
    /// A message with this vector.
    Message(u8),
    /// The framework, by software.
    Raised(u8),
}

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::qemu) enum Event {
    /// An access, and the value read.
    Access(Access, u64),
    At(Point, u64),
    Interrupt(Source),
    End,
    Resumed,
    Refused(usize),
    /// The machine's watch looks at its handlers.
    Look,
    Stuck,
}

/// Bytes of DMA memory that have changed, from a bus address on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::qemu) struct Change {
    pub(in crate::qemu) bus: usize,
    pub(in crate::qemu) data: Vec<u8>,
}

/// A line of a recording, with the changes of memory around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The line in the file, from 1 on.
    pub(super) line: usize,
    /// Whether a handler did it.
    pub(super) is_handler: bool,
    pub(super) event: Event,
    /// What the driver wrote before.
    pub(super) by_driver: Vec<Change>,
    /// What the device has written, as seen after it.
    pub(super) by_device: Vec<Change>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of =
            |address: &Address| std::format!("{:02x}:{:02x}.{:x}", address.bus(), address.device(), address.function());
        match self {
            Self::Config(address, offset) => write!(f, "{} config+{offset:#x}", of(address)),
            Self::Bar(address, bar, offset) => write!(f, "{} bar{bar}+{offset:#x}", of(address)),
            Self::Memory(physical) => write!(f, "memory {physical:#x}"),
            Self::Port(port) => write!(f, "port {port:#x}"),
        }
    }
}

impl Access {
    /// Returns the text of the access with the value that was read or written.
    pub(super) fn with_value(&self, value: u64) -> String {
        let verb = if self.action == Action::Read { "read" } else { "write" };
        let digits = 2 + 2 * usize::from(self.bytes);
        std::format!("{verb} {} {} {value:#0digits$x}", self.place, self.bytes)
    }
}

impl fmt::Display for Access {
    /// Writes the access, without the value that it would read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.action {
            Action::Read => write!(f, "read {} {}", self.place, self.bytes),
            Action::Write(value) => f.write_str(&self.with_value(value)),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(input) => write!(f, "line {input}"),
            Self::Message(vector) => write!(f, "message {vector}"),
            Self::Raised(vector) => write!(f, "raised {vector}"),
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Time => "time",
            Self::Fence => "fence",
            Self::Wait => "wait",
        })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Access(access, value) => f.write_str(&access.with_value(*value)),
            Self::At(point, number) => write!(f, "{point} {number}"),
            Self::Interrupt(source) => write!(f, "interrupt {source}"),
            Self::End => f.write_str("end"),
            Self::Resumed => f.write_str("resumed"),
            Self::Refused(pages) => write!(f, "refused {pages}"),
            Self::Look => f.write_str("look"),
            Self::Stuck => f.write_str("stuck"),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x} ", self.bus)?;
        let mut rest = &self.data[..];
        let (mut is_first, mut is_after_run) = (true, false);
        while let Some(byte) = rest.first() {
            let run = rest.iter().take_while(|next| *next == byte).count();
            let is_run = run > 4;
            if !is_first && (is_run || is_after_run) {
                f.write_str(",")?;
            }
            write!(f, "{byte:02x}")?;
            if is_run {
                write!(f, "*{run}")?;
            }
            rest = &rest[if is_run { run } else { 1 }..];
            (is_first, is_after_run) = (false, is_run);
        }
        Ok(())
    }
}
