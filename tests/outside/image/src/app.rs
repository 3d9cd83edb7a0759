//! The app: a web page with a result of the calculator, the files of the disks, and the services of [`crate::services`].

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use core::cell::{Cell, OnceCell};

use switchboard_fileserver::FileServer;
use switchboard_http::{Response, Router, Server, State, StatusCode, TEXT};
use switchboard_net::{Network, Stack};
use switchboard_runtime::say;
use switchboard_runtime::system::{Outcome, System};

use crate::card::Calculator;
use crate::services::document::{self, Document};
use crate::sockets::{listening, outgoing, probes};
use crate::{machine, services};

/// What the handlers share.
pub(crate) struct Shared {
    files: FileServer,
    /// The last result; `None` without a calculator.
    result: Cell<Option<u32>>,
    /// The network's first stack.
    pub(crate) stack: OnceCell<Stack>,
    pub(crate) document: Document,
}

pub(crate) async fn run(mut system: System) -> Outcome {
    let files = FileServer::open("/files", &system).await;
    let shared = Shared { files, result: Cell::new(None), stack: OnceCell::new(), document: Document::default() };
    let router: &'static Router<Shared> = Box::leak(Box::new(router(shared)));
    let shared = router.state();
    let second: &'static Router<_> = Box::leak(Box::new(machine::router(shared)));
    let network = Network::new(&system);
    // Random numbers of devices, before keys are made of them.
    system.random().await;
    let acceptor = machine::acceptor();
    let start = move |group: &Rc<_>, stack: &Stack| {
        // Of several cards, outgoing connections are on the first.
        let _ = shared.stack.set(stack.clone());
        Server::new(80, router).serve(group, stack);
        Server::new(machine::PORT, second).name("outside").serve(group, stack);
        if let Some(acceptor) = &acceptor {
            machine::serve_https(acceptor, router, group, stack);
        }
        listening::start(group, stack);
    };
    network.start(&mut system, Rc::new(start)).await;
    loop {
        shared.files.update(&system).await;
        shared.result.set(compute(&mut system).await);
        say!("outside: {} devices, 10! is {:?}", system.devices.iter::<Calculator>().count(), shared.result.get());
        system.change().await;
    }
}

fn router(shared: Shared) -> Router<Shared> {
    Router::new(shared)
        .get("/", page)
        .post("/sum", services::sum)
        .get("/events", services::events)
        .get("/socket", services::socket)
        .get("/double/{number}", services::double)
        .post("/form", services::form)
        .put("/upper", services::upper)
        .get("/raw", services::raw)
        .get("/greeting", outgoing::greeting)
        .get("/line", outgoing::line)
        .get("/statistics", outgoing::statistics)
        .get("/secure", outgoing::secure)
        .get("/ping", probes::ping)
        .get("/route", probes::route)
        .get("/datagram", probes::datagram)
        .get("/lookup", probes::lookup)
        .get("/document", document::read)
        .put("/document", document::replace)
        .delete("/document", document::remove)
        .fallback(|shared, request| shared.files.answer(request))
}

fn page(State(shared): State<Shared>) -> Response {
    match shared.result.get() {
        Some(result) => Response::new(StatusCode::OK, TEXT, format!("10! = {result}\n")),
        None => Response::text(StatusCode::SERVICE_UNAVAILABLE, "no calculator\n"),
    }
}

async fn compute(system: &mut System) -> Option<u32> {
    let calculator = system.devices.iter_mut::<Calculator>().next()?;
    Some(calculator.device.factorial(10).await)
}
