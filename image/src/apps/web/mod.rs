//! The default app: a live page about the machine, and the files of its disk.

mod content;
mod escape;
mod files;
mod functions;
mod interrupts;
mod metrics;
mod path;
mod status;

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::cell::RefCell;

use picoserve::Router;
use picoserve::response::IntoResponse;
use picoserve::routing::{PathRouter, get};
use switchboard::machine::Machine;

use self::content::Html;
use self::files::Files;
use self::path::Rest;
use crate::devices::Found;
use crate::disk::Disk;
use crate::files::Archive;
use crate::http::{self, Counters, Worker};
use crate::say;
use crate::system::{Interfaces, Outcome, System};

/// What the handlers work with.
pub(super) struct Site {
    machine: &'static Machine,
    interfaces: Interfaces,
    counters: &'static Counters,
    /// The first disk, once it was looked at.
    disk: RefCell<Option<Disk>>,
    /// The files there, if there are any.
    files: RefCell<Option<Rc<Files>>>,
}

pub(super) async fn run(mut system: System) -> Outcome {
    let site = Site::open(&mut system).await;
    // The pages are up to the workers.
    loop {
        system.change().await;
        site.mount(&system.devices.disks).await;
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
            disk: RefCell::default(),
            files: RefCell::default(),
        }));
        let router = &*Box::leak(Box::new(router()));
        system.start_network(Rc::new(move |crew, stack| http::serve(crew, stack, site, router, counters))).await;
        if system.devices.disks.is_empty() {
            say!("no files: no function has a disk driver");
        }
        site.mount(&system.devices.disks).await;
        site
    }

    /// Serves the files of the first disk: indexes the archive there, if that has not been done. Without a disk there
    /// are none.
    pub(super) async fn mount(&self, disks: &[Found<Disk>]) {
        let first = disks.first();
        let disk = first.map(|found| found.device.clone());
        if self.disk.replace(disk.clone()) != disk {
            self.files.replace(None);
            if let Some(found) = first {
                let files = index(found).await;
                self.files.replace(files.map(Rc::new));
            }
        }
    }
}

/// Indexes the archive on a disk, if there is one.
async fn index(Found { function, device: disk, .. }: &Found<Disk>) -> Option<Files> {
    let (archive, error) = Archive::scan(disk).await;
    match error {
        Some(error) if archive.is_empty() => say!("no files: {function}: no archive on the disk: {error}"),
        Some(error) => say!("files: {function}: {} files, then {error}", archive.len()),
        None if archive.is_empty() => say!("no files: {function}: the disk is empty"),
        None => log::info!("files: {function}: {} files", archive.len()),
    }
    (!archive.is_empty()).then(|| Files { disk: disk.clone(), archive })
}
