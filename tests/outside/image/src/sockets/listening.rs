//! Sockets that wait: a listener whose connections are split, datagrams, multicast groups, raw packets.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use embedded_io_async::{Read, ReadExactError, Write};
use switchboard_net::{RawSocket, Stack, TcpConfig, TcpListener, UdpSocket};
use switchboard_runtime::say;
use switchboard_runtime::tasks::TaskGroup;

/// The port that sends datagrams back, with their bytes in reverse.
const REVERSE_PORT: u16 = 4000;
/// The port that sends frames back: two bytes of length, most significant first, and so many bytes.
const FRAME_PORT: u16 = 4003;
/// The port and the groups whose datagrams are answered.
const GROUP_PORT: u16 = 4004;
const GROUPS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(239, 255, 0, 1)),
    // For this link (RFC 4291, 2.7).
    IpAddr::V6(Ipv6Addr::new(0xff12, 0, 0, 0, 0, 0, 0, 0x4004)),
];
/// A protocol for experiments (RFC 3692), whose packets are sent back.
const RAW_PROTOCOL: u8 = 253;

/// Starts all of them on a stack.
pub(crate) fn start(group: &Rc<TaskGroup>, stack: &Stack) {
    let configured = stack.clone();
    group.add(async move {
        let config = configured.state().configured().await;
        say!("outside: configured: {}", config.addresses.len());
    });
    if let Ok(listener) = TcpListener::bind(stack, FRAME_PORT, TcpConfig::new(8192, 8192)) {
        let tasks = group.clone();
        group.add(async move {
            loop {
                let (reader, writer) = listener.accept().await.split();
                // An error is the end of a connection.
                tasks.add(async move { drop(send_frames_back(reader, writer).await) });
            }
        });
    }
    if let Ok(socket) = UdpSocket::bind(stack, REVERSE_PORT, 4, 4096) {
        group.add(answer(socket, |datagram| datagram.reverse()));
    }
    if let Ok(socket) = UdpSocket::bind(stack, GROUP_PORT, 4, 4096) {
        let is_member = GROUPS.iter().all(|group| socket.join(*group).is_ok());
        say!("outside: member of the groups: {is_member}");
        group.add(answer(socket, |datagram| datagram.make_ascii_uppercase()));
    }
    if let Ok(socket) = RawSocket::bind(stack, RAW_PROTOCOL, 4, 4096) {
        group.add(send_packets_back(socket));
    }
}

/// Sends each datagram back to its sender, changed.
async fn answer(socket: UdpSocket, change: fn(&mut [u8])) {
    let mut buffer = [0; 1500];
    loop {
        let Ok((length, from)) = socket.receive(&mut buffer).await else { continue };
        change(&mut buffer[..length]);
        // UDP promises nothing; a datagram that cannot be sent is lost.
        let _ = socket.send(&buffer[..length], from).await;
    }
}

async fn send_packets_back(socket: RawSocket) {
    let mut buffer = [0; 1500];
    loop {
        let Ok((length, from)) = socket.receive(&mut buffer).await else { continue };
        // The version is in the upper half of the first byte; that of IPv6 has a header of one length.
        let header = if buffer[0] >> 4 == 4 { usize::from(buffer[0] & 0xf) * 4 } else { 40 };
        // IP promises nothing; a packet that cannot be sent is lost.
        if let Some(payload) = buffer.get(header..length) {
            let _ = socket.send(from, 64, payload);
        }
    }
}

/// Works on any reader and writer.
async fn send_frames_back<E>(
    mut reader: impl Read<Error = E>,
    mut writer: impl Write<Error = E>,
) -> Result<(), ReadExactError<E>> {
    let mut frame = Vec::new();
    loop {
        let mut length = [0; 2];
        reader.read_exact(&mut length).await?;
        frame.resize(u16::from_be_bytes(length).into(), 0);
        reader.read_exact(&mut frame).await?;
        writer.write_all(&length).await.map_err(ReadExactError::Other)?;
        writer.write_all(&frame).await.map_err(ReadExactError::Other)?;
    }
}
