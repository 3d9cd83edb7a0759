//! The file server: files streamed from the disks, and lists of directories.

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

use embassy_futures::join::join;
use embassy_time::{Duration, with_timeout};
use switchboard_http::{Answer, Conditions, Request, Response, StatusCode, accepts_encoding};
use switchboard_runtime::devices::Found;
use switchboard_runtime::disk::Disk;
use switchboard_runtime::say;
use switchboard_runtime::share::Share;
use switchboard_runtime::system::{LocalBoxFuture, System};

use crate::escape;
use crate::log_limit::LogLimit;
use crate::mounted::Opened;
use crate::response::FileRequest;
use crate::volume::Volume;
use crate::volumes::Volumes;

/// The maximum length of a path, after decoding.
const MAX_PATH_BYTES: usize = 1024;
/// The maximum time for which an app waits at first for the disks to be indexed.
const INDEX_TIMEOUT: Duration = Duration::from_millis(500);
/// The maximum time until a response begins: less than what the server waits for.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(4);

/// A handler of requests for the files of all disks, as one tree below a prefix of the path. The crate's front page has an
/// example.
///
/// It answers conditional requests and ranges, serves `x.gz` for `x` to clients that accept gzip, and directories with a
/// list. A disk that does not answer in time gives 504.
#[derive(Debug)]
pub struct FileServer {
    prefix: &'static str,
    volumes: Rc<Volumes>,
    log_limit: Rc<LogLimit>,
}

impl FileServer {
    /// Creates a server without disks, which serves files below `prefix`, for example `/files`. Until the first
    /// [`update_disks`](Self::update_disks) it answers 503 for them.
    #[must_use]
    pub fn new(prefix: &'static str) -> Self {
        Self { prefix, volumes: Rc::default(), log_limit: Rc::default() }
    }

    /// Creates a server of the system's disks, and waits until they are indexed, but no longer than half a second: a disk
    /// that does not answer does not delay everything else.
    pub async fn open(prefix: &'static str, system: &System) -> Self {
        let server = Self::new(prefix);
        if system.devices.first::<Disk>().is_none() && system.devices.first::<Share>().is_none() {
            say!("no files: no function has a disk driver");
        }
        let _ = with_timeout(INDEX_TIMEOUT, server.update(system)).await;
        server
    }

    /// Adds a kind of file system, which is tried before tar, ext4 and FAT on the disks that are added from then on.
    ///
    /// ```
    /// use embassy_futures::block_on;
    /// use switchboard_fileserver::FileServer;
    ///
    /// let server = FileServer::new("/files");
    /// server.add_file_system(|volume| {
    ///     Box::pin(async move {
    ///         let magic: [u8; 4] = volume.read_array(0).await?;
    ///         if magic != *b"MINE" {
    ///             return Ok(None);
    ///         }
    ///         // Ok(Some(Box::new(MyFileSystem::new(volume))))
    ///         Ok(None)
    ///     })
    /// });
    /// ```
    pub fn add_file_system(&self, open: impl Fn(Volume) -> LocalBoxFuture<'static, Opened> + 'static) {
        self.volumes.openers.0.borrow_mut().push(Rc::new(open));
    }

    /// Updates the disks and shares to those that the system has now. To be called after each
    /// [change](System::change) of its devices.
    pub async fn update(&self, system: &System) {
        // A server of the host may not answer: that delays no disk.
        let shares: Vec<_> = system.devices.iter::<Share>().collect();
        let disks: Vec<_> = system.devices.iter::<Disk>().collect();
        join(self.update_shares(&shares), self.update_disks(&disks)).await;
    }

    /// Updates the shares to these: begins the sessions of those that are new, and drops the files of those that are missing.
    pub async fn update_shares(&self, shares: &[Found<&Share>]) {
        self.volumes.update_shares(shares).await;
    }

    /// Updates the disks to these: finds the volumes of those that are new, and drops the files of those that are missing.
    pub async fn update_disks(&self, disks: &[Found<&Disk>]) {
        self.volumes.update(disks).await;
    }

    /// Returns the number of files, as far as it is known: of archives. `None` when no disk has a file system.
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
        let request = FileRequest {
            prefix: self.prefix,
            path: inside.into(),
            volumes: self.volumes.clone(),
            conditions: Conditions::new(request),
            accepts_gzip: accepts_encoding(request.header("accept-encoding"), "gzip"),
            log_limit: self.log_limit.clone(),
        };
        Answer::later(async move {
            let response: LocalBoxFuture<'_, Response> = Box::pin(request.respond());
            with_timeout(RESPONSE_TIMEOUT, response).await.unwrap_or_else(|_| {
                let response = Response::text(StatusCode::GATEWAY_TIMEOUT, "The disk does not answer in time\n");
                response.with_header("Retry-After", "5")
            })
        })
    }
}

/// Returns a redirection to a directory, whose relative links need the slash.
pub(crate) fn to_directory(path: String) -> Response {
    Response::text(StatusCode::MOVED_PERMANENTLY, "It is a directory\n").with_header("Location", path)
}
