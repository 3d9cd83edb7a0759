//! Conditional requests, ranges and variants of a representation (RFC 9110, 12 to 14), for whatever serves files.

mod encoding;
mod multipart;
mod precondition;
mod range;

pub use encoding::accepts_encoding;
pub use multipart::{Multipart, content_range};
pub use precondition::{Conditions, Precondition, Validators};
pub use range::RangeSelection;
