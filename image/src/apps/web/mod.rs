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

use picoserve::Router;
use picoserve::response::IntoResponse;
use picoserve::routing::{PathRouter, get};
use switchboard::machine::Machine;

use self::content::Html;
use self::path::Rest;
use crate::files::Archive;
use crate::http::{self, Counters, Worker};
use crate::network::Interface;
use crate::say;
use crate::system::{Outcome, System};

/// What the handlers work with.
struct Site {
    machine: &'static Machine,
    interfaces: alloc::vec::Vec<Interface>,
    counters: &'static Counters,
    files: Option<files::Files>,
}

pub(super) async fn run(mut system: System) -> Outcome {
    let interfaces = system.start_network().await;
    let files = mount(&mut system).await;
    let counters: &'static Counters = Box::leak(Box::default());
    let site: &'static Site = Box::leak(Box::new(Site { machine: system.machine, interfaces, counters, files }));
    let router = Box::leak(Box::new(router()));
    for interface in &site.interfaces {
        http::serve(system.spawner, interface.stack, site, router, counters);
    }
    // The rest is up to the workers. What the app owns lives as long as it runs.
    core::future::pending().await
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

/// Indexes the archive on the first disk, if there are such.
async fn mount(system: &mut System) -> Option<files::Files> {
    if system.devices.disks.is_empty() {
        say!("no files: no function has a disk driver");
        return None;
    }
    let disk = system.devices.disks.remove(0);
    let (archive, error) = Archive::scan(&disk.device).await;
    match error {
        Some(error) if archive.is_empty() => say!("no files: {}: no archive on the disk: {error}", disk.function),
        Some(error) => say!("files: {}: {} files, then {error}", disk.function, archive.len()),
        None if archive.is_empty() => say!("no files: {}: the disk is empty", disk.function),
        None => log::info!("files: {}: {} files", disk.function, archive.len()),
    }
    (!archive.is_empty()).then_some(files::Files { disk: disk.device, archive })
}
