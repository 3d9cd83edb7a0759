//! Bodies: of requests, which are read as a stream, and of responses.

mod body_error;
mod chunked;
mod decoder;
mod request_body;
mod response_body;
mod writer;

pub use body_error::BodyError;
pub(crate) use request_body::BodyShared;
pub use request_body::RequestBody;

pub use response_body::{Body, BodyFunction, BodySource, UpgradeFunction};
pub use writer::BodyWriter;
pub(crate) use writer::WriterFraming;
