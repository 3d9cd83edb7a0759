//! Dumps of configuration space, as `lspci -xxxx` writes them.

mod access;
mod describe;
mod parse;

pub use access::DumpAccess;
pub use describe::describe;
pub use parse::{DumpError, DumpedFunction, FunctionName, parse_dump};
