//! Bodies: of requests, which are read as a stream, and of responses.

mod body_error;
mod chunked;
mod decoder;
mod relay;
mod request_body;
mod response_body;
mod shared;
mod writer;

pub use body_error::BodyError;
pub use relay::relay;
pub use request_body::RequestBody;

pub use response_body::{Body, BodyFunction, BodySource, UpgradeFunction};
pub(crate) use shared::BodyShared;
pub use writer::BodyWriter;
pub(crate) use writer::WriterFraming;
