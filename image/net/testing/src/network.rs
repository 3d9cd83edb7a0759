//! A stack, its tasks and a client, which a test moves on step by step.

use core::cell::Cell;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use smoltcp::socket::tcp;
use switchboard::config::Address;
use switchboard_net::{AddressSource, InterfaceConfig, InterfaceState, Ipv6Settings, Mac, Stack};
use switchboard_runtime::tasks::{TaskGroup, Tasks};

use crate::card::TestCard;
use crate::client::{Client, Connection};
use crate::clock;
use crate::tasks::Executor;

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const CLIENT_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const ADDRESS6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
const CLIENT_ADDRESS6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);
/// How much time passes with each step.
const STEP_US: u64 = 1000;
/// Steps after which an exchange has failed: ten minutes.
const MAX_STEPS: usize = 600_000;

/// A stack with the address 10.0.0.1/24, and a client with 10.0.0.2 at the other end of its link.
///
/// Nothing runs by itself: each [`step`](Self::step) lets a millisecond pass and polls the tasks and the client. Each
/// thread has a time of its own.
pub struct TestNetwork {
    executor: Executor,
    tasks: Tasks,
    group: Rc<TaskGroup>,
    stack: Stack,
    state: Rc<InterfaceState>,
    client: Client,
    next_port: u16,
}

impl TestNetwork {
    /// Creates a stack without services, whose link is up and which has its address.
    #[must_use]
    pub fn new() -> Self {
        Self::lossy(0)
    }

    /// As [`new`](Self::new), on a link that loses one of so many frames in each direction; with 0 none.
    #[must_use]
    pub fn lossy(loss_interval: usize) -> Self {
        Self::create(loss_interval, InterfaceConfig::default())
    }

    /// As [`lossy`](Self::lossy), where both ends have IPv6 addresses too, fd00::1/64 and fd00::2/64: the client uses these.
    #[must_use]
    pub fn lossy_ipv6(loss_interval: usize) -> Self {
        let ipv6 = Ipv6Settings::default().with_address(ADDRESS6, 64);
        Self::create_with(loss_interval, InterfaceConfig::default(), ipv6, ADDRESS6.into())
    }

    /// As [`lossy_ipv6`](Self::lossy_ipv6), on a link that loses nothing.
    ///
    /// ```
    /// use switchboard_net::{TcpConfig, TcpListener};
    /// use switchboard_net_testing::TestNetwork;
    ///
    /// let mut network = TestNetwork::ipv6();
    /// let listener = TcpListener::bind(network.stack(), 4000, TcpConfig::new(1024, 1024))?;
    /// network.group().add(async move {
    ///     let stream = listener.accept().await;
    ///     let peer = stream.remote_endpoint().expect("it is connected");
    ///     let _ = stream.write(peer.ip().to_string().as_bytes()).await;
    ///     stream.close();
    ///     stream.flush().await;
    /// });
    /// assert_eq!(network.exchange(4000, b""), b"fd00::2");
    /// # Ok::<_, switchboard_net::SocketError>(())
    /// ```
    #[must_use]
    pub fn ipv6() -> Self {
        Self::lossy_ipv6(0)
    }

    /// As [`lossy`](Self::lossy), where the card of the stack splits long TCP segments; with `is_ipv6` as
    /// [`lossy_ipv6`](Self::lossy_ipv6).
    #[must_use]
    pub fn with_segmentation(loss_interval: usize, is_ipv6: bool) -> Self {
        let (card, peer) = TestCard::lossy_pair(loss_interval);
        let cards = (card.with_segmentation(), peer);
        let (ipv6, server) = match is_ipv6 {
            true => (Ipv6Settings::default().with_address(ADDRESS6, 64), ADDRESS6.into()),
            false => (Ipv6Settings::default(), ADDRESS.into()),
        };
        Self::create_on(cards, InterfaceConfig::default(), ipv6, server)
    }

    fn create(loss_interval: usize, config: InterfaceConfig) -> Self {
        Self::create_with(loss_interval, config, Ipv6Settings::default(), ADDRESS.into())
    }

    fn create_with(loss_interval: usize, config: InterfaceConfig, ipv6: Ipv6Settings, server: IpAddr) -> Self {
        Self::create_on(TestCard::lossy_pair(loss_interval), config, ipv6, server)
    }

