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
        system.change().await;
        site.follow(&system).await;
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
        let router = &*Box::leak(Box::new(router()));
        system.start_network(Rc::new(move |crew, stack| http::serve(crew, stack, site, router, counters))).await;
        if system.devices.disks.is_empty() {
            say!("no files: no function has a disk driver");
        }
        site.follow(system).await;
        site
    }

    /// Serves the files of the disks that are there now.
    pub(super) async fn follow(&self, system: &System) {
        self.volumes.follow(&system.devices.disks).await;
    }
}
