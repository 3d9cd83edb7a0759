//! Host ports for one guest.

use std::net::{TcpListener, UdpSocket};

/// Ports that were unused, for both TCP and UDP, when they were chosen.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// Forwarded to port 80.
    pub http: u16,
    /// Forwarded to port 7.
    pub echo: u16,
    /// Forwarded to port 9.
    pub discard: u16,
    /// Forwarded to port 19.
    pub chargen: u16,
    /// Forwarded to port 443.
    pub https: u16,
    /// Forwarded to the port of the service that sends bodies and messages back.
    pub rest: u16,
    /// QEMU's port for frames.
    pub frames: u16,
    /// The client's port for frames.
    pub frames_back: u16,
}

impl Ports {
    /// Chooses unused ports.
    ///
    /// # Panics
    /// Panics when the host has none.
    #[must_use]
    pub fn free() -> Self {
        // Kept open until all are chosen, so that they differ.
        let held: Vec<_> = core::iter::repeat_with(|| {
            let tcp = TcpListener::bind(("127.0.0.1", 0)).ok()?;
            let port = tcp.local_addr().ok()?.port();
            let udp = UdpSocket::bind(("127.0.0.1", port)).ok()?;
            Some((port, tcp, udp))
        })
        .take(100)
        .flatten()
        .take(8)
        .collect();
        let [http, echo, discard, chargen, https, rest, frames, frames_back] =
            held.iter().map(|held| held.0).collect::<Vec<_>>()[..]
        else {
            panic!("this host has no free ports");
        };
        Self { http, echo, discard, chargen, https, rest, frames, frames_back }
    }
}