    fn create_on(
        (card, peer): (TestCard, TestCard),
        config: InterfaceConfig,
        ipv6: Ipv6Settings,
        server: IpAddr,
    ) -> Self {
        let source = AddressSource::Static { address: ADDRESS, prefix: 24, gateway: None };
        let function = Address::new(0, 0, 1, 0);
        let state = InterfaceState::new(function, "test", Mac([2, 0, 0, 0, 0, 1]), source, 0);
        let state = state.with_config(config).with_ipv6(ipv6);
        let state = Rc::new(state);
        let (stack, runner) = Stack::new(Box::new(card), state.clone(), 1);
        let executor = Executor::new();
        let tasks = executor.tasks();
        let group = Rc::new(TaskGroup::new(tasks));
        group.add(poll_always(runner));
        let client = Client::new(peer, [(CLIENT_ADDRESS.into(), 24), (CLIENT_ADDRESS6.into(), 64)], server);
        let mut network = Self { executor, tasks, group, stack, state, client, next_port: 49152 };
        // The first poll finds the link up, the second sets the address.
        network.step();
        network.step();
        network
    }

    /// As [`new`](Self::new), with a configuration besides the address: servers, search domains, the host name.
    #[must_use]
    pub fn with_config(config: InterfaceConfig) -> Self {
        Self::create(0, config)
    }

    /// Returns the stack, to create sockets and start services.
    #[must_use]
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// Returns the group of the stack's tasks.
    #[must_use]
    pub fn group(&self) -> &Rc<TaskGroup> {
        &self.group
    }

    /// Returns what starts tasks of their own.
    #[must_use]
    pub fn tasks(&self) -> Tasks {
        self.tasks
    }

    /// Returns the state of the interface.
    #[must_use]
    pub fn state(&self) -> &InterfaceState {
        &self.state
    }

    /// Lets a millisecond pass, polls the tasks that were woken, and then the client.
    pub fn step(&mut self) {
        clock::advance_us(STEP_US);
        self.executor.poll();
        self.client.poll();
    }

