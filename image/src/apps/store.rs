//! A store of files over HTTP: reads and writes the volume that `root=` names, and counts the starts of the machine on it.
//!
//! `make run APP=store ARGS=root=disk0 DISK=fat.img`, then:
//!
//! ```text
//! curl -T report.pdf localhost:8080/files/reports/1.pdf
//! curl -X DELETE localhost:8080/files/reports/1.pdf
//! curl localhost:8080/starts
//! ```

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;

use switchboard_fileserver::{FileServer, FileSystemError, RootError};
use switchboard_http::{Answer, Methods, Request, Response, Server, Site, StatusCode, TEXT};
use switchboard_runtime::say;
use switchboard_runtime::system::{Outcome, System};

/// The most bytes of a file that clients may put.
const MAX_UPLOAD_BYTES: u64 = 1 << 30;
/// The file with the number of starts.
const STARTS: &str = "starts";

struct Store {
    files: FileServer,
    /// The number of starts, or why it is not counted.
    starts: Result<u64, String>,
}

pub(super) async fn run(mut system: System) -> Outcome {
    let files = FileServer::open("/files", &system).await.with_uploads(MAX_UPLOAD_BYTES);
    let starts = count_start(&files).await.map_err(|error| format!("{error}"));
    match &starts {
        Ok(starts) => say!("store: start {starts}"),
        Err(error) => say!("store: starts are not counted: {error}"),
    }
    let store: &'static Store = Box::leak(Box::new(Store { files, starts }));
    Server::new(80, store).start(&mut system).await;
    loop {
        store.files.update(&system).await;
        system.change().await;
    }
}

/// Adds one to the number of starts, so that no loss of power leaves another number than the old or the new one.
async fn count_start(files: &FileServer) -> Result<u64, RootError> {
    let files = files.root().await?;
    let starts: u64 = match files.read(STARTS, 20).await {
        Ok(text) => String::from_utf8_lossy(&text).parse().unwrap_or(0),
        Err(FileSystemError::NotFound) => 0,
        Err(error) => return Err(error.into()),
    };
    files.replace(STARTS, format!("{}", starts + 1).as_bytes()).await?;
    Ok(starts + 1)
}

impl Site for Store {
    fn methods(&self, path: &str) -> Methods {
        self.files.methods(path).unwrap_or(Methods::READ)
    }

    fn answer(&'static self, request: &Request<'_>) -> Answer {
        if request.path == "/starts" {
            return Answer::Now(match &self.starts {
                Ok(starts) => Response::new(StatusCode::OK, TEXT, format!("{starts}\n")),
                Err(error) => Response::new(StatusCode::NOT_FOUND, TEXT, format!("{error}\n")),
            });
        }
        self.files.answer(request).unwrap_or_else(|| Answer::Now(Response::text(StatusCode::NOT_FOUND, "Not found\n")))
    }
}
