//! Files from disks, over HTTP: each disk has a tar archive, indexed once and streamed from then on; all together are one tree.
//!
//! A [`FileServer`] is a part of an app's [`Site`](switchboard_http::Site):
//!
//! ```
//! # extern crate alloc;
//! use switchboard_fileserver::FileServer;
//! use switchboard_http::{Answer, Request, Response, Site, StatusCode};
//!
//! struct Page {
//!     files: FileServer,
//! }
//!
//! impl Site for Page {
//!     fn answer(&'static self, request: &Request<'_>) -> Answer {
//!         let file = self.files.answer(request);
//!         file.unwrap_or_else(|| Answer::Now(Response::text(StatusCode::NotFound, "Nothing is here\n")))
//!     }
//! }
//! ```
//!
//! The app calls [`FileServer::follow`] after each [change](switchboard_runtime::system::System::change) of the devices.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod archive;
mod content_type;
mod escape;
mod range;
mod reader;
mod server;
mod volumes;

pub use archive::{Archive, Entry, ScanError};
pub use content_type::content_type;
pub use range::{RangeError, parse_range};
pub use reader::Reader;
pub use server::FileServer;