    /// Runs a future as a task of the stack, until it is ready.
    ///
    /// # Panics
    /// When it is not ready within ten minutes of the test's time.
    pub fn wait<T: 'static>(&mut self, future: impl Future<Output = T> + 'static) -> T {
        let group = self.group.clone();
        wait(&group, future, || self.step())
    }

    /// Has the client answer each datagram to `port` with the datagrams that `answer` returns.
    ///
    /// ```
    /// use switchboard_net::UdpSocket;
    /// use switchboard_net_testing::TestNetwork;
    ///
    /// let mut network = TestNetwork::new();
    /// network.serve_datagrams(69, |datagram| vec![datagram.to_ascii_uppercase()]);
    /// let socket = UdpSocket::bind_any(network.stack(), 4, 4096)?;
    /// let answer = network.wait(async move {
    ///     let mut buffer = [0; 100];
    ///     socket.send(b"abc", ([10, 0, 0, 2], 69).into()).await.expect("a valid address");
    ///     let (length, _from) = socket.receive(&mut buffer).await.expect("a short answer");
    ///     buffer[..length].to_vec()
    /// });
    /// assert_eq!(answer, b"ABC");
    /// # Ok::<_, switchboard_net::SocketError>(())
    /// ```
    pub fn serve_datagrams(&mut self, port: u16, answer: impl FnMut(&[u8]) -> Vec<Vec<u8>> + 'static) {
        self.client.serve_datagrams(port, Box::new(answer));
    }

    /// Has the client accept connections to `port`, one at a time, and answer each piece that arrives with what `answer`
    /// returns.
    pub fn serve_streams(&mut self, port: u16, answer: impl FnMut(&[u8]) -> Vec<u8> + 'static) {
        self.client.serve_streams(port, Box::new(answer));
    }

    /// Connects to `port`, sends `request`, closes that side, and returns what the stack sends until it closes too.
    ///
    /// # Panics
    /// When the connection is refused, or not closed within ten minutes of the test's time.
    pub fn exchange(&mut self, port: u16, request: &[u8]) -> Vec<u8> {
        let connection = self.connect(port);
        let (mut rest, mut response, mut was_connected) = (request, Vec::new(), false);
        for _ in 0..MAX_STEPS {
            self.step();
            let sent = self.send(connection, rest);
            rest = &rest[sent..];
            was_connected |= self.is_connected(connection);
            if rest.is_empty() && self.is_connected(connection) {
                self.close(connection);
            }
            response.extend(self.receive(connection));
            if self.has_ended(connection) {
                assert!(was_connected, "port {port}: the connection was refused");
                self.client.remove(connection);
                return response;
            }
        }
        panic!("port {port}: the connection is still open, after {} bytes", response.len());
    }

    /// Sends a datagram to `port`, and returns the one that comes back.
    ///
    /// # Panics
    /// When none comes back within ten minutes of the test's time.
    pub fn exchange_datagram(&mut self, port: u16, datagram: &[u8]) -> Vec<u8> {
        let local_port = self.local_port();
        let socket = self.client.send_datagram(port, local_port, datagram);
        for _ in 0..MAX_STEPS {
            self.step();
            if let Some(answer) = self.client.receive_datagram(socket) {
                return answer;
            }
        }
        panic!("port {port}: no datagram came back");
    }

    /// Begins to connect the client to `port`.
    pub fn connect(&mut self, port: u16) -> Connection {
        let local_port = self.local_port();
        self.client.connect(port, local_port)
    }

    /// As [`connect`](Self::connect), with a window of so many bytes.
    pub fn connect_with_window(&mut self, port: u16, bytes: usize) -> Connection {
        let local_port = self.local_port();
        self.client.connect_with_buffers(port, local_port, bytes)
    }

    /// Each connection has a port of its own, as the last one may be in TIME-WAIT.
    fn local_port(&mut self) -> u16 {
        self.next_port = self.next_port.checked_add(1).unwrap_or(49152);
        self.next_port
    }

    /// Sends as much as the client's buffer takes now. Returns the number of bytes.
    pub fn send(&mut self, connection: Connection, data: &[u8]) -> usize {
        let socket = self.client.tcp(connection);
        if socket.can_send() { socket.send_slice(data).expect("it can send") } else { 0 }
    }

    /// Returns what the client has received.
    pub fn receive(&mut self, connection: Connection) -> Vec<u8> {
        let socket = self.client.tcp(connection);
        let mut received = Vec::new();
        while socket.can_recv() {
            socket.recv(|piece| (piece.len(), received.extend_from_slice(piece))).expect("it can receive");
        }
        received
    }

    /// Closes the client's side.
    pub fn close(&mut self, connection: Connection) {
        self.client.tcp(connection).close();
    }

    /// Resets a connection and forgets it, once the reset has been sent.
    pub fn abort(&mut self, connection: Connection) {
        self.client.tcp(connection).abort();
        self.step();
        self.client.remove(connection);
    }

    /// Returns whether the client's side is open.
    pub fn is_connected(&mut self, connection: Connection) -> bool {
        self.client.tcp(connection).may_send()
    }

    /// Returns whether a connection was closed by both sides, refused or reset.
    pub fn has_ended(&mut self, connection: Connection) -> bool {
        matches!(self.client.tcp(connection).state(), tcp::State::TimeWait | tcp::State::Closed)
    }
}

/// Runs a future as a task of a group, with a step after the other, until it is ready.
pub(crate) fn wait<T: 'static>(
    group: &TaskGroup,
    future: impl Future<Output = T> + 'static,
    mut step: impl FnMut(),
) -> T {
    let result = Rc::new(Cell::new(None));
    let place = result.clone();
    group.add(async move { place.set(Some(future.await)) });
    for _ in 0..MAX_STEPS {
        step();
        if let Some(result) = result.take() {
            return result;
        }
    }
    panic!("the future is not ready");
}

/// Polls a future whenever the executor polls: a card of memory does not wake its task.
pub(crate) async fn poll_always(future: impl Future<Output = ()>) {
    let mut future = core::pin::pin!(future);
    core::future::poll_fn(|context| {
        context.waker().wake_by_ref();
        future.as_mut().poll(context)
    })
    .await;
}

impl Default for TestNetwork {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TestNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestNetwork").field("state", &self.state).finish_non_exhaustive()
    }
}
