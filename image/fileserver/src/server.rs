//! The files of the archives, streamed from the disks, and lists of their directories.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::ops::Range;
use core::pin::Pin;

use embassy_time::{Duration, with_timeout};
use log::Level;
use switchboard_drivers::interfaces::block::BlockError;

use crate::volumes::Volumes;
use crate::{Entry, Reader, content_type, escape, parse_range};
use switchboard_http::{Answer, BodySource, HTML, Request, Response, StatusCode, TEXT};
use switchboard_runtime::disk::Disk;
use switchboard_runtime::say;
use switchboard_runtime::system::System;

/// The longest path that is served, in bytes after decoding.
const LONGEST_PATH: usize = 1024;
/// Bytes read from a disk at a time.
const PART: usize = 16 * 1024;

/// How long an app waits at first for the disks to be indexed.
const INDEX_TIMEOUT: Duration = Duration::from_millis(500);

/// The files of all disks, served as one tree below a prefix of the path.
#[derive(Debug)]
pub struct FileServer {
    prefix: &'static str,
    volumes: Volumes,
}

impl FileServer {
    /// Serves the files of the disks that are there, below `prefix`, as `/files`. Waits until they are indexed, but no
    /// longer than half a second: a disk that does not answer keeps nothing else from being served.
    pub async fn open(prefix: &'static str, system: &System) -> Self {
        let server = Self { prefix, volumes: Volumes::default() };
        if system.devices.first::<Disk>().is_none() {
            say!("no files: no function has a disk driver");
        }
        let _ = with_timeout(INDEX_TIMEOUT, server.follow(system)).await;
        server
    }

    /// Serves the files of the disks that are there now, and of no others.
    pub async fn follow(&self, system: &System) {
        let disks: Vec<_> = system.devices.iter::<Disk>().collect();
        self.volumes.follow(&disks).await;
    }

    /// Returns the number of files; `None` when no disk has any.
    #[must_use]
    pub fn count(&self) -> Option<usize> {
        self.volumes.count()
    }

    /// Answers a request for something below the prefix; `None` for any other.
    #[must_use]
    pub fn answer(&self, request: &Request<'_>) -> Option<Answer> {
        let rest = request.path.strip_prefix(self.prefix)?;
        (rest.is_empty() || rest.starts_with('/')).then(|| self.serve(rest, request))
    }

    /// Answers for what follows the prefix in a path: nothing, or from a slash on.
    fn serve(&self, rest: &str, request: &Request<'_>) -> Answer {
        let path = escape::decode(rest).filter(|path| path.len() <= LONGEST_PATH);
        let Some(path) = path else { return Answer::Now(Response::text(StatusCode::BadRequest, "Bad path\n")) };
        let Some(inside) = path.strip_prefix('/') else {
            return Answer::Now(to_directory(format!("{}/", self.prefix)));
        };
        match self.volumes.file(inside) {
            Some((disk, entry)) => file(disk, entry, inside, request),
            None => Answer::Now(self.directory(inside)),
        }
    }

    /// What there is at a path that is no file's.
    fn directory(&self, path: &str) -> Response {
        let content = self.list(path);
        if self.volumes.is_reading() && content.is_none() {
            let response = Response::text(StatusCode::ServiceUnavailable, "The disks are still being read\n");
            return response.with_header("Retry-After", "1");
        }
        content.unwrap_or_else(|| match self.volumes.count() {
            None => Response::text(StatusCode::NotFound, "No disk with files\n"),
            Some(_) => Response::text(StatusCode::NotFound, "No such file\n"),
        })
    }

