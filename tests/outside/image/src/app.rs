//! The app: a web page with a result of the calculator, and the files of the disks.

use alloc::boxed::Box;
use alloc::format;
use core::cell::Cell;

use switchboard_fileserver::FileServer;
use switchboard_http::{Answer, Method, Methods, Request, Response, Site, StatusCode, TEXT};
use switchboard_runtime::say;
use switchboard_runtime::system::{Outcome, System};

use crate::card::Calculator;

struct Page {
    files: FileServer,
    /// The last result; `None` without a calculator.
    result: Cell<Option<u32>>,
}

impl Site for Page {
    fn methods(&self, path: &str) -> Methods {
        if path == "/sum" { Methods::NONE.with(Method::Post) } else { Methods::READ }
    }

    fn answer(&'static self, request: &Request<'_>) -> Answer {
        if request.method == Method::Post {
            let mut body = request.body();
            return Answer::later(async move {
                match body.collect(1000).await {
                    Ok(bytes) => {
                        let sum: u64 = bytes.into_iter().map(u64::from).sum();
                        Response::new(StatusCode::OK, TEXT, format!("{sum}\n"))
                    }
                    Err(error) => error.into(),
                }
            });
        }
        self.files.answer(request).unwrap_or_else(|| {
            Answer::Now(match self.result.get() {
                Some(result) => Response::new(StatusCode::OK, TEXT, format!("10! = {result}\n")),
                None => Response::text(StatusCode::SERVICE_UNAVAILABLE, "no calculator\n"),
            })
        })
    }
}

pub(crate) async fn run(mut system: System) -> Outcome {
    let files = FileServer::open("/files", &system).await;
    let page: &'static Page = Box::leak(Box::new(Page { files, result: Cell::new(None) }));
    switchboard_http::start(&mut system, page).await;
    loop {
        page.files.update(&system).await;
        page.result.set(compute(&mut system).await);
        say!("outside: {} devices, 10! is {:?}", system.devices.iter::<Calculator>().count(), page.result.get());
        system.change().await;
    }
}

async fn compute(system: &mut System) -> Option<u32> {
    let calculator = system.devices.iter_mut::<Calculator>().next()?;
    Some(calculator.device.factorial(10).await)
}
