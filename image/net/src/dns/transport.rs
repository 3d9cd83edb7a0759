//! Exchanges with servers: over UDP with a port of its own for each query, over TCP where an answer is too long.

use core::net::{IpAddr, SocketAddr};

use embassy_time::{Duration, Instant, with_deadline};

use super::error::ResolveError;
use super::message::{Answer, Query};
use crate::ipv6::MDNS;
use crate::mdns;
use crate::stack::{Stack, UdpSocket};

const DNS_PORT: u16 = 53;
/// Without EDNS, answers over UDP have at most 512 bytes (RFC 1035, 4.2.1); those by multicast may fill a frame.
const MAX_UDP_BYTES: usize = 1500;
/// Where hosts of the link answer for names in `local` (RFC 6762, 3).
const MULTICAST_PORT: u16 = 5353;
const MULTICAST: [SocketAddr; 2] =
    [SocketAddr::new(IpAddr::V4(mdns::GROUP), MULTICAST_PORT), SocketAddr::new(IpAddr::V6(MDNS), MULTICAST_PORT)];

/// Asks a server, and waits for its answer until `timeout` has passed.
pub(super) async fn ask_server(
    stack: &Stack,
    server: IpAddr,
    query: &Query,
    timeout: Duration,
) -> Result<Answer, ResolveError> {
    let server = SocketAddr::new(server, DNS_PORT);
    match over_udp(stack, &[server], query, timeout, |from| from == server).await? {
        Answer::Truncated => Ok(super::tcp::ask(stack, server, query, timeout).await),
        answer => Ok(answer),
    }
}

/// Asks all hosts of the link for a name in `local`, from a port of its own, to which they answer directly (RFC 6762, 6.7).
pub(super) async fn ask_link(stack: &Stack, query: &Query, timeout: Duration) -> Result<Answer, ResolveError> {
    over_udp(stack, &MULTICAST, query, timeout, |from| from.port() == MULTICAST_PORT).await
}

async fn over_udp(
    stack: &Stack,
    destinations: &[SocketAddr],
    query: &Query,
    timeout: Duration,
    is_sender: impl Fn(SocketAddr) -> bool,
) -> Result<Answer, ResolveError> {
    let deadline = Instant::now() + timeout;
    let socket = UdpSocket::bind_any(stack, 4, MAX_UDP_BYTES).map_err(|_| ResolveError::NoSocket)?;
    socket.set_multicast_hops(mdns::TIME_TO_LIVE);
    let exchange = async {
        // A server of a protocol that the interface does not have is as one that does not answer.
        let mut is_sent = false;
        for to in destinations {
            is_sent |= socket.send(query.message(), *to).await.is_ok();
        }
        if !is_sent {
            return Answer::Failed;
        }
        let mut buffer = [0; MAX_UDP_BYTES];
        loop {
            let Ok((length, from)) = socket.receive(&mut buffer).await else { continue };
            if !is_sender(from) {
                continue;
            }
            match query.parse(&buffer[..length]) {
                Answer::Unrelated => {}
                answer => return answer,
            }
        }
    };
    with_deadline(deadline, exchange).await.map_err(|_| ResolveError::TimedOut)
}