    /// The list of a directory, or the way to it; `None` when there is no such directory.
    fn list(&self, path: &str) -> Option<Response> {
        let is_directory = path.is_empty() || path.ends_with('/');
        let prefix = if is_directory { String::from(path) } else { format!("{path}/") };
        let content = self.volumes.list(&prefix);
        if content.is_empty() {
            return None;
        }
        if !is_directory {
            // Relative links in the list need the slash.
            let segments: String = path.split('/').map(|part| format!("{}/", escape::Segment(part))).collect();
            return Some(to_directory(format!("{}/{segments}", self.prefix)));
        }
        let mut rows = String::new();
        if !path.is_empty() {
            rows.push_str("<tr><td><a href=\"../\">../</a><td>");
        }
        for (name, entry) in content {
            let slash = if entry.is_none() { "/" } else { "" };
            let size = entry.map_or_else(String::new, |entry| entry.size.to_string());
            let (link, text) = (escape::Segment(&name), escape::Html(&name));
            let _ = write!(rows, "<tr><td><a href=\"{link}{slash}\">{text}{slash}</a><td>{size}");
        }
        let title = escape::Html(path);
        let page = include_str!("list.html").replace("{title}", &title.to_string()).replace("{rows}", &rows);
        Some(Response::new(StatusCode::Ok, HTML, page))
    }
}

/// Answers with a file, or the part of it that is asked for.
fn file(disk: Disk, entry: Entry, path: &str, request: &Request<'_>) -> Answer {
    // The archive does not change while it is served; another archive has other times or sizes.
    let tag = format!("\"{:x}-{:x}-{:x}\"", entry.modified, entry.size, entry.sector);
    if request.header("if-none-match").is_some_and(|known| known == "*" || known.contains(&tag)) {
        return Answer::Now(Response::fixed(StatusCode::NotModified, TEXT, b"").with_header("ETag", tag));
    }
    let range = request.header("range").map_or(Ok(None), |range| parse_range(range, entry.size));
    let (status, bytes) = match range {
        Ok(None) => (StatusCode::Ok, 0..entry.size),
        Ok(Some(range)) => (StatusCode::PartialContent, range),
        Err(error) => {
            let response = Response::text(StatusCode::RangeNotSatisfiable, "No such bytes\n");
            return Answer::Now(response.with_header("Content-Range", format!("bytes */{}", error.size)));
        }
    };
    let content_type = content_type(path);
    Answer::later(async move {
        let (length, shown) = (bytes.end - bytes.start, bytes.clone());
        let response = match FileSource::open(disk, entry, bytes).await {
            Ok(source) => Response::stream(status, content_type, length, source),
            Err(BlockError::Gone { .. }) => {
                return Response::text(StatusCode::ServiceUnavailable, "The disk was taken away\n");
            }
            Err(error) => return Response::new(StatusCode::InternalServerError, TEXT, format!("{error}\n")),
        };
        let response = response.with_header("Accept-Ranges", "bytes").with_header("ETag", tag);
        if status == StatusCode::Ok {
            return response;
        }
        let range = format!("bytes {}-{}/{}", shown.start, shown.end - 1, entry.size);
        response.with_header("Content-Range", range)
    })
}

fn to_directory(path: String) -> Response {
    Response::text(StatusCode::MovedPermanently, "It is a directory\n").with_header("Location", path)
}

/// The content of a file on its way from the disk.
struct FileSource {
    disk: Disk,
    reader: Reader,
    buffer: Vec<u8>,
    /// Where in the buffer the first part is: read before anything is promised to the client.
    first: Option<Range<usize>>,
}

impl FileSource {
    /// Reads the first part.
    async fn open(disk: Disk, entry: Entry, bytes: Range<u64>) -> Result<Self, BlockError> {
        let (mut reader, mut buffer) = (Reader::new(entry, bytes), vec![0; PART]);
        let first = Some(reader.read(&disk, &mut buffer).await?);
        Ok(Self { disk, reader, buffer, first })
    }
}

impl BodySource for FileSource {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<&[u8]>> + '_>> {
        Box::pin(async {
            let part = match self.first.take() {
                Some(first) => Ok(first),
                None => self.reader.read(&self.disk, &mut self.buffer).await,
            };
            match part {
                Ok(part) => Some(&self.buffer[part]),
                Err(error) => {
                    // A disk that was taken away is no fault.
                    let level = if matches!(error, BlockError::Gone { .. }) { Level::Info } else { Level::Error };
                    log::log!(level, "file cut short: {error}");
                    None
                }
            }
        })
    }
}
