//! `GET /files/...`: the files of the archive, streamed from the disk, and lists of its directories.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt::Write as _;
use core::ops::Range;

use log::Level;
use picoserve::ResponseSent;
use picoserve::extract::{FromRequestParts, State};
use picoserve::io::{Read, Write};
use picoserve::request::RequestParts;
use picoserve::response::{Connection, Content, IntoResponse, Response, ResponseWriter, StatusCode};
use switchboard_drivers::block::BlockError;

use super::Site;
use super::content::Html;
use super::escape;
use super::path::RestOfPath;
use super::volumes::Volumes;
use crate::disk::Disk;
use crate::files::{Entry, RangeError, Reader, content_type, parse_range};
use crate::http::{Lent, Worker};

/// What a client may want less than the whole file for.
pub(super) struct Conditions {
    range: Option<String>,
    if_none_match: Option<String>,
}

impl<'r, S> FromRequestParts<'r, S> for Conditions {
    type Rejection = core::convert::Infallible;

    async fn from_request_parts(_state: &'r S, request: &RequestParts<'r>) -> Result<Self, Self::Rejection> {
        let header = |name| request.headers().get(name).and_then(|value| value.as_str().ok().map(String::from));
        Ok(Self { range: header("range"), if_none_match: header("if-none-match") })
    }
}

/// Every answer that there is.
enum Answer {
    BadPath,
    NoArchive,
    NotFound,
    StillReading,
    ToDirectory(String),
    List(String),
    NotModified { tag: String },
    NoSuchRange(RangeError),
    DiskGone,
    DiskError(String),
    Content { status: StatusCode, size: u64, bytes: Range<u64>, tag: String, body: Body },
}

pub(super) async fn serve(
    path: RestOfPath,
    State(worker): State<Worker<Site>>,
    conditions: Conditions,
) -> impl IntoResponse {
    // Boxed, as is the writing of the answer: what one connection may have to do is as large as the largest of
    // these, and is moved around for each request, also for one that does not touch a file.
    Box::pin(async move { answer(path, worker, &conditions).await }).await
}

async fn answer(path: RestOfPath, worker: Worker<Site>, conditions: &Conditions) -> Answer {
    let Some(path) = path else { return Answer::BadPath };
    let Some(inside) = path.strip_prefix('/') else { return Answer::ToDirectory("/files/".into()) };
    let Some((disk, entry)) = worker.site.volumes.file(inside) else {
        return match directory(&worker.site.volumes, inside) {
            Answer::NoArchive | Answer::NotFound if worker.site.volumes.is_reading() => Answer::StillReading,
            answer => answer,
        };
    };
    // The archive does not change while it is served; another archive has other times or sizes.
    let tag = format!("\"{:x}-{:x}-{:x}\"", entry.modified, entry.size, entry.sector);
    if conditions.if_none_match.as_deref().is_some_and(|known| known == "*" || known.contains(&tag)) {
        return Answer::NotModified { tag };
    }
    let range = conditions.range.as_deref().map_or(Ok(None), |range| parse_range(range, entry.size));
    let (status, bytes) = match range {
        Ok(None) => (StatusCode::OK, 0..entry.size),
        Ok(Some(range)) => (StatusCode::PARTIAL_CONTENT, range),
        Err(error) => return Answer::NoSuchRange(error),
    };
    match Body::open(worker, disk, inside, entry, bytes.clone()).await {
        Ok(body) => Answer::Content { status, size: entry.size, bytes, tag, body },
        Err(BlockError::Gone { .. }) => Answer::DiskGone,
        Err(error) => Answer::DiskError(error.to_string()),
    }
}

