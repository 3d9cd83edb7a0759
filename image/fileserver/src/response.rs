//! The response to a request for a file or a directory.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use switchboard_http::{
    Conditions, Multipart, Precondition, RangeSelection, Response, StatusCode, TEXT, Validators, content_range,
};

#[cfg(feature = "list")]
use switchboard_http::HTML;

use crate::body::{FileBody, Part};
use crate::content_type::content_type;
use crate::escape;
use crate::filesystem::{File, FileSystemError, Node};
#[cfg(feature = "list")]
use crate::list::List;
use crate::log_limit::LogLimit;
use crate::mounted::Mounted;
use crate::reader::FileReader;
use crate::server::to_directory;
use crate::tags::entity_tag;
use crate::volumes::{Entry, Volumes};

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
            Err(error) if error.is_gone() => {
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
                self.list(volumes, inside).await
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

    /// Answers with a list of a directory.
    #[cfg(feature = "list")]
    async fn list(&self, volumes: Vec<Rc<Mounted>>, path: &str) -> Result<Response, FileSystemError> {
        let is_root = self.path.is_empty();
        let mut list = List::new(volumes, path, is_root, &self.log_limit)?;
        Ok(match list.begin().await? {
            Some(page) => Response::new(StatusCode::OK, HTML, page),
            None => Response::chunked(StatusCode::OK, HTML, list),
        })
    }

    #[cfg(not(feature = "list"))]
    #[expect(clippy::unused_async, reason = "the same interface as with the feature")]
    async fn list(&self, _: Vec<Rc<Mounted>>, _: &str) -> Result<Response, FileSystemError> {
        Ok(Response::text(StatusCode::FORBIDDEN, "Directories are not listed\n"))
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
        let etag = entity_tag(&mounted, file).await.map(Into::into);
        let validators = Validators { etag, modified_seconds: file.modified };
        let with_variants =
            |response: Response| if has_variants { response.with_header("Vary", "Accept-Encoding") } else { response };
        match self.conditions.check(&validators) {
            Precondition::Holds => {}
            Precondition::NotModified => return Ok(with_variants(validators.not_modified())),
            Precondition::Failed => {
                return Ok(Response::text(StatusCode::PRECONDITION_FAILED, "The file is another one\n"));
            }
        }
        let part = |range: Range<u64>| Part::File(FileReader::new(mounted.clone(), file, range));
        let response = match self.conditions.select(&validators, file.size) {
            RangeSelection::Unsatisfiable => return Ok(RangeSelection::unsatisfiable(file.size)),
            RangeSelection::Whole => {
                let body = FileBody::open([part(0..file.size)].into(), file.size, &self.log_limit).await?;
                body.into_response(StatusCode::OK, content_type, file.size)
            }
            RangeSelection::Part(range) => {
                let length = range.end - range.start;
                let body = FileBody::open([part(range.clone())].into(), length, &self.log_limit).await?;
                let response = body.into_response(StatusCode::PARTIAL_CONTENT, content_type, length);
                response.with_header("Content-Range", content_range(&range, file.size))
            }
            RangeSelection::Parts(ranges) => {
                let multipart = Multipart::new(content_type, file.size);
                let mut parts = VecDeque::new();
                for range in ranges {
                    parts.push_back(Part::Text(multipart.part_head(&range).into_bytes()));
                    parts.push_back(part(range));
                }
                parts.push_back(Part::Text(multipart.end().into_bytes()));
                let length = parts.iter().map(Part::length).sum();
                let body = FileBody::open(parts, length, &self.log_limit).await?;
                let response = body.into_response(StatusCode::PARTIAL_CONTENT, "", length);
                response.with_header("Content-Type", multipart.content_type())
            }
        };
        let response = with_variants(validators.apply(response.with_header("Accept-Ranges", "bytes")));
        Ok(if is_gzip { response.with_header("Content-Encoding", "gzip") } else { response })
    }
}
