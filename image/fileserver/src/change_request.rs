//! PUT and DELETE of files on the volume that `root=` names.

use alloc::rc::Rc;
use alloc::string::String;

use switchboard_http::{BodyError, Conditions, Precondition, RequestBody, Response, StatusCode, TEXT, Validators};
use switchboard_runtime::memory_budget;

use crate::filesystem::{FileSystemError, Node};
use crate::root::RootFiles;
use crate::tags::entity_tag;
use crate::upload::Partial;
use crate::volume::fallible_buffer;
use crate::volumes::Volumes;

/// Bytes that are written at a time.
const WRITE_BYTES: usize = 16 * 1024;

/// A request that changes a file.
pub(crate) struct ChangeRequest {
    /// The path below the prefix, without the slash at its begin.
    pub(crate) path: String,
    pub(crate) volumes: Rc<Volumes>,
    pub(crate) conditions: Conditions,
    pub(crate) operation: Operation,
}

/// The change.
pub(crate) enum Operation {
    /// PUT, with the content, and the most bytes that it may have.
    Put(RequestBody, u64),
    /// DELETE.
    Delete,
}

/// The reason why a change was not made.
enum Failure {
    Files(FileSystemError),
    Body(BodyError),
    Other(Response),
}

impl From<FileSystemError> for Failure {
    fn from(error: FileSystemError) -> Self {
        Self::Files(error)
    }
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

impl ChangeRequest {
    /// Makes the change, and returns the response. The change is durable then.
    pub(crate) async fn respond(self) -> Response {
        let files = match self.volumes.root().await {
            Ok(files) => files,
            Err(error) => {
                return Response::new(StatusCode::FORBIDDEN, TEXT, alloc::format!("Nothing is written: {error}\n"));
            }
        };
        let Some(path) = self.volumes.path_on_root(&files, &self.path).filter(|path| !path.is_empty()) else {
            return Response::text(StatusCode::FORBIDDEN, "This volume is not written\n");
        };
        let path = String::from(path.trim_end_matches('/'));
        let (conditions, operation) = (self.conditions, self.operation);
        let result = match check(&files, &path, &conditions).await {
            Ok(()) => match operation {
                Operation::Put(body, max_bytes) => put(&files, &path, body, max_bytes).await,
                Operation::Delete => delete(&files, &path).await,
            },
            Err(failure) => Err(failure),
        };
        result.unwrap_or_else(Failure::into_response)
    }
}

/// Checks the preconditions against the file that is there now.
async fn check(files: &RootFiles, path: &str, conditions: &Conditions) -> Result<(), Failure> {
    let validators = match files.mounted().file_system.open(path).await? {
        Some(Node::File(file)) => {
            let etag = entity_tag(files.mounted(), file).await.map(Into::into);
            Some(Validators { etag, modified_seconds: file.modified })
        }
        Some(Node::Directory) | None => None,
    };
    let result = validators.map_or_else(|| conditions.check_absent(), |validators| conditions.check(&validators));
    match result {
        Precondition::Holds => Ok(()),
        Precondition::NotModified | Precondition::Failed => {
            Err(Failure::Other(Response::text(StatusCode::PRECONDITION_FAILED, "The file is another one\n")))
        }
    }
}

async fn put(files: &RootFiles, path: &str, mut body: RequestBody, max_bytes: u64) -> Result<Response, Failure> {
    let _reservation = memory_budget::reserve(WRITE_BYTES).map_err(|_| FileSystemError::NoMemory)?;
    let mut buffer = fallible_buffer(WRITE_BYTES)?;
    let partial = Partial::create(files).await?;
    let mut length = 0;
    loop {
        let mut filled = 0;
        while filled < buffer.len() {
            match body.read(&mut buffer[filled..]).await? {
                0 => break,
                count => filled += count,
            }
        }
        if filled == 0 {
            break;
        }
        length += filled as u64;
        if length > max_bytes {
            return Err(BodyError::TooLarge { limit: usize::try_from(max_bytes).unwrap_or(usize::MAX) }.into());
        }
        files.writer().append(partial.path(), &buffer[..filled]).await?;
    }
    Ok(match partial.publish(path).await? {
        true => Response::text(StatusCode::CREATED, "Created\n"),
        false => Response::text(StatusCode::NO_CONTENT, ""),
    })
}

async fn delete(files: &RootFiles, path: &str) -> Result<Response, Failure> {
    files.writer().remove(path).await?;
    files.writer().sync().await?;
    Ok(Response::text(StatusCode::NO_CONTENT, ""))
}

impl Failure {
    fn into_response(self) -> Response {
        let error = match self {
            Self::Files(error) => error,
            Self::Body(error) => return error.into(),
            Self::Other(response) => return response,
        };
        let status = match error {
            FileSystemError::NotFound => StatusCode::NOT_FOUND,
            FileSystemError::Exists
            | FileSystemError::NotDirectory
            | FileSystemError::IsDirectory
            | FileSystemError::NotEmpty
            | FileSystemError::Changed => StatusCode::CONFLICT,
            FileSystemError::Name => StatusCode::BAD_REQUEST,
            FileSystemError::Full => StatusCode::INSUFFICIENT_STORAGE,
            FileSystemError::TooLong => StatusCode::CONTENT_TOO_LARGE,
            FileSystemError::ReadOnly => StatusCode::FORBIDDEN,
            FileSystemError::NoMemory => StatusCode::SERVICE_UNAVAILABLE,
            error if error.is_gone() => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Response::new(status, TEXT, alloc::format!("{error}\n"))
    }
}