fn directory(volumes: &Volumes, path: &str) -> Answer {
    if volumes.count().is_none() {
        return Answer::NoArchive;
    }
    let is_directory = path.is_empty() || path.ends_with('/');
    let prefix = if is_directory { String::from(path) } else { format!("{path}/") };
    let content = volumes.list(&prefix);
    if content.is_empty() {
        return Answer::NotFound;
    }
    if !is_directory {
        // Relative links in the list need the slash.
        let segments: String = path.split('/').map(|part| format!("{}/", escape::Segment(part))).collect();
        return Answer::ToDirectory(format!("/files/{segments}"));
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
    Answer::List(include_str!("list.html").replace("{title}", &title.to_string()).replace("{rows}", &rows))
}

impl IntoResponse for Answer {
    async fn write_to<R: Read, W: ResponseWriter<Error = R::Error>>(
        self,
        connection: Connection<'_, R>,
        writer: W,
    ) -> Result<ResponseSent, W::Error> {
        Box::pin(self.write(connection, writer)).await
    }
}

impl Answer {
    async fn write<R: Read, W: ResponseWriter<Error = R::Error>>(
        self,
        connection: Connection<'_, R>,
        writer: W,
    ) -> Result<ResponseSent, W::Error> {
        use StatusCode as Code;
        match self {
            Self::BadPath => (Code::BAD_REQUEST, "Bad path\n").write_to(connection, writer).await,
            Self::NoArchive => (Code::NOT_FOUND, "No disk with files\n").write_to(connection, writer).await,
            Self::NotFound => (Code::NOT_FOUND, "No such file\n").write_to(connection, writer).await,
            Self::StillReading => {
                let retry = ("Retry-After", "1");
                (Code::SERVICE_UNAVAILABLE, retry, "The disks are still being read\n")
                    .write_to(connection, writer)
                    .await
            }
            Self::ToDirectory(path) => {
                let location = ("Location", path.as_str());
                (Code::MOVED_PERMANENTLY, location, "It is a directory\n").write_to(connection, writer).await
            }
            Self::List(page) => Html(page).write_to(connection, writer).await,
            Self::NotModified { tag } => {
                Response::empty(Code::NOT_MODIFIED).with_header("ETag", tag).write_to(connection, writer).await
            }
            Self::NoSuchRange(error) => {
                let range = ("Content-Range", format!("bytes */{}", error.size));
                (Code::RANGE_NOT_SATISFIABLE, range, "No such bytes\n").write_to(connection, writer).await
            }
            Self::DiskGone => {
                (Code::SERVICE_UNAVAILABLE, "The disk was taken away\n").write_to(connection, writer).await
            }
            Self::DiskError(error) => {
                (Code::INTERNAL_SERVER_ERROR, format_args!("{error}\n")).write_to(connection, writer).await
            }
            Self::Content { status, size, bytes, tag, body } => {
                let is_part = status == Code::PARTIAL_CONTENT;
                let range =
                    is_part.then(|| ("Content-Range", format!("bytes {}-{}/{size}", bytes.start, bytes.end - 1)));
                let headers = [("Accept-Ranges", "bytes"), ("ETag", tag.as_str())];
                let response = Response::new(status, body).with_headers(headers).with_headers(range);
                response.write_to(connection, writer).await
            }
        }
    }
}

/// File content on its way from the disk to the socket, through the connection's buffer.
struct Body {
    worker: Worker<Site>,
    disk: Disk,
    content_type: &'static str,
    length: usize,
    reader: Reader,
    buffer: Lent,
    /// Where in the buffer the first part is: read before anything is promised to the client.
    first: Range<usize>,
}

impl Body {
    /// Reads the first part.
    async fn open(
        worker: Worker<Site>,
        disk: Disk,
        path: &str,
        entry: Entry,
        bytes: Range<u64>,
    ) -> Result<Self, BlockError> {
        let length = usize::try_from(bytes.end - bytes.start).unwrap_or(usize::MAX);
        let (mut reader, mut buffer) = (Reader::new(entry, bytes), worker.connection.buffer());
        let first = reader.read(&disk, &mut buffer).await?;
        Ok(Self { worker, disk, content_type: content_type(path), length, reader, buffer, first })
    }
}

impl Content for Body {
    fn content_type(&self) -> &'static str {
        self.content_type
    }

    fn content_length(&self) -> usize {
        self.length
    }

    async fn write_content<W: Write>(mut self, mut writer: W) -> Result<(), W::Error> {
        let mut part = self.first;
        while !part.is_empty() {
            writer.write_all(&self.buffer[part]).await?;
            part = match self.reader.read(&self.disk, &mut self.buffer).await {
                Ok(part) => part,
                Err(error) => {
                    // A disk that was taken away is no fault.
                    let level = if matches!(error, BlockError::Gone { .. }) { Level::Info } else { Level::Error };
                    log::log!(level, "file cut short: {error}");
                    self.worker.connection.give_up();
                    // Fails now, and so ends the connection.
                    return writer.flush().await;
                }
            };
        }
        Ok(())
    }
}
