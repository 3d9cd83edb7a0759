//! The default app: a live page about the machine, and the files of its disk.

mod content;
mod escape;
mod files;
mod functions;
mod interrupts;
mod metrics;
mod path;
mod status;
mod volumes;

use alloc::boxed::Box;
use alloc::rc::Rc;

use embassy_time::{Duration, with_timeout};
use picoserve::Router;
use picoserve::response::IntoResponse;
use picoserve::routing::{PathRouter, get};
use switchboard::machine::Machine;

use self::content::Html;
use self::path::Rest;
use self::volumes::Volumes;
use crate::http::{self, Counters, Worker};
use crate::say;
use crate::system::{Interfaces, Outcome, System};

/// How long the network waits for the disks to tell what is on them.
const DISK_PATIENCE: Duration = Duration::from_millis(500);

/// What the handlers work with.
pub(super) struct Site {
    machine: &'static Machine,
    interfaces: Interfaces,
    counters: &'static Counters,
    volumes: Volumes,
}

pub(super) async fn run(mut system: System) -> Outcome {
    let site = Site::open(&mut system).await;
    // The pages are up to the workers.
    loop {
        site.follow(&system).await;
        system.change().await;
    }
}

/// The routes. The last one is tried first.
fn router() -> Router<impl PathRouter<Worker<Site>>, Worker<Site>> {
    Router::new()
        .route(("/files", Rest), get(files::serve))
        .route("/metrics", get(metrics::serve))
        .route("/status", get(status::serve))
        .route("/functions", get(functions::serve))
        .route("/interrupts", get(interrupts::serve))
        .route("/", get(page))
        .route("/hello", get(hello))
}

async fn page() -> impl IntoResponse {
    Html(include_str!("page.html"))
}

/// Thirteen bytes, for measurements: nothing here allocates or waits.
async fn hello() -> impl IntoResponse {
    "Hello, world!"
}

impl Site {
    /// Opens the site on every interface, there and to come.
    pub(super) async fn open(system: &mut System) -> &'static Self {
        let counters: &'static Counters = Box::leak(Box::default());
        let site: &'static Self = Box::leak(Box::new(Self {
            machine: system.machine,
            interfaces: system.interfaces.clone(),
            counters,
            volumes: Volumes::default(),
        }));
        if system.devices.disks.is_empty() {
            say!("no files: no function has a disk driver");
        }
        // Whoever asks first finds the files there; but a disk that does not answer keeps nothing else from being served.
        let _ = with_timeout(DISK_PATIENCE, site.follow(system)).await;
        let router = &*Box::leak(Box::new(router()));
        system.start_network(Rc::new(move |crew, stack| http::serve(crew, stack, site, router, counters))).await;
        site
    }

    /// Serves the files of the disks that are there now.
    pub(super) async fn follow(&self, system: &System) {
        self.volumes.follow(&system.devices.disks).await;
    }
}
