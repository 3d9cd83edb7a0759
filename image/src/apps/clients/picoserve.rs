//! Another HTTP server on the stack, by `picoserve`, on a port of its own.

use alloc::format;
use alloc::rc::Rc;

use ::picoserve::io::{self, Socket};
use ::picoserve::mem::{BorrowedBuffer, BorrowedCursor};
use ::picoserve::routing::{PathRouter, get, parse_path_segment};
use ::picoserve::{Config, Error, Router, Server, Timeouts, time};
use embassy_time::{Duration, Timer, with_timeout};
use switchboard_net::{Network, TcpConfig, TcpError, TcpListener, TcpStream};
use switchboard_runtime::say;
use switchboard_runtime::system::{Outcome, System};

const PORT: u16 = 8000;
const REQUEST_BYTES: usize = 2048;
static CONFIG: Config = Config::const_default().keep_connection_alive();

pub(in crate::apps) async fn run(mut system: System) -> Outcome {
    let network = Network::new(&system);
    let router = Rc::new(router());
    let services = move |group: &Rc<switchboard_runtime::tasks::TaskGroup>, stack: &switchboard_net::Stack| {
        let mut config = TcpConfig::default();
        config.max_connections = 64;
        let listener = match TcpListener::bind(stack, PORT, config) {
            Ok(listener) => listener,
            Err(error) => return say!("port {PORT}: {error}"),
        };
        let (tasks, router) = (group.clone(), router.clone());
        group.add(async move {
            loop {
                let connection = Connection(listener.accept().await);
                let router = router.clone();
                tasks.add(async move {
                    let mut buffer = [0; REQUEST_BYTES];
                    // A connection that ends in an error has ended.
                    let _ = Server::custom(&router, Time, &CONFIG, &mut buffer).serve(connection).await;
                });
            }
        });
        say!("picoserve on port {PORT}");
    };
    network.start(&mut system, Rc::new(services)).await;
    loop {
        system.change().await;
    }
}

fn router() -> Router<impl PathRouter> {
    Router::new().route("/", get(|| async { "served by picoserve\n" })).route(
        ("/double", parse_path_segment::<u32>()),
        get(|number: u32| async move { format!("{}\n", u64::from(number) * 2).into_bytes() }),
    )
}

/// The timer of `embassy-time`; `picoserve` has one of its own only for `embassy-net`.
struct Time;
struct Runtime;

impl time::Timer<Runtime> for Time {
    async fn delay(&self, duration: time::Duration) {
        Timer::after_millis(duration.as_millis()).await;
    }
}

/// A connection, which the traits of `picoserve` split by reference.
struct Connection(TcpStream);

struct Writer<'a>(&'a TcpStream);

impl io::ErrorType for Writer<'_> {
    type Error = TcpError;
}

impl io::BaseWrite for Writer<'_> {
    async fn write(&mut self, data: &[u8]) -> Result<usize, TcpError> {
        self.0.write(data).await
    }
    async fn flush(&mut self) -> Result<(), TcpError> {
        embedded_io_async::Write::flush(&mut self.0).await
    }
}

impl io::Write for Writer<'_> {
    async fn write_with<F: FnOnce(BorrowedCursor<'_>) -> R, R>(&mut self, write: F) -> Result<R, TcpError> {
        let fill = |room: &mut [u8]| {
            let mut buffer = BorrowedBuffer::new(room);
            let result = write(buffer.unfilled());
            (buffer.len(), result)
        };
        self.0.write_with(fill).await
    }
}

impl Socket<Runtime> for Connection {
    type Error = TcpError;
    type ReadHalf<'a> = &'a TcpStream;
    type WriteHalf<'a> = Writer<'a>;

    fn split(&mut self) -> (&TcpStream, Writer<'_>) {
        (&self.0, Writer(&self.0))
    }

    async fn abort<T: time::Timer<Runtime>>(self, _: &Timeouts, _: &T) -> Result<(), Error<TcpError>> {
        self.0.abort();
        Ok(())
    }

    async fn shutdown<T: time::Timer<Runtime>>(self, timeouts: &Timeouts, _: &T) -> Result<(), Error<TcpError>> {
        self.0.close();
        // What was written is still sent after that.
        let _ = with_timeout(Duration::from_millis(timeouts.write.as_millis()), self.0.flush()).await;
        Ok(())
    }
}
