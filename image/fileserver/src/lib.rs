//! Files from a disk: a tar archive, indexed once and streamed from then on.

mod archive;
mod content_type;
mod range;
mod reader;

pub use archive::{Archive, Entry, ScanError};
pub use content_type::content_type;
pub use range::{RangeError, parse_range};
pub use reader::Reader;
