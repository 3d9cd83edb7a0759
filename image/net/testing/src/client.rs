//! The client at the other end of the link: TCP connections and UDP datagrams, in smoltcp.

use core::net::IpAddr;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::{tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr};

use crate::card::TestCard;
use crate::clock;

/// Bytes of each buffer of a connection.
const BUFFER_BYTES: usize = 1000;

/// A TCP connection of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection(SocketHandle);

/// A host with an address of its own on the link.
pub(crate) struct Client {
    card: TestCard,
    interface: Interface,
    sockets: SocketSet<'static>,
    server: IpAddr,
    /// The sockets that answer datagrams.
    services: Vec<(SocketHandle, DatagramService)>,
    /// The sockets that answer what they receive on connections, with their ports.
    stream_services: Vec<(SocketHandle, u16, StreamService)>,
}

/// Returns the answers to a datagram.
pub(crate) type DatagramService = Box<dyn FnMut(&[u8]) -> Vec<Vec<u8>>>;

/// Returns the answer to a piece of a stream.
pub(crate) type StreamService = Box<dyn FnMut(&[u8]) -> Vec<u8>>;

fn now() -> Instant {
    Instant::from_micros(i64::try_from(clock::now_us()).expect("a test is shorter"))
}

impl Client {
    /// Creates a client that has an address of each protocol, each of which is in a network with that of the server.
    pub(crate) fn new(mut card: TestCard, addresses: [(IpAddr, u8); 2], server: IpAddr) -> Self {
        let mac = EthernetAddress([2, 0, 0, 0, 0, 2]);
        let mut interface = Interface::new(Config::new(mac.into()), &mut card, now());
        interface.update_ip_addrs(|own| {
            for (address, prefix) in addresses {
                own.push(IpCidr::new(address.into(), prefix)).expect("room for two");
            }
        });
        Self {
            card,
            interface,
            sockets: SocketSet::new(vec![]),
            server,
            services: Vec::new(),
            stream_services: Vec::new(),
        }
    }

    /// Receives and sends frames.
    pub(crate) fn poll(&mut self) {
        self.interface.poll(now(), &mut self.card, &mut self.sockets);
        for (handle, answer) in &mut self.services {
            let socket = self.sockets.get_mut::<udp::Socket<'_>>(*handle);
            while let Ok((datagram, from)) = socket.recv().map(|(datagram, from)| (datagram.to_vec(), from)) {
                for answer in answer(&datagram) {
                    socket.send_slice(&answer, from.endpoint).expect("room for the answers");
                }
            }
        }
        self.poll_streams();
    }

    /// Answers what arrives on connections to `port`, one at a time.
    pub(crate) fn serve_streams(&mut self, port: u16, answer: StreamService) {
        self.stream_services.push((self.sockets.add(tcp_socket(BUFFER_BYTES)), port, answer));
    }

    fn poll_streams(&mut self) {
        for (handle, port, answer) in &mut self.stream_services {
            let socket = self.sockets.get_mut::<tcp::Socket<'_>>(*handle);
            if socket.state() == tcp::State::Closed {
                socket.listen(*port).expect("a valid port");
            }
            while socket.can_recv() {
                let data = socket.recv(|data| (data.len(), data.to_vec())).expect("it can receive");
                socket.send_slice(&answer(&data)).expect("it can send");
            }
            if socket.state() == tcp::State::CloseWait {
                socket.close();
            }
        }
    }

    /// Answers datagrams to `port`.
    pub(crate) fn serve_datagrams(&mut self, port: u16, answer: DatagramService) {
        let socket = udp_socket(port);
        self.services.push((self.sockets.add(socket), answer));
    }

    pub(crate) fn connect(&mut self, port: u16, local_port: u16) -> Connection {
        self.connect_with_buffers(port, local_port, BUFFER_BYTES)
    }

    /// As [`connect`](Self::connect), with buffers of this size, which is that of the window.
    pub(crate) fn connect_with_buffers(&mut self, port: u16, local_port: u16, bytes: usize) -> Connection {
        let mut socket = tcp_socket(bytes);
        socket.connect(self.interface.context(), (self.server, port), local_port).expect("a valid address");
        Connection(self.sockets.add(socket))
    }

    pub(crate) fn tcp(&mut self, Connection(handle): Connection) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    pub(crate) fn remove(&mut self, Connection(handle): Connection) {
        self.sockets.remove(handle);
    }

    /// Creates a UDP socket that has sent one datagram.
    pub(crate) fn send_datagram(&mut self, port: u16, local_port: u16, datagram: &[u8]) -> SocketHandle {
        let mut socket = udp_socket(local_port);
        socket.send_slice(datagram, (self.server, port)).expect("room for one datagram");
        self.sockets.add(socket)
    }

    pub(crate) fn receive_datagram(&mut self, handle: SocketHandle) -> Option<Vec<u8>> {
        let (datagram, _) = self.sockets.get_mut::<udp::Socket<'_>>(handle).recv().ok()?;
        Some(datagram.to_vec())
    }
}

fn tcp_socket(bytes: usize) -> tcp::Socket<'static> {
    let buffer = || tcp::SocketBuffer::new(vec![0; bytes]);
    tcp::Socket::new(buffer(), buffer())
}

fn udp_socket(port: u16) -> udp::Socket<'static> {
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 16], vec![0; 16_384]);
    let mut socket = udp::Socket::new(buffer(), buffer());
    socket.bind(port).expect("a valid port");
    socket
}
