//! The default app: a live page about the machine, and the files of its disk.

mod escape;
mod files;
mod functions;
mod interrupts;
mod metrics;
mod status;
mod volumes;

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;

use embassy_time::{Duration, with_timeout};
use switchboard::machine::Machine;

use self::volumes::Volumes;
use crate::disk::Disk;
use crate::http::{self, Answer, Counters, HTML, Request, Response, Status, TEXT};
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

const HELLO: &[u8] = b"Hello, world!";
const PAGE: &[u8] = include_bytes!("page.html");

impl http::Site for Site {
    fn answer(&'static self, request: &Request<'_>) -> Answer {
        Answer::Now(match request.path {
            // Thirteen bytes, for measurements: nothing here allocates or waits.
            "/hello" => Response::fixed(Status::Ok, TEXT, HELLO),
            "/" => Response::fixed(Status::Ok, HTML, PAGE),
            "/functions" => functions::serve(self),
            "/interrupts" => interrupts::serve(self),
            "/status" => status::serve(self),
            "/metrics" => metrics::serve(self),
            path => match path.strip_prefix("/files") {
                Some(rest) if rest.is_empty() || rest.starts_with('/') => return files::serve(self, rest, request),
                _ => Response::text(Status::NotFound, "Nothing is here\n"),
            },
        })
    }
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
        if system.devices.first::<Disk>().is_none() {
            say!("no files: no function has a disk driver");
        }
        // Whoever asks first finds the files there; but a disk that does not answer keeps nothing else from being served.
        let _ = with_timeout(DISK_PATIENCE, site.follow(system)).await;
        system.start_network(Rc::new(move |crew, stack| http::serve(crew, stack, site, counters))).await;
        site
    }

    /// Serves the files of the disks that are there now.
    pub(super) async fn follow(&self, system: &System) {
        let disks: Vec<_> = system.devices.iter::<Disk>().collect();
        self.volumes.follow(&disks).await;
    }
}
