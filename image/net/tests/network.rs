//! A stack on a wire of memory, with a client at the other end: many connections, lost frames, too many sockets.

extern crate alloc;

use core::cell::{Cell, RefCell};
use core::pin::Pin;
use core::task::{Context, Waker};
use std::collections::VecDeque;
use std::rc::Rc;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Address};
use switchboard::config::Address;
use switchboard_drivers::interfaces::network::Card;
use switchboard_net::{AcceptError, AddressSource, Runner, Stack, State, TcpSocket, UdpSocket};

/// Time that passes when a test says so.
struct Clock;

std::thread_local! {
    /// Each test has a thread, and so a time of its own.
    static MICROSECONDS: Cell<u64> = const { Cell::new(1) };
}

impl embassy_time_driver::Driver for Clock {
    fn now(&self) -> u64 {
        MICROSECONDS.get()
    }

    /// Everything is polled in each round.
    fn schedule_wake(&self, _at: u64, _waker: &Waker) {}
}

embassy_time_driver::time_driver_impl!(static CLOCK: Clock = Clock);

const OURS: Ipv4Address = Ipv4Address::new(10, 0, 0, 1);
const THEIRS: Ipv4Address = Ipv4Address::new(10, 0, 0, 2);

/// Frames on their way, of which one in so many is lost.
#[derive(Default)]
struct Way {
    frames: RefCell<VecDeque<Vec<u8>>>,
    sent: Cell<usize>,
    loses_each: usize,
}

impl Way {
    fn push(&self, frame: Vec<u8>) {
        self.sent.set(self.sent.get() + 1);
        if self.loses_each == 0 || !self.sent.get().is_multiple_of(self.loses_each) {
            self.frames.borrow_mut().push_back(frame);
        }
    }

    fn pop(&self) -> Option<Vec<u8>> {
        self.frames.borrow_mut().pop_front()
    }
}

/// An end of the wire, for the stack and for the client.
struct End {
    incoming: Rc<Way>,
    outgoing: Rc<Way>,
}

struct Incoming(Vec<u8>);
struct Outgoing<'a>(&'a Way);

impl Outgoing<'_> {
    fn fill<R>(self, length: usize, fill: impl FnOnce(&mut [u8]) -> R) -> R {
        let mut frame = vec![0; length];
        let result = fill(&mut frame);
        self.0.push(frame);
        result
    }
}

impl embassy_net_driver::RxToken for Incoming {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, read: F) -> R {
        read(&mut self.0)
    }
}

impl embassy_net_driver::TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        self.fill(length, fill)
    }
}

impl Card for End {
    /// Whoever has it polls it all the time.
    fn set_polled(&mut self, _is_polled: bool) {}
}

impl Driver for End {
    type RxToken<'a> = Incoming;
    type TxToken<'a> = Outgoing<'a>;

    fn receive(&mut self, _context: &mut Context<'_>) -> Option<(Incoming, Outgoing<'_>)> {
        Some((Incoming(self.incoming.pop()?), Outgoing(&self.outgoing)))
    }

    fn transmit(&mut self, _context: &mut Context<'_>) -> Option<Outgoing<'_>> {
        Some(Outgoing(&self.outgoing))
    }

    fn link_state(&mut self, _context: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = 1514;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet([2, 0, 0, 0, 0, 1])
    }
}

impl smoltcp::phy::RxToken for Incoming {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

impl smoltcp::phy::TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        self.fill(length, fill)
    }
}

