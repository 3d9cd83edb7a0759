//! A client of time servers (SNTP: RFC 4330, and RFC 5905, 14), which disciplines the wall clock.

use core::net::{IpAddr, SocketAddr};

use embassy_futures::select::select;
use embassy_time::{Duration, Timer, with_timeout};
use sntpc::{Error, KissOfDeathCode, NtpContext, NtpResult, NtpTimestampGenerator, NtpUdpSocket};
use switchboard_runtime::wall_clock::{self, Adjustment, UnixTime};

use crate::stack::{Stack, UdpSocket};

const NTP_PORT: u16 = 123;
const NTP_BYTES: usize = 48;
/// How long a server has to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The time from one exchange to the next, after one that has failed at first, and at most (RFC 4330, 10: never less than
/// fifteen seconds).
const INTERVAL: Duration = Duration::from_secs(16 * 60);
const FIRST_RETRY: Duration = Duration::from_secs(16);
const LAST_RETRY: Duration = INTERVAL;
/// The time that a machine without a clock is assumed to have at boot, 2026-01-01: NTP's own is unique to 68 years.
const ASSUMED_TIME: UnixTime = UnixTime::from_seconds(1_767_225_600);

/// Keeps the wall clock at the time of the interface's NTP servers, as DHCP and the command line have them. Never ends.
///
/// An [`Interface`](crate::Interface) does so by itself; a stack that an app has made by hand needs a task:
///
/// ```
/// use switchboard_net::keep_time;
/// use switchboard_net_testing::TestNetwork;
///
/// let network = TestNetwork::new();
/// network.group().add(keep_time(network.stack().clone()));
/// ```
pub async fn keep_time(stack: Stack) {
    let mut retry = FIRST_RETRY;
    let mut first = 0;
    // One that has refused service (RFC 5905, 7.4) is not asked again.
    let mut refused: heapless::Vec<IpAddr, 8> = heapless::Vec::new();
    loop {
        let version = stack.state().config_version();
        let servers = stack.state().config().ntp_servers.clone();
        let mut is_synchronised = false;
        for attempt in 0..servers.len() {
            let index = (first + attempt) % servers.len();
            let server = servers[index];
            if refused.contains(&server) {
                continue;
            }
            match ask(&stack, server).await {
                Ok(result) => {
                    adjust(&stack, server, &result);
                    (first, is_synchronised) = (index, true);
                    break;
                }
                Err(Error::KissOfDeath(KissOfDeathCode::Deny | KissOfDeathCode::Rstr)) => {
                    // A list without room: it is refused again the next time.
                    refused.push(server).ok();
                    log::warn!("net {}: NTP server {server} refuses service", stack.state().function);
                }
                Err(_) => {}
            }
        }
        let wait = match (servers.is_empty(), is_synchronised) {
            (true, _) => None,
            (false, true) => {
                retry = FIRST_RETRY;
                Some(INTERVAL)
            }
            (false, false) => {
                retry = (retry * 2).min(LAST_RETRY);
                Some(retry / 2)
            }
        };
        wait_for_change(&stack, version, &servers, wait).await;
    }
}

/// Waits until `wait` has passed, or there are other servers.
async fn wait_for_change(stack: &Stack, mut version: u64, servers: &[IpAddr], wait: Option<Duration>) {
    let changed = async {
        while stack.state().config().ntp_servers == servers {
            version = stack.state().changed_since(version).await;
        }
    };
    match wait {
        Some(wait) => {
            select(changed, Timer::after(wait)).await;
        }
        None => changed.await,
    }
}

/// Asks a server for its time.
async fn ask(stack: &Stack, server: IpAddr) -> Result<NtpResult, Error> {
    let socket = UdpSocket::bind_any(stack, 2, 2 * NTP_BYTES).map_err(|_| Error::Network)?;
    let socket = ServerSocket(socket);
    let exchange = sntpc::get_time(SocketAddr::new(server, NTP_PORT), &socket, NtpContext::new(Now(ASSUMED_TIME)));
    with_timeout(TIMEOUT, exchange).await.unwrap_or(Err(Error::Network))
}

fn adjust(stack: &Stack, server: IpAddr, result: &NtpResult) {
    let offset_ns = result.offset().saturating_mul(1000);
    let function = stack.state().function;
    match wall_clock::discipline(offset_ns) {
        Some(Adjustment::Stepped) => {
            log::info!("net {function}: time by ntp {server}, {} us off", result.offset());
        }
        Some(_) => log::debug!("net {function}: time by ntp {server}, {} us off", result.offset()),
        None => {
            wall_clock::set(UnixTime::from_nanoseconds(now().nanoseconds().saturating_add_signed(offset_ns)));
            log::info!("net {function}: time by ntp {server}");
        }
    }
}

/// Returns the time of the wall clock, or an assumed one.
fn now() -> UnixTime {
    wall_clock::now().unwrap_or_else(|| {
        let since_boot = embassy_time::Instant::now().as_micros().saturating_mul(1000);
        UnixTime::from_nanoseconds(ASSUMED_TIME.nanoseconds().saturating_add(since_boot))
    })
}

/// The time of an exchange, as of the last `init`.
#[derive(Clone, Copy)]
struct Now(UnixTime);

impl NtpTimestampGenerator for Now {
    fn init(&mut self) {
        self.0 = now();
    }

    fn timestamp_sec(&self) -> u64 {
        self.0.seconds()
    }

    fn timestamp_subsec_micros(&self) -> u32 {
        self.0.subsecond_nanoseconds() / 1000
    }
}

/// A socket that receives only what is from port 123: other hosts cannot end an exchange.
struct ServerSocket(UdpSocket);

impl NtpUdpSocket for ServerSocket {
    async fn send_to(&self, buf: &[u8], addr: SocketAddr) -> sntpc::Result<usize> {
        self.0.send(buf, addr).await.map_err(|_| Error::Network)?;
        Ok(buf.len())
    }

    async fn recv_from(&self, buf: &mut [u8]) -> sntpc::Result<(usize, SocketAddr)> {
        loop {
            match self.0.receive(buf).await {
                Ok((length, from)) if from.port() == NTP_PORT => return Ok((length, from)),
                Ok(_) | Err(_) => {}
            }
        }
    }
}
