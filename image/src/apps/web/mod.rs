//! The default app: a web page with the live state of the machine, and the files of its disks.
//!
//! Its arguments are `connections N`: the most connections of each server at a time, by default 384; see [`http::Server`].

#[cfg(feature = "status")]
mod functions;
#[cfg(feature = "tls")]
mod https;
#[cfg(feature = "status")]
mod interrupts;
mod limits;
#[cfg(feature = "status")]
mod metrics;
#[cfg(feature = "shell")]
mod shell;
#[cfg(feature = "status")]
mod status;

use alloc::boxed::Box;
use alloc::rc::Rc;

#[cfg(feature = "status")]
use switchboard::machine::Machine;
use switchboard_fileserver::FileServer;
use switchboard_http::{self as http, Answer, HTML, HttpCounters, Request, Response, StatusCode, TEXT};
#[cfg(feature = "tls")]
use switchboard_net::TcpStream;
use switchboard_net::{Network, Stack};
use switchboard_runtime::system::{Outcome, System};
use switchboard_runtime::tasks::TaskGroup;

pub(super) use self::limits::Limits;

/// The state that the request handlers read.
pub(super) struct Site {
    #[cfg(feature = "status")]
    machine: &'static Machine,
    #[cfg(any(feature = "status", feature = "shell"))]
    network: Rc<Network>,
    #[cfg(feature = "status")]
    counters: &'static HttpCounters,
    files: FileServer,
}

pub(super) async fn run(mut system: System) -> Outcome {
    let limits = Limits::parse(system.arguments)?;
    let site = Site::open(&mut system, limits).await;
    #[cfg(feature = "gpu")]
    system.add_subsystem(Rc::new(switchboard_runtime::screen::Screens::new(&system))).await;
    #[cfg(feature = "shell")]
    shell::start(&mut system, site.network.clone()).await;
    // Requests are served by other tasks.
    loop {
        site.follow(&system).await;
        system.change().await;
    }
}

const HELLO: &[u8] = b"Hello, world!";
#[cfg(feature = "status")]
const PAGE: &[u8] = include_bytes!("page.html");
/// Without the pages that the other one shows.
#[cfg(not(feature = "status"))]
const PAGE: &[u8] = include_bytes!("plain.html");

impl http::Site for Site {
    fn answer(&'static self, request: &Request<'_>) -> Answer {
        Answer::Now(match request.path {
            // Thirteen bytes, for benchmarks: it neither allocates nor waits.
            "/hello" => Response::fixed(StatusCode::OK, TEXT, HELLO),
            "/" => Response::fixed(StatusCode::OK, HTML, PAGE),
            #[cfg(feature = "status")]
            "/functions" => functions::serve(self),
            #[cfg(feature = "status")]
            "/interrupts" => interrupts::serve(self),
            #[cfg(feature = "status")]
            "/status" => status::serve(self),
            // It asks the stack, which is in use while a request is answered.
            #[cfg(feature = "status")]
            "/metrics" => return Answer::later(async { metrics::serve(self) }),
            _ => match self.files.answer(request) {
                Some(answer) => return answer,
                None => Response::text(StatusCode::NOT_FOUND, "Not found\n"),
            },
        })
    }
}

impl Site {
    /// Starts the site on every network interface, present and future.
    pub(super) async fn open(system: &mut System, limits: Limits) -> &'static Self {
        let (network, counters) = (Network::new(system), HttpCounters::leak());
        let site: &'static Self = Box::leak(Box::new(Self {
            #[cfg(feature = "status")]
            machine: system.machine,
            #[cfg(any(feature = "status", feature = "shell"))]
            network: network.clone(),
            #[cfg(feature = "status")]
            counters,
            files: FileServer::open("/files", system).await,
        }));
        // Random numbers of devices, before keys are made of them.
        #[cfg(feature = "tls")]
        let acceptor = {
            system.random().await;
            https::acceptor()
        };
        let serve = move |group: &Rc<TaskGroup>, stack: &Stack| {
            limits.server(80, site).counters(counters).serve(group, stack);
            #[cfg(feature = "tls")]
            if let Some(acceptor) = acceptor.clone() {
                let server = limits.server(443, site).counters(counters);
                server.serve_with(group, stack, async move |socket: &Rc<TcpStream>| {
                    acceptor.accept_http(socket.clone()).await
                });
            }
        };
        network.start(system, Rc::new(serve)).await;
        site
    }

    /// Updates the list of disks whose files are served, after a change of the devices.
    pub(super) async fn follow(&self, system: &System) {
        self.files.update(system).await;
    }
}
