//! The file server: files streamed from the disks, and lists of directories.

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

use embassy_futures::join::join;
use embassy_time::{Duration, with_timeout};
use switchboard_http::{Answer, Conditions, Method, Methods, Request, Response, StatusCode, accepts_encoding};
use switchboard_runtime::command_line::RootName;
use switchboard_runtime::devices::Found;
use switchboard_runtime::disk::Disk;
use switchboard_runtime::say;
use switchboard_runtime::share::Share;
use switchboard_runtime::system::{LocalBoxFuture, System};

#[cfg(feature = "root")]
use crate::change_request::{ChangeRequest, Operation};
use crate::escape;
use crate::log_limit::LogLimit;
use crate::mounted::Opened;
use crate::response::FileRequest;
use crate::root::{RootError, RootFiles};
use crate::volume::Volume;
use crate::volumes::Volumes;

/// The maximum length of a path, after decoding.
const MAX_PATH_BYTES: usize = 1024;
/// The maximum time for which an app waits at first for the disks to be indexed.
const INDEX_TIMEOUT: Duration = Duration::from_millis(500);
/// The same where the command line names a volume that is written, of which the app makes use at once.
const ROOT_TIMEOUT: Duration = Duration::from_secs(10);
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
    /// The most bytes of a file that clients may put; `None` if they may not change any.
    max_upload_bytes: Option<u64>,
    log_limit: Rc<LogLimit>,
}

impl FileServer {
    /// Creates a server without disks, which serves files below `prefix`, for example `/files`. Until the first
    /// [`update_disks`](Self::update_disks) it answers 503 for them.
    #[must_use]
    pub fn new(prefix: &'static str) -> Self {
        Self { prefix, volumes: Rc::default(), max_upload_bytes: None, log_limit: Rc::default() }
    }

    /// Creates a server of the system's disks, and waits until they are indexed, but no longer than half a second: a disk
    /// that does not answer does not delay everything else. With `root=` it waits for ten seconds.
    pub async fn open(prefix: &'static str, system: &System) -> Self {
        let server = Self::new(prefix);
        if system.devices.first::<Disk>().is_none() && system.devices.first::<Share>().is_none() {
            say!("no files: no function has a disk driver");
        }
        server.volumes.root.set_name(system.options.root);
        let timeout = system.options.root.map_or(INDEX_TIMEOUT, |_| ROOT_TIMEOUT);
        let updated = with_timeout(timeout, server.update(system)).await;
        if let (Some(name), Ok(())) = (system.options.root, updated)
            && let Err(error @ (RootError::NoVolume { .. } | RootError::UnknownFileSystem { .. })) = server.root().await
        {
            say!("files: root={name} is not written: {error}");
        }
        server
    }

    /// Makes the server write the volume of this name, as `root=` on the command line does. To be called before the first update.
    ///
    /// ```
    /// # let image = include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/small_fat.rs"));
    /// use embassy_futures::block_on;
    /// use switchboard::config::Address;
    /// use switchboard_fileserver::{FileServer, RootError};
    /// use switchboard_runtime::command_line::RootName;
    /// use switchboard_runtime::devices::{DeviceOptions, Found, FromDriver};
    /// use switchboard_runtime::disk::{Disk, MemoryDisk};
    ///
    /// let server = FileServer::new("/files").with_root(RootName::Disk { disk: 0, partition: None });
    /// assert!(matches!(block_on(server.root()), Err(RootError::NoVolume { .. })), "no disk is there yet");
    ///
    /// let disk = Disk::from_driver(MemoryDisk::new(&image), DeviceOptions::default());
    /// let found = Found { function: Address::new(0, 0, 3, 0), driver: "memory", device: &disk };
    /// block_on(server.update_disks(&[found]));
    /// let files = block_on(server.root())?;
    /// block_on(files.replace("notes/one.txt", b"durable"))?;
    /// assert_eq!(block_on(files.read("notes/one.txt", 100))?, b"durable");
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_root(self, name: RootName<'static>) -> Self {
        self.volumes.root.set_name(Some(name));
        self
    }

    /// Returns the files of the volume that is written.
    ///
    /// # Errors
    /// [`RootError`], which states why there is none.
    pub async fn root(&self) -> Result<RootFiles, RootError> {
        self.volumes.root().await
    }

    /// Lets clients change the files of the volume that is written: PUT of at most `max_bytes`, and DELETE. Every client that
    /// reaches the server may do so; without this call none may. The app's site returns [`methods`](Self::methods) for the paths.
    ///
    /// A file that is put appears at once and whole, and is durable when the client has its response. Directories on the way to it are
    /// created. DELETE removes files, and directories that are empty. Preconditions are checked (`If-Match`, `If-None-Match: *`).
    #[must_use]
    pub fn with_uploads(mut self, max_bytes: u64) -> Self {
        self.max_upload_bytes = Some(max_bytes);
        self
    }

    /// Returns the methods of a path below the prefix, for [`Site::methods`](switchboard_http::Site::methods); `None` for any other
    /// path.
    #[must_use]
    pub fn methods(&self, path: &str) -> Option<Methods> {
        let rest = path.strip_prefix(self.prefix)?;
        let methods = match self.max_upload_bytes {
            Some(_) => Methods::READ.with(Method::Put).with(Method::Delete),
            None => Methods::READ,
        };
        (rest.is_empty() || rest.starts_with('/')).then_some(methods)
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
        let disks: Vec<_> = system.devices.iter::<Disk>().collect();
        if !cfg!(feature = "p9") {
            return self.update_disks(&disks).await;
        }
        // A server of the host may not answer: that delays no disk.
        let shares: Vec<_> = system.devices.iter::<Share>().collect();
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
        if let Some(answer) = self.change(inside, request) {
            return answer;
        }
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

impl FileServer {
    /// Answers a request that wants to change something; returns `None` for one that reads.
    #[cfg(feature = "root")]
    fn change(&self, inside: &str, request: &Request<'_>) -> Option<Answer> {
        let operation = self.operation(request)?;
        let (path, volumes, conditions) = (inside.into(), self.volumes.clone(), Conditions::new(request));
        Some(Answer::later(ChangeRequest { path, volumes, conditions, operation }.respond()))
    }

    #[cfg(not(feature = "root"))]
    fn change(&self, _: &str, request: &Request<'_>) -> Option<Answer> {
        matches!(request.method, Method::Put | Method::Delete).then(|| {
            let text = format!("Nothing is written: {}\n", RootError::NotBuilt);
            Answer::Now(Response::new(StatusCode::FORBIDDEN, switchboard_http::TEXT, text))
        })
    }

    /// Returns what a request wants to change; `None` for one that reads.
    #[cfg(feature = "root")]
    fn operation(&self, request: &Request<'_>) -> Option<Operation> {
        let max_bytes = self.max_upload_bytes?;
        match request.method {
            Method::Put => Some(Operation::Put(request.body(), max_bytes)),
            Method::Delete => Some(Operation::Delete),
            _ => None,
        }
    }
}

/// Returns a redirection to a directory, whose relative links need the slash.
pub(crate) fn to_directory(path: String) -> Response {
    Response::text(StatusCode::MOVED_PERMANENTLY, "It is a directory\n").with_header("Location", path)
}
