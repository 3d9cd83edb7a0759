//! The means by which frames reach a guest: QEMU's datagrams, or a tap.

use core::time::Duration;
use std::io::{self, IoSlice};
use std::net::UdpSocket;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrLike, bind, recv, sendmsg, setsockopt, socket,
};
use nix::sys::time::TimeVal;

/// Sends and receives Ethernet frames.
pub(super) trait Wire {
    /// Sends a frame.
    fn send(&self, frame: &[u8]) -> io::Result<()>;
    /// Receives a frame; returns its length.
    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize>;
    /// Sets the time after which [`receive`](Self::receive) fails.
    fn set_timeout(&self, timeout: Duration) -> io::Result<()>;
}

impl Wire for UdpSocket {
    fn send(&self, frame: &[u8]) -> io::Result<()> {
        Self::send(self, frame).map(drop)
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.recv(buffer)
    }

    fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(timeout))
    }
}

/// A packet socket on a network device of the namespace of the thread that opened it.
#[derive(Debug)]
pub struct Packets(OwnedFd);

impl Packets {
    /// Opens the socket.
    ///
    /// # Errors
    /// Returns an error when there is no such device, or no right to do so.
    pub fn open(device: &str) -> io::Result<Self> {
        let link = |it: nix::ifaddrs::InterfaceAddress| {
            let address = it.address.filter(|address| address.family() == Some(AddressFamily::Packet))?;
            (it.interface_name == device).then(|| address.as_link_addr().copied())?
        };
        let address = getifaddrs()?.find_map(link);
        let address = address.ok_or_else(|| io::Error::other(format!("no network device {device}")))?;
        let flags = SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
        // Without a protocol of its own the address keeps that of the socket.
        bind(socket.as_raw_fd(), &address)?;
        Ok(Self(socket))
    }
}

impl Wire for Packets {
    fn send(&self, frame: &[u8]) -> io::Result<()> {
        let frame = [IoSlice::new(frame)];
        sendmsg::<()>(self.0.as_raw_fd(), &frame, &[], MsgFlags::empty(), None)?;
        Ok(())
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(recv(self.0.as_raw_fd(), buffer, MsgFlags::empty())?)
    }

    fn set_timeout(&self, timeout: Duration) -> io::Result<()> {
        let microseconds = i64::from(timeout.subsec_micros());
        let seconds = i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX);
        Ok(setsockopt(&self.0, ReceiveTimeout, &TimeVal::new(seconds, microseconds))?)
    }
}
