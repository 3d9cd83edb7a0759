//! The response to a request for a file or a directory.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use core::ops::Range;

use switchboard_drivers::interfaces::block::BlockError;
use switchboard_http::{HTML, Response, StatusCode, TEXT};
use switchboard_runtime::wall_clock::UnixTime;

use crate::body::{FileBody, Part};
use crate::conditional::{Conditions, Outcome, Validators};
use crate::content_type::content_type;
use crate::escape;
use crate::filesystem::{File, FileSystemError, Node};
use crate::list::List;
use crate::log_limit::LogLimit;
use crate::mounted::Mounted;
use crate::ranges::parse_ranges;
use crate::reader::FileReader;
use crate::server::to_directory;
use crate::tags::entity_tag;
use crate::volumes::{Entry, Volumes};

/// What separates the ranges of a response with several (RFC 2046, 5.1.1). No file is likely to have it.
const BOUNDARY: &str = "nPsGIQVX1M8yt5Ae7GUjSBAbO1kIzEYM";
const MULTIPART: &str = "multipart/byteranges; boundary=nPsGIQVX1M8yt5Ae7GUjSBAbO1kIzEYM";

/// What a request asks for.
#[derive(Debug)]
pub(crate) struct FileRequest {
    pub(crate) prefix: &'static str,
    /// The path below the prefix, without the slash at its begin.
    pub(crate) path: String,
    pub(crate) volumes: Rc<Volumes>,
    pub(crate) conditions: Conditions,
    pub(crate) accepts_gzip: bool,
    pub(crate) log_limit: Rc<LogLimit>,
}

/// A file as it is sent.
struct Representation {
    mounted: Rc<Mounted>,
    file: File,
    content_type: &'static str,
    is_gzip: bool,
    /// Whether the response depends on what the client accepts.
    has_variants: bool,
}

