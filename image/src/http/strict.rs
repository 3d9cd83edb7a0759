//! Refuses requests whose framing is in doubt, before any handler sees them.
//!
//! picoserve answers lines that it cannot parse with 400. What it takes and should not is refused here: a
//! length that is no number would make the body of one request pass for the next one.

use picoserve::ResponseSent;
use picoserve::io::Read;
use picoserve::request::RequestParts;
use picoserve::response::{IntoResponse, ResponseWriter, StatusCode};
use picoserve::routing::{Layer, Next};
use switchboard::arch::mark::{HTTP, mark};

use super::{Counters, Worker};

/// The layer around every app's router.
pub(super) struct Strict;

impl<S, P> Layer<Worker<S>, P> for Strict {
    type NextState = Worker<S>;
    type NextPathParameters = P;

    async fn call_layer<'a, R: Read + 'a, N: Next<'a, R, Worker<S>, P>, W: ResponseWriter<Error = R::Error>>(
        &self,
        next: N,
        worker: &Worker<S>,
        parameters: P,
        request: RequestParts<'_>,
        writer: W,
    ) -> Result<ResponseSent, W::Error> {
        let counters = worker.connection.counters();
        mark::<HTTP>();
        Counters::add(&counters.requests);
        let Err(fault) = check(&request) else {
            return next.run(worker, parameters, writer).await;
        };
        Counters::add(&counters.malformed);
        // Where the next request would begin is not known.
        worker.connection.close();
        let response = (StatusCode::BAD_REQUEST, ("Connection", "close"), fault);
        response.write_to(next.into_connection().await?, writer).await
    }
}

fn check(request: &RequestParts<'_>) -> Result<(), &'static str> {
    if !matches!(request.http_version(), "HTTP/1.1" | "HTTP/1.0") {
        return Err("Unknown HTTP version\n");
    }
    if !request.path().encoded().starts_with('/') {
        return Err("The target is not a path\n");
    }
    let mut length = None;
    for (name, value) in &request.headers() {
        let name = name.as_raw();
        if name.is_empty() || name.iter().any(|byte| !byte.is_ascii_graphic()) {
            return Err("Bad header name\n");
        }
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return Err("Transfer-Encoding is not supported in requests\n");
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            let number = value.as_raw();
            let is_number = !number.is_empty() && number.iter().all(u8::is_ascii_digit) && number.len() < 16;
            if !is_number || length.replace(number).is_some_and(|other| other != number) {
                return Err("Bad Content-Length\n");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloc::boxed::Box;
    use alloc::rc::Rc;
    use alloc::string::String;
    use alloc::vec::Vec;

    use embassy_futures::block_on;
    use picoserve::routing::get;
    use picoserve::{Config, Router, Server};

    use super::*;
    use crate::http::Connection;
    use crate::testing::{CannedSocket, NoTime};

    /// The status of each answer of a worker that is sent these bytes on one connection.
    fn statuses(input: &str) -> Vec<String> {
        let connection = Rc::new(Connection::new(Box::leak(Box::default())));
        let app = Router::new().route("/", get(async || "root")).layer(Strict);
        let app = app.with_state::<()>(Worker { site: &(), connection });
        let (socket, output) = CannedSocket::new(input);
        let config = Config::const_default().keep_connection_alive();
        let _ = block_on(Server::custom(&app, NoTime, &config, &mut [0; 1024]).serve(socket));
        let text = String::from_utf8(output.take()).unwrap();
        text.split("HTTP/1.1 ").skip(1).map(|answer| answer[..3].into()).collect()
    }

    #[test]
    fn requests_pass_one_after_the_other() {
        let requests = "GET / HTTP/1.1\r\nHost: x\r\n\r\n\
                        GET /no HTTP/1.1\r\nContent-Length: 2\r\n\r\nab\
                        GET / HTTP/1.0\r\n\r\n";
        assert_eq!(statuses(requests), ["200", "404", "200"]);
    }

    #[test]
    fn doubtful_framing_is_refused() {
        for head in [
            "GET / HTTP/2.0",
            "GET / SMTP/9.9",
            "GET http://x/ HTTP/1.1",
            "GET / HTTP/1.1\r\nContent-Length: many",
            "GET / HTTP/1.1\r\nContent-Length: +3",
            "GET / HTTP/1.1\r\nContent-Length:",
            "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2",
            "GET / HTTP/1.1\r\nTransfer-Encoding: chunked",
            "GET / HTTP/1.1\r\nBad name: x",
            "GET / HTTP/1.1\r\n: x",
        ] {
            assert_eq!(statuses(&alloc::format!("{head}\r\n\r\n")), ["400"], "{head}");
        }
    }

    #[test]
    fn what_is_no_http_is_refused() {
        for text in
            ["\r\n\r\n", "junk\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/1.1\r\nHost x\r\n\r\n", "GET / HTTP/1.1\r\nHo"]
        {
            assert_eq!(statuses(text), ["400"], "{text:?}");
        }
        let long = "x".repeat(2000);
        assert_eq!(statuses(&alloc::format!("GET / HTTP/1.1\r\nX: {long}\r\n\r\n")), ["400"]);
    }
}
