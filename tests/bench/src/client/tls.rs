//! HTTPS, by the TLS client of this project.

use core::task::Waker;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use embassy_futures::block_on;
use embedded_io_async::{ErrorKind, ErrorType, Read as _, Write as _};
use switchboard_runtime::wall_clock::{self, UnixTime};
use switchboard_tls::{Roots, TlsConnector, TlsStream};

use super::response::Response;
use super::{Meter, Sample, Span, connect, wrong};

/// The certificate of the guests.
const CERTIFICATE: &[u8] = include_bytes!("../../../../image/tls/tests/data/p256.pem");
const REQUEST: &[u8] = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
const BODY: &[u8] = b"Hello, world!";

/// The clock of the TLS client's time limits. Reads block, with a time limit of the socket: nothing is woken.
struct Clock;

impl embassy_time_driver::Driver for Clock {
    fn now(&self) -> u64 {
        static START: OnceLock<Instant> = OnceLock::new();
        u64::try_from(START.get_or_init(Instant::now).elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn schedule_wake(&self, _at: u64, _waker: &Waker) {}
}

embassy_time_driver::time_driver_impl!(static CLOCK: Clock = Clock);

/// A blocking connection below TLS.
struct Blocking(TcpStream);

impl ErrorType for Blocking {
    type Error = ErrorKind;
}

impl embedded_io_async::Read for Blocking {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ErrorKind> {
        self.0.read(buffer).map_err(|_| ErrorKind::Other)
    }
}

impl embedded_io_async::Write for Blocking {
    async fn write(&mut self, data: &[u8]) -> Result<usize, ErrorKind> {
        self.0.write(data).map_err(|_| ErrorKind::Other)
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        self.0.flush().map_err(|_| ErrorKind::Other)
    }
}

/// Connects, with a whole handshake: no session is resumed.
fn connect_tls(port: u16) -> io::Result<TlsStream<Blocking>> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    wall_clock::set(UnixTime::from_seconds(since.as_secs()));
    let roots = Roots::from_pem(CERTIFICATE).map_err(io::Error::other)?;
    let connector = TlsConnector::with_unfit_entropy(roots, &[b"http/1.1"]).map_err(io::Error::other)?;
    let transport = Blocking(connect(port)?);
    block_on(connector.connect("switchboard.test", transport)).map_err(|error| wrong(format!("TLS: {error:?}")))
}

/// Measures requests for the greeting on one connection, one at a time.
///
/// # Errors
/// Returns an error when a response is wrong or missing.
pub fn requests(port: u16, span: impl Into<Span>) -> io::Result<Sample> {
    let mut stream = connect_tls(port)?;
    let mut buffer = [0; 4096];
    let mut meter = Meter::new(span);
    loop {
        let begin = Instant::now();
        request(&mut stream, &mut buffer)?;
        let now = Instant::now();
        if meter.done(begin, now) {
            return Ok(meter.sample(now));
        }
    }
}

fn request(stream: &mut TlsStream<Blocking>, buffer: &mut [u8]) -> io::Result<()> {
    let failed = |error| wrong(format!("TLS: {error:?}"));
    block_on(stream.write_all(REQUEST)).map_err(failed)?;
    block_on(stream.flush()).map_err(failed)?;
    let mut response = Response::default();
    loop {
        match block_on(stream.read(buffer)).map_err(failed)? {
            0 => return Err(wrong("the guest ended TLS")),
            length if response.add(&buffer[..length], BODY)? => return Ok(()),
            _ => {}
        }
    }
}

/// Measures connections with a whole handshake and one request each, one after the other.
///
/// # Errors
/// Returns an error when a handshake or a request fails.
pub fn handshakes(port: u16, span: impl Into<Span>) -> io::Result<Sample> {
    let mut buffer = [0; 4096];
    let mut meter = Meter::new(span);
    loop {
        let begin = Instant::now();
        request(&mut connect_tls(port)?, &mut buffer)?;
        let now = Instant::now();
        if meter.done(begin, now) {
            return Ok(meter.sample(now));
        }
    }
}
