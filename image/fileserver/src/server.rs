//! The file server: files streamed from the disks, and lists of directories.

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

use crate::archive::Entry;
use crate::content_type::content_type;
use crate::escape;
use crate::range::parse_range;
use crate::reader::Reader;
use crate::volumes::Volumes;
use switchboard_http::{Answer, BodySource, HTML, Request, Response, StatusCode, TEXT};
use switchboard_runtime::devices::Found;
use switchboard_runtime::disk::Disk;
use switchboard_runtime::say;
use switchboard_runtime::system::System;

/// The maximum length of a path, after decoding.
const MAX_PATH_BYTES: usize = 1024;
/// Bytes read from a disk at a time.
const READ_BYTES: usize = 16 * 1024;

/// The maximum time for which an app waits at first for the disks to be indexed.
const INDEX_TIMEOUT: Duration = Duration::from_millis(500);

/// A handler of requests for the files of all disks, as one tree below a prefix of the path. The crate's front page has an
/// example.
///
/// It answers ranges, conditional requests by entity tag, and directories with a list.
#[derive(Debug)]
pub struct FileServer {
    prefix: &'static str,
    volumes: Volumes,
}

impl FileServer {
    /// Creates a server without disks, which serves files below `prefix`, for example `/files`. Until the first
    /// [`update_disks`](Self::update_disks) it answers 503 for them.
    #[must_use]
    pub fn new(prefix: &'static str) -> Self {
        Self { prefix, volumes: Volumes::default() }
    }

    /// Creates a server of the system's disks, and waits until they are indexed, but no longer than half a second: a disk
    /// that does not answer does not delay everything else.
    pub async fn open(prefix: &'static str, system: &System) -> Self {
        let server = Self::new(prefix);
        if system.devices.first::<Disk>().is_none() {
            say!("no files: no function has a disk driver");
        }
        let _ = with_timeout(INDEX_TIMEOUT, server.update(system)).await;
        server
    }

    /// Updates the disks to those that the system has now. To be called after each
    /// [change](System::change) of its devices.
    pub async fn update(&self, system: &System) {
        let disks: Vec<_> = system.devices.iter::<Disk>().collect();
        self.update_disks(&disks).await;
    }

    /// Updates the disks to these: indexes those that are new, and drops the files of those that are missing.
    pub async fn update_disks(&self, disks: &[Found<&Disk>]) {
        self.volumes.update(disks).await;
    }

    /// Returns the number of files; `None` when no disk has any.
    #[must_use]
    pub fn count(&self) -> Option<usize> {
        self.volumes.count()
    }

    /// Answers a request for a path below the prefix; returns `None` for any other path.
    #[must_use]
    pub fn answer(&self, request: &Request<'_>) -> Option<Answer> {
        let rest = request.path.strip_prefix(self.prefix)?;
        (rest.is_empty() || rest.starts_with('/')).then(|| self.serve(rest, request))
    }

    /// Answers a request by the rest of its path after the prefix, which is empty or begins with a slash.
    fn serve(&self, rest: &str, request: &Request<'_>) -> Answer {
        let path = escape::decode(rest).filter(|path| path.len() <= MAX_PATH_BYTES);
        let Some(path) = path else { return Answer::Now(Response::text(StatusCode::BAD_REQUEST, "Bad path\n")) };
        let Some(inside) = path.strip_prefix('/') else {
            return Answer::Now(to_directory(format!("{}/", self.prefix)));
        };
        match self.volumes.file(inside) {
            Some((disk, entry)) => file(disk, entry, inside, request),
            None => Answer::Now(self.directory(inside)),
        }
    }

    /// Returns the response for a path that is not a file's.
    fn directory(&self, path: &str) -> Response {
        let content = self.list(path);
        if self.volumes.is_indexing() && content.is_none() {
            let response = Response::text(StatusCode::SERVICE_UNAVAILABLE, "The disks are still being read\n");
            return response.with_header("Retry-After", "1");
        }
        content.unwrap_or_else(|| match self.volumes.count() {
            None => Response::text(StatusCode::NOT_FOUND, "No disk with files\n"),
            Some(_) => Response::text(StatusCode::NOT_FOUND, "No such file\n"),
        })
    }