impl Device for End {
    type RxToken<'a> = Incoming;
    type TxToken<'a> = Outgoing<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(Incoming, Outgoing<'_>)> {
        Some((Incoming(self.incoming.pop()?), Outgoing(&self.outgoing)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Outgoing<'_>> {
        Some(Outgoing(&self.outgoing))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

type Work = Pin<Box<dyn Future<Output = ()>>>;

/// The stack with what runs on it, and its client.
struct Bench {
    stack: Stack,
    work: Vec<Work>,
    end: End,
    client: Interface,
    sockets: SocketSet<'static>,
}

impl Bench {
    fn new(loses_each: usize) -> Self {
        let way = || Rc::new(Way { loses_each, ..Way::default() });
        let (there, back) = (way(), way());
        let mut end = End { incoming: back.clone(), outgoing: there.clone() };
        let source = AddressSource::Static { address: OURS, prefix: 24, gateway: None };
        let nic = Box::new(End { incoming: there, outgoing: back });
        let mac = switchboard_net::Mac([2, 0, 0, 0, 0, 1]);
        let state = Rc::new(State::new(Address::new(0, 0, 1, 0), "wire", mac, source, 0));
        let (stack, runner): (Stack, Runner) = Stack::new(nic, state, 1);
        let mut client = Interface::new(Config::new(EthernetAddress([2, 0, 0, 0, 0, 2]).into()), &mut end, now());
        client.update_ip_addrs(|addresses| addresses.push(IpCidr::new(THEIRS.into(), 24)).expect("room for one"));
        let mut bench = Self { stack, work: vec![Box::pin(runner)], end, client, sockets: SocketSet::new(vec![]) };
        // The link comes up, and the stack takes its address.
        bench.round();
        bench.round();
        bench
    }

    fn serve_echo(&mut self, workers: usize) {
        for _ in 0..workers {
            let stack = self.stack.clone();
            self.work.push(Box::pin(async move {
                loop {
                    let socket = TcpSocket::new(&stack, 1000, 1000).expect("room for a socket");
                    socket.accept(7).await.expect("a port");
                    let mut buffer = [0; 700];
                    while let Ok(length @ 1..) = socket.read(&mut buffer).await {
                        let mut rest = &buffer[..length];
                        while !rest.is_empty() {
                            let Ok(written) = socket.write(rest).await else { break };
                            rest = &rest[written..];
                        }
                    }
                    socket.close();
                    socket.flush().await;
                }
            }));
        }
    }

    fn connect(&mut self, local_port: u16) -> SocketHandle {
        let buffer = || tcp::SocketBuffer::new(vec![0; 1000]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.connect(self.client.context(), (OURS, 7), local_port).expect("a good address");
        self.sockets.add(socket)
    }

    /// A millisecond goes by.
    fn round(&mut self) {
        MICROSECONDS.set(MICROSECONDS.get() + 1000);
        let mut context = Context::from_waker(Waker::noop());
        for work in &mut self.work {
            assert!(work.as_mut().poll(&mut context).is_pending(), "nothing here ends");
        }
        self.client.poll(now(), &mut self.end, &mut self.sockets);
    }

    /// Has each connection send `length` bytes of its own, and compares what comes back.
    fn converse(&mut self, connections: &[SocketHandle], length: usize, most_rounds: usize) {
        let byte = |connection: usize, place: usize| (connection * 31 + place * 7).to_le_bytes()[0];
        let mut progress = vec![(0, 0); connections.len()];
        for _ in 0..most_rounds {
            self.round();
            for (index, handle) in connections.iter().enumerate() {
                let socket = self.sockets.get_mut::<tcp::Socket<'_>>(*handle);
                let (sent, received) = &mut progress[index];
                while *sent < length && socket.can_send() {
                    *sent += socket.send_slice(&[byte(index, *sent)]).expect("connected");
                }
                while socket.can_recv() {
                    let mut one = [0];
                    socket.recv_slice(&mut one).expect("connected");
                    assert_eq!(one[0], byte(index, *received), "byte {received} of connection {index}");
                    *received += 1;
                }
            }
            if progress.iter().all(|(_, received)| *received == length) {
                return;
            }
        }
        panic!("not all came back: {progress:?}");
    }
}

fn now() -> Instant {
    Instant::from_micros(i64::try_from(MICROSECONDS.get()).expect("not so long"))
}

#[test]
fn each_of_many_connections_gets_its_own_and_makes_room_for_the_next() {
    let mut bench = Bench::new(0);
    bench.serve_echo(300);
    for round in 0..3 {
        let connections: Vec<_> = (0..300).map(|index| bench.connect(20_000 + 1000 * round + index)).collect();
        bench.converse(&connections, 3000, 1000);
        for handle in &connections {
            bench.sockets.get_mut::<tcp::Socket<'_>>(*handle).close();
        }
        for _ in 0..100 {
            bench.round();
        }
        for handle in connections {
            let socket = bench.sockets.get::<tcp::Socket<'_>>(handle);
            assert!(matches!(socket.state(), tcp::State::TimeWait | tcp::State::Closed), "{}", socket.state());
            bench.sockets.remove(handle);
        }
    }
}

#[test]
fn lost_frames_cost_time_and_nothing_else() {
    let mut bench = Bench::new(7);
    bench.serve_echo(20);
    let connections: Vec<_> = (0..20).map(|index| bench.connect(30_000 + index)).collect();
    bench.converse(&connections, 5000, 200_000);
}

#[test]
fn nobody_listens_and_the_client_is_told() {
    let mut bench = Bench::new(0);
    let connection = bench.connect(40_000);
    for _ in 0..10 {
        bench.round();
    }
    assert_eq!(bench.sockets.get::<tcp::Socket<'_>>(connection).state(), tcp::State::Closed);
}

#[test]
fn a_peer_that_changes_its_mind_leaves_the_socket_listening() {
    let mut bench = Bench::new(0);
    bench.serve_echo(1);
    for attempt in 0..10 {
        let connection = bench.connect(41_000 + attempt);
        // The first asks for the neighbour, or sends the SYN.
        bench.round();
        bench.sockets.get_mut::<tcp::Socket<'_>>(connection).abort();
        bench.round();
        bench.round();
        bench.sockets.remove(connection);
    }
    let connection = bench.connect(42_000);
    bench.converse(&[connection], 100, 100);
}

#[test]
fn too_many_sockets_are_an_error_and_dropping_one_makes_room() {
    let bench = Bench::new(0);
    let mut sockets = Vec::new();
    let error = loop {
        match TcpSocket::new(&bench.stack, 1, 1) {
            Ok(socket) => sockets.push(socket),
            Err(error) => break error,
        }
    };
    assert_eq!((error, sockets.len()), (AcceptError::TooMany, 512));
    assert!(matches!(UdpSocket::bind(&bench.stack, 7, 1, 100), Err(AcceptError::TooMany)));
    sockets.pop();
    assert!(UdpSocket::bind(&bench.stack, 7, 1, 100).is_ok());
    assert!(matches!(UdpSocket::bind(&bench.stack, 0, 1, 100), Err(AcceptError::NoPort)));
}
