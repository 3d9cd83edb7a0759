//! A file server: the files of disks, over HTTP.
//!
//! A disk, or each of its partitions (MBR, GPT), has a tar archive, an ext2, ext3 or ext4 file system, or FAT; an app adds
//! others as a [`FileSystem`]. A directory that the host shares by 9P comes before them. Files are streamed from the disk or
//! share. The files of all volumes are one tree. A [`FileServer`] is a part of an app's [`Site`](switchboard_http::Site):
//!
//! ```
//! # let tar = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/tar.rs"));
//! use embassy_futures::block_on;
//! use switchboard::config::Address;
//! use switchboard_fileserver::FileServer;
//! use switchboard_http::{Answer, HttpCounters, Request, Response, Site, StatusCode};
//! use switchboard_net_testing::TestNetwork;
//! use switchboard_runtime::devices::{DeviceOptions, Found, FromDriver};
//! use switchboard_runtime::disk::{Disk, MemoryDisk};
//!
//! struct Page {
//!     files: FileServer,
//! }
//!
//! impl Site for Page {
//!     fn answer(&'static self, request: &Request<'_>) -> Answer {
//!         let file = self.files.answer(request);
//!         file.unwrap_or_else(|| Answer::Now(Response::text(StatusCode::NOT_FOUND, "Nothing is here\n")))
//!     }
//! }
//!
//! let page: &'static Page = Box::leak(Box::new(Page { files: FileServer::new("/files") }));
//!
//! // In an image, `FileServer::open` and `FileServer::update` take the disks of the system; this one is made of memory.
//! let disk = MemoryDisk::new(&tar(&[("hello.txt", b"hello, world")]));
//! let disk = Disk::from_driver(disk, DeviceOptions::default());
//! let found = Found { function: Address::new(0, 0, 3, 0), driver: "memory", device: &disk };
//! block_on(page.files.update_disks(&[found]));
//! assert_eq!(page.files.count(), Some(1));
//!
//! let mut network = TestNetwork::new();
//! switchboard_http::serve(network.group(), network.stack(), page, HttpCounters::leak());
//! let response = network.exchange(80, b"GET /files/hello.txt HTTP/1.1\r\nHost: x\r\nRange: bytes=7-\r\n\r\n");
//! let response = String::from_utf8_lossy(&response);
//! assert!(response.starts_with("HTTP/1.1 206 Partial Content\r\nContent-Type: text/plain"));
//! assert!(response.ends_with("\r\n\r\nworld"));
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod body;
#[cfg(any(feature = "ext4", feature = "fat", feature = "partitions"))]
mod bytes;
#[cfg(feature = "root")]
mod change_request;
mod content_type;
#[cfg(any(feature = "partitions", feature = "root"))]
mod crc32;
mod escape;
#[cfg(feature = "ext4")]
mod ext4;
#[cfg(feature = "fat")]
mod fat;
mod filesystem;
#[cfg(feature = "list")]
mod list;
mod log_limit;
mod mounted;
#[cfg(feature = "p9")]
mod p9;
mod partitions;
mod reader;
mod response;
mod root;
#[cfg(feature = "root")]
mod root_volume;
#[cfg(not(feature = "root"))]
#[path = "no_root_volume.rs"]
mod root_volume;
mod server;
mod tags;
mod tar;
#[cfg(feature = "root")]
mod upload;
mod volume;
mod volumes;
mod writer;

pub use content_type::content_type;
#[cfg(feature = "ext4")]
pub use ext4::Ext4;
#[cfg(feature = "write")]
pub use fat::WritableFat;
#[cfg(feature = "fat")]
pub use fat::{Fat, FatType};
pub use filesystem::{File, FileSystem, FileSystemError, ListEntry, ListPage, Node, Run};
pub use mounted::Opened;
#[cfg(feature = "p9")]
pub use p9::P9;
pub use partitions::{Partition, PartitionTable, partitions};
pub use root::{RootError, RootFiles};
pub use server::FileServer;
pub use tar::{Archive, HeaderDefect, ScanError, Skipped};
pub use volume::Volume;
pub use writer::{Change, FileSystemWriter};
