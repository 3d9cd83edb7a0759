//! `GET /files/...`: the files of the archive, streamed from the disk, and lists of its directories.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::ops::Range;
use core::pin::Pin;

use log::Level;
use switchboard_drivers::block::BlockError;

use super::volumes::Volumes;
use super::{Site, escape};
use crate::disk::Disk;
use crate::files::{Entry, Reader, content_type, parse_range};
use crate::http::{Answer, HTML, Request, Response, Source, Status, TEXT};

/// The longest path that is served, in bytes after decoding.
const LONGEST_PATH: usize = 1024;
/// Bytes read from a disk at a time.
const PART: usize = 16 * 1024;

/// Answers for what follows `/files` in a path: nothing, or from a slash on.
pub(super) fn serve(site: &'static Site, rest: &str, request: &Request<'_>) -> Answer {
    let path = escape::decode(rest).filter(|path| path.len() <= LONGEST_PATH);
    let Some(path) = path else { return Answer::Now(Response::text(Status::BadRequest, "Bad path\n")) };
    let Some(inside) = path.strip_prefix('/') else { return Answer::Now(to_directory("/files/".into())) };
    let volumes = &site.volumes;
    let Some((disk, entry)) = volumes.file(inside) else { return Answer::Now(directory(volumes, inside)) };
    // The archive does not change while it is served; another archive has other times or sizes.
    let tag = format!("\"{:x}-{:x}-{:x}\"", entry.modified, entry.size, entry.sector);
    if request.header("if-none-match").is_some_and(|known| known == "*" || known.contains(&tag)) {
        return Answer::Now(Response::fixed(Status::NotModified, TEXT, b"").with_header("ETag", tag));
    }
    let range = request.header("range").map_or(Ok(None), |range| parse_range(range, entry.size));
    let (status, bytes) = match range {
        Ok(None) => (Status::Ok, 0..entry.size),
        Ok(Some(range)) => (Status::PartialContent, range),
        Err(error) => {
            let response = Response::text(Status::RangeNotSatisfiable, "No such bytes\n");
            return Answer::Now(response.with_header("Content-Range", format!("bytes */{}", error.size)));
        }
    };
    let content_type = content_type(inside);
    Answer::later(async move {
        let (length, shown) = (bytes.end - bytes.start, bytes.clone());
        let response = match FileSource::open(disk, entry, bytes).await {
            Ok(source) => Response::stream(status, content_type, length, source),
            Err(BlockError::Gone { .. }) => {
                return Response::text(Status::ServiceUnavailable, "The disk was taken away\n");
            }
            Err(error) => return Response::new(Status::InternalServerError, TEXT, format!("{error}\n")),
        };
        let response = response.with_header("Accept-Ranges", "bytes").with_header("ETag", tag);
        if status == Status::Ok {
            return response;
        }
        let range = format!("bytes {}-{}/{}", shown.start, shown.end - 1, entry.size);
        response.with_header("Content-Range", range)
    })
}

fn to_directory(path: String) -> Response {
    Response::text(Status::MovedPermanently, "It is a directory\n").with_header("Location", path)
}

/// What there is at a path that is no file's.
fn directory(volumes: &Volumes, path: &str) -> Response {
    let content = list(volumes, path);
    if volumes.is_reading() && content.is_none() {
        let response = Response::text(Status::ServiceUnavailable, "The disks are still being read\n");
        return response.with_header("Retry-After", "1");
    }
    content.unwrap_or_else(|| match volumes.count() {
        None => Response::text(Status::NotFound, "No disk with files\n"),
        Some(_) => Response::text(Status::NotFound, "No such file\n"),
    })
}

/// The list of a directory, or the way to it; `None` when there is no such directory.
fn list(volumes: &Volumes, path: &str) -> Option<Response> {
    let is_directory = path.is_empty() || path.ends_with('/');
    let prefix = if is_directory { String::from(path) } else { format!("{path}/") };
    let content = volumes.list(&prefix);
    if content.is_empty() {
        return None;
    }
    if !is_directory {
        // Relative links in the list need the slash.
        let segments: String = path.split('/').map(|part| format!("{}/", escape::Segment(part))).collect();
        return Some(to_directory(format!("/files/{segments}")));
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
    Some(Response::new(Status::Ok, HTML, page))
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

impl Source for FileSource {
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