impl FileRequest {
    /// Returns the response.
    pub(crate) async fn respond(self) -> Response {
        match self.respond_or_fail().await {
            Ok(response) => response,
            Err(FileSystemError::Disk(BlockError::Gone { .. })) => {
                Response::text(StatusCode::SERVICE_UNAVAILABLE, "The disk was taken away\n")
            }
            Err(FileSystemError::NoMemory) => {
                let response = Response::text(StatusCode::SERVICE_UNAVAILABLE, "Too much is being served now\n");
                response.with_header("Retry-After", "1")
            }
            Err(error) => Response::new(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
        }
    }

    async fn respond_or_fail(&self) -> Result<Response, FileSystemError> {
        let (volumes, path) = self.volumes.select(&self.path);
        let is_slashed = path.is_empty() || path.ends_with('/');
        let inside = path.trim_end_matches('/');
        if !is_slashed && let Some(file) = self.find(&volumes, inside).await? {
            return self.file(file).await;
        }
        match Volumes::find(&volumes, inside).await? {
            Some(Entry::Directory)
                if is_slashed && (!path.is_empty() || self.path.is_empty() || self.path.ends_with('/')) =>
            {
                let is_root = self.path.is_empty();
                let mut list = List::new(volumes, inside, is_root, &self.log_limit)?;
                Ok(match list.begin().await? {
                    Some(page) => Response::new(StatusCode::OK, HTML, page),
                    None => Response::chunked(StatusCode::OK, HTML, list),
                })
            }
            Some(Entry::Directory) => {
                let path = self.path.trim_end_matches('/');
                let segments: String = path.split('/').map(|part| format!("{}/", escape::UrlSegment(part))).collect();
                Ok(to_directory(format!("{}/{segments}", self.prefix)))
            }
            Some(Entry::File(..)) | None if self.volumes.is_indexing() => {
                let response = Response::text(StatusCode::SERVICE_UNAVAILABLE, "The disks are still being read\n");
                Ok(response.with_header("Retry-After", "1"))
            }
            Some(Entry::File(..)) | None => Ok(match self.volumes.count() {
                None => Response::text(StatusCode::NOT_FOUND, "No disk with files\n"),
                Some(_) => Response::text(StatusCode::NOT_FOUND, "No such file\n"),
            }),
        }
    }

    /// Finds a file, or the compressed one beside it. `None` when there is no file, or a directory.
    async fn find(&self, volumes: &[Rc<Mounted>], path: &str) -> Result<Option<Representation>, FileSystemError> {
        let content_type = content_type(path);
        let compressed = format!("{path}.gz");
        let found = Volumes::find(volumes, path).await;
        let (mounted, file) = match found {
            Ok(Some(Entry::File(mounted, file))) => (mounted, file),
            Ok(None) if self.accepts_gzip => {
                let Some(Entry::File(mounted, file)) = Volumes::find(volumes, &compressed).await? else {
                    return Ok(None);
                };
                return Ok(Some(Representation { mounted, file, content_type, is_gzip: true, has_variants: true }));
            }
            Ok(_) => return Ok(None),
            Err(error) => return Err(error),
        };
        let variant = match mounted.file_system.open(&compressed).await {
            Ok(Some(Node::File(file))) => Some(file),
            _ => None,
        };
        let has_variants = variant.is_some();
        Ok(Some(match variant.filter(|_| self.accepts_gzip) {
            Some(file) => Representation { mounted, file, content_type, is_gzip: true, has_variants },
            None => Representation { mounted, file, content_type, is_gzip: false, has_variants },
        }))
    }

    /// Answers with a file, or ranges of it.
    async fn file(&self, representation: Representation) -> Result<Response, FileSystemError> {
        let Representation { mounted, file, content_type, is_gzip, has_variants } = representation;
        let tag = entity_tag(&mounted, file).await;
        let validators = Validators { tag: tag.as_deref(), modified: file.modified };
        let with_validators = |mut response: Response| {
            if let Some(tag) = &tag {
                response = response.with_header("ETag", tag.clone());
            }
            if let Some(modified) = file.modified {
                let date = UnixTime::from_seconds(modified).http_date().to_string();
                response = response.with_header("Last-Modified", date);
            }
            if has_variants { response.with_header("Vary", "Accept-Encoding") } else { response }
        };
        match self.conditions.evaluate(validators) {
            Outcome::Proceed => {}
            Outcome::NotModified => {
                return Ok(with_validators(Response::fixed(StatusCode::NOT_MODIFIED, TEXT, b"")));
            }
            Outcome::PreconditionFailed => {
                return Ok(Response::text(StatusCode::PRECONDITION_FAILED, "The file is another one\n"));
            }
        }
        let ranges =
            self.conditions.range(validators).map_or(Ok(Default::default()), |range| parse_ranges(range, file.size));
        let Ok(ranges) = ranges else {
            let response = Response::text(StatusCode::RANGE_NOT_SATISFIABLE, "No such bytes\n");
            return Ok(response.with_header("Content-Range", format!("bytes */{}", file.size)));
        };
        let part = |range: Range<u64>| Part::File(FileReader::new(mounted.clone(), file, range));
        let content_range = |range: &Range<u64>| format!("bytes {}-{}/{}", range.start, range.end - 1, file.size);
        let response = match &*ranges {
            [] => {
                let body = FileBody::open([part(0..file.size)].into(), file.size, &self.log_limit).await?;
                body.into_response(StatusCode::OK, content_type, file.size)
            }
            [range] => {
                let length = range.end - range.start;
                let body = FileBody::open([part(range.clone())].into(), length, &self.log_limit).await?;
                let response = body.into_response(StatusCode::PARTIAL_CONTENT, content_type, length);
                response.with_header("Content-Range", content_range(range))
            }
            ranges => {
                let (mut parts, mut length) = (VecDeque::new(), 0);
                for range in ranges {
                    let head = format!(
                        "\r\n--{BOUNDARY}\r\nContent-Type: {content_type}\r\nContent-Range: {}\r\n\r\n",
                        content_range(range)
                    );
                    length += head.len() as u64 + (range.end - range.start);
                    parts.push_back(Part::Text(head.into_bytes()));
                    parts.push_back(part(range.clone()));
                }
                let end = format!("\r\n--{BOUNDARY}--\r\n");
                length += end.len() as u64;
                parts.push_back(Part::Text(end.into_bytes()));
                let body = FileBody::open(parts, length, &self.log_limit).await?;
                body.into_response(StatusCode::PARTIAL_CONTENT, MULTIPART, length)
            }
        };
        let response = with_validators(response.with_header("Accept-Ranges", "bytes"));
        Ok(if is_gzip { response.with_header("Content-Encoding", "gzip") } else { response })
    }
}
