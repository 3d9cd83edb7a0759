//! Ports of this host for one guest.

use std::net::{TcpListener, UdpSocket};

/// Each is free as it is taken; each is for TCP and UDP.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// Forwarded to 80.
    pub http: u16,
    /// Forwarded to 7.
    pub echo: u16,
    /// Forwarded to 9.
    pub discard: u16,
    /// Forwarded to 19.
    pub chargen: u16,
    /// QEMU's end of the frames.
    pub frames: u16,
    /// Our end of the frames.
    pub frames_back: u16,
}

impl Ports {
    /// Ports that nobody has.
    ///
    /// # Panics
    /// Panics when there are none.
    #[must_use]
    pub fn free() -> Self {
        // Held until all are there, so that they differ.
        let held: Vec<_> = core::iter::repeat_with(|| {
            let tcp = TcpListener::bind(("127.0.0.1", 0)).ok()?;
            let port = tcp.local_addr().ok()?.port();
            let udp = UdpSocket::bind(("127.0.0.1", port)).ok()?;
            Some((port, tcp, udp))
        })
        .take(100)
        .flatten()
        .take(6)
        .collect();
        let [http, echo, discard, chargen, frames, frames_back] =
            held.iter().map(|held| held.0).collect::<Vec<_>>()[..]
        else {
            panic!("this host has no free ports");
        };
        Self { http, echo, discard, chargen, frames, frames_back }
    }
}