    /// Returns the list of a directory, or a redirection to it; `None` when there is no such directory.
    fn list(&self, path: &str) -> Option<Response> {
        let is_directory = path.is_empty() || path.ends_with('/');
        let prefix = if is_directory { String::from(path) } else { format!("{path}/") };
        let content = self.volumes.list(&prefix);
        if content.is_empty() {
            return None;
        }
        if !is_directory {
            // The relative links in the list need the slash.
            let segments: String = path.split('/').map(|part| format!("{}/", escape::UrlSegment(part))).collect();
            return Some(to_directory(format!("{}/{segments}", self.prefix)));
        }
        let mut rows = String::new();
        if !path.is_empty() {
            rows.push_str("<tr><td><a href=\"../\">../</a><td>");
        }
        for (name, entry) in content {
            let slash = if entry.is_none() { "/" } else { "" };
            let size = entry.map_or_else(String::new, |entry| entry.size.to_string());
            let (link, text) = (escape::UrlSegment(&name), escape::HtmlText(&name));
            let _ = write!(rows, "<tr><td><a href=\"{link}{slash}\">{text}{slash}</a><td>{size}");
        }
        let title = escape::HtmlText(path);
        let page = include_str!("list.html").replace("{title}", &title.to_string()).replace("{rows}", &rows);
        Some(Response::new(StatusCode::OK, HTML, page))
    }
}

/// Answers with a file, or the requested range of it.
fn file(disk: Disk, entry: Entry, path: &str, request: &Request<'_>) -> Answer {
    // An archive does not change while it is served; another archive has other times, sizes or sectors.
    let tag = format!("\"{:x}-{:x}-{:x}\"", entry.modified, entry.size, entry.sector);
    if request.header("if-none-match").is_some_and(|known| known == "*" || known.contains(&tag)) {
        return Answer::Now(Response::fixed(StatusCode::NOT_MODIFIED, TEXT, b"").with_header("ETag", tag));
    }
    let range = request.header("range").map_or(Ok(None), |range| parse_range(range, entry.size));
    let (status, bytes) = match range {
        Ok(None) => (StatusCode::OK, 0..entry.size),
        Ok(Some(range)) => (StatusCode::PARTIAL_CONTENT, range),
        Err(error) => {
            let response = Response::text(StatusCode::RANGE_NOT_SATISFIABLE, "No such bytes\n");
            return Answer::Now(response.with_header("Content-Range", format!("bytes */{}", error.size)));
        }
    };
    let content_type = content_type(path);
    Answer::later(async move {
        let (length, range) = (bytes.end - bytes.start, bytes.clone());
        let response = match FileSource::open(disk, entry, bytes).await {
            Ok(source) => Response::stream(status, content_type, length, source),
            Err(BlockError::Gone { .. }) => {
                return Response::text(StatusCode::SERVICE_UNAVAILABLE, "The disk was taken away\n");
            }
            Err(error) => return Response::new(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
        };
        let response = response.with_header("Accept-Ranges", "bytes").with_header("ETag", tag);
        if status == StatusCode::OK {
            return response;
        }
        let range = format!("bytes {}-{}/{}", range.start, range.end - 1, entry.size);
        response.with_header("Content-Range", range)
    })
}

fn to_directory(path: String) -> Response {
    Response::text(StatusCode::MOVED_PERMANENTLY, "It is a directory\n").with_header("Location", path)
}

/// The body of a response: a range of a file, read from its disk.
struct FileSource {
    disk: Disk,
    reader: Reader,
    buffer: Vec<u8>,
    /// The range of the buffer that holds the first part, which is read before the head is sent: an error is a status then.
    first: Option<Range<usize>>,
}

impl FileSource {
    /// Reads the first part of the range.
    async fn open(disk: Disk, entry: Entry, bytes: Range<u64>) -> Result<Self, BlockError> {
        let (mut reader, mut buffer) = (Reader::new(entry, bytes), vec![0; READ_BYTES]);
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
                    // The removal of a disk is not an error.
                    let level = if matches!(error, BlockError::Gone { .. }) { Level::Info } else { Level::Error };
                    log::log!(level, "file cut short: {error}");
                    None
                }
            }
        })
    }
}
