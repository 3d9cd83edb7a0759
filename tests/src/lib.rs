//! The test harness: starts QEMU with the image, reads its console, and connects to its forwarded ports.
//!
//! A test builds a [`Qemu`], starts it, and drives the [`Guest`] from outside. When the test fails, the guest's command
//! line and console are printed, so that the run can be repeated by hand.

mod archive;
mod built;
mod checks;
mod console;
mod coverage;
mod disk;
mod dump;
mod entry;
mod guest;
mod http;
mod ivshmem;
pub mod lan;
mod load;
mod loader;
mod machine;
mod ports;
pub mod proxy;
mod qemu;
mod qmp;
mod qtest;
mod redzone;
mod report;
mod scratch;
mod source_counts;
mod stream;
mod trace;

pub use archive::archive;
pub use built::{built_disk, built_image, qemu_major_version, qemu_program};
pub use checks::serves_the_file;
pub use console::Console;
pub use disk::{ScratchDisk, mebibyte_file, sha256};
pub use dump::{DumpAccess, DumpError, DumpedFunction, FunctionName, describe, parse_dump};
pub use entry::Entry;
pub use guest::{Exit, Guest};
pub use http::{Client, HttpError, Response, exchange};
pub use ivshmem::IvshmemServer;
pub use load::{Load, LoadError, LoadReport};
pub use loader::{Boot, UefiFirmware};
pub use machine::Machine;
pub use ports::{Protocol, free_port};
pub use qemu::{Irq, Nic, Qemu};
pub use qmp::{Qmp, QmpSession};
pub use qtest::Qtest;
pub use redzone::reaches_below_stack;
pub use report::{
    BarReport, FunctionReport, InterruptsReport, Offers, RouteReport, VectorReport, parse_functions, parse_interrupts,
};
pub use scratch::ScratchPath;
pub use source_counts::{SourceCounts, source_counts};
pub use stream::{connect, read_until};
pub use trace::Trace;
