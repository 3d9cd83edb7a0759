//! TLS below the HTTP server: feature `http`.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::pin::pin;
use core::task::{Context, Poll, Waker, ready};

use embassy_time::with_timeout;
use rustls::server::UnbufferedServerConnection;
use switchboard_http::Transport;
use switchboard_net::Disconnected;

use crate::acceptor::TlsAcceptor;
use crate::session::{End, Failure, MAX_TEXT_BYTES, Session};
use crate::stream::HANDSHAKE_TIMEOUT;

/// A TLS connection that carries requests and responses, over a transport that carries its records.
///
/// Made by [`TlsAcceptor::accept_http`].
pub struct TlsTransport<T> {
    transport: T,
    state: RefCell<State>,
}

/// The session, and what belongs to it.
struct State {
    session: Session,
    /// Where text is written before it is encrypted: one for all connections of an acceptor.
    scratch: Rc<RefCell<Vec<u8>>>,
    /// The task that waits until records are sent; another task may send them.
    writer: Option<Waker>,
    has_failed: bool,
}

impl TlsAcceptor {
    /// Accepts a connection for the HTTP server; returns `None`, and logs the reason for debugging, when the handshake fails
    /// or takes too long.
    ///
    /// ```no_run
    /// use std::rc::Rc;
    /// use switchboard_http::{Server, Site};
    /// use switchboard_net::{Network, TcpStream};
    /// use switchboard_runtime::system::System;
    /// use switchboard_tls::TlsAcceptor;
    ///
    /// async fn start(system: &mut System, site: &'static dyn Site, acceptor: TlsAcceptor) -> Rc<Network> {
    ///     let network = Network::new(system);
    ///     let serve = move |group: &_, stack: &_| {
    ///         let acceptor = acceptor.clone();
    ///         Server::new(443, site).serve_with(group, stack, async move |socket: &Rc<TcpStream>| {
    ///             acceptor.accept_http(socket.clone()).await
    ///         });
    ///     };
    ///     network.start(system, Rc::new(serve)).await;
    ///     network
    /// }
    /// ```
    pub async fn accept_http<T: Transport>(&self, transport: T) -> Option<TlsTransport<T>> {
        let connection = UnbufferedServerConnection::new(self.config.clone()).ok()?;
        let session = Session::new(End::Server(connection)).ok()?;
        let state = State { session, scratch: self.scratch.clone(), writer: None, has_failed: false };
        let stream = TlsTransport { transport, state: RefCell::new(state) };
        let handshake = poll_fn(|context| {
            let state = &mut *stream.state.borrow_mut();
            loop {
                state.send(&stream.transport, context);
                if state.session.is_established {
                    return Poll::Ready(Ok(()));
                }
                match state.receive(&stream.transport, context) {
                    Poll::Ready(Ok(())) => {}
                    other => return other,
                }
            }
        });
        match with_timeout(HANDSHAKE_TIMEOUT, handshake).await {
            Ok(Ok(())) => Some(stream),
            Ok(Err(Disconnected)) => None,
            Err(_) => {
                stream.transport.abort();
                None
            }
        }
    }
}

impl State {
    /// Writes records to the transport, as far as there is room; the task is woken when there is more.
    fn send(&mut self, transport: &impl Transport, context: &mut Context<'_>) {
        while !self.session.buffers.unsent().is_empty() {
            let unsent = self.session.buffers.unsent();
            let write = |room: &mut [u8]| {
                let count = unsent.len().min(room.len());
                room[..count].copy_from_slice(&unsent[..count]);
                (count, count)
            };
            let written = { pin!(transport.write_with(write)).poll(context) };
            match written {
                Poll::Ready(Ok(count)) => self.session.buffers.add_sent(count),
                // A reader finds the end, too.
                Poll::Ready(Err(Disconnected)) => {
                    self.has_failed = true;
                    return;
                }
                Poll::Pending => return,
            }
        }
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }

    /// Receives and processes bytes of the transport.
    fn receive(&mut self, transport: &impl Transport, context: &mut Context<'_>) -> Poll<Result<(), Disconnected>> {
        if self.has_failed {
            return Poll::Ready(Err(Disconnected));
        }
        let buffers = &mut self.session.buffers;
        let Ok(room) = buffers.room() else { return Poll::Ready(Err(Disconnected)) };
        let read = |data: &mut [u8]| {
            let count = data.len().min(room.len());
            room[..count].copy_from_slice(&data[..count]);
            (count, count)
        };
        let received = { pin!(transport.read_with(read)).poll(context) };
        let count = match received {
            Poll::Ready(Ok(count)) => count,
            Poll::Ready(Err(Disconnected)) => return Poll::Ready(Err(Disconnected)),
            Poll::Pending => return Poll::Pending,
        };
        buffers.add_received(count);
        let processed = self.session.process();
        self.send(transport, context);
        if let Err(failure) = processed {
            // As often as a peer likes: at a level that is off by default.
            log::debug!("TLS: {}", Reason(failure));
            self.has_failed = true;
            return Poll::Ready(Err(Disconnected));
        }
        Poll::Ready(Ok(()))
    }
}

/// Displays a failure.
struct Reason(Failure);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Failure::OutOfMemory => f.write_str("no memory for the connection"),
            Failure::Protocol(error) => write!(f, "{error}"),
        }
    }
}

impl<T: Transport> Transport for TlsTransport<T> {
    async fn read_with<R>(&self, read: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<R, Disconnected> {
        let mut read = Some(read);
        poll_fn(|context| {
            let state = &mut *self.state.borrow_mut();
            loop {
                state.send(&self.transport, context);
                let unread = state.session.buffers.unread();
                if !unread.is_empty() {
                    let Some(read) = read.take() else { return Poll::Ready(Err(Disconnected)) };
                    let (count, result) = read(unread);
                    state.session.buffers.consume(count);
                    return Poll::Ready(Ok(result));
                }
                if state.session.is_ended {
                    return Poll::Ready(Err(Disconnected));
                }
                match state.receive(&self.transport, context) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(Disconnected)) => return Poll::Ready(Err(Disconnected)),
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }

    async fn write_with<R>(&self, write: impl FnOnce(&mut [u8]) -> (usize, R)) -> Result<R, Disconnected> {
        let mut write = Some(write);
        poll_fn(|context| {
            ready!(self.poll_room(context, MAX_TEXT_BYTES))?;
            let state = &mut *self.state.borrow_mut();
            let Some(write) = write.take() else { return Poll::Ready(Err(Disconnected)) };
            let scratch = state.scratch.clone();
            let scratch = &mut *scratch.borrow_mut();
            scratch.resize(MAX_TEXT_BYTES, 0);
            let (count, result) = write(scratch);
            if count > 0 && state.session.write(&scratch[..count.min(MAX_TEXT_BYTES)]).is_err() {
                state.has_failed = true;
                return Poll::Ready(Err(Disconnected));
            }
            state.send(&self.transport, context);
            Poll::Ready(Ok(result))
        })
        .await
    }

    fn poll_room(&self, context: &mut Context<'_>, _bytes: usize) -> Poll<Result<usize, Disconnected>> {
        let state = &mut *self.state.borrow_mut();
        state.send(&self.transport, context);
        if state.has_failed || state.session.is_closed {
            return Poll::Ready(Err(Disconnected));
        }
        if !state.session.buffers.unsent().is_empty() {
            state.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(MAX_TEXT_BYTES))
    }

    fn expect_to_send(&self, bytes: u64) {
        self.transport.expect_to_send(bytes);
    }

    fn expect_to_receive(&self, bytes: u64) {
        self.transport.expect_to_receive(bytes);
    }

    fn queued_bytes(&self) -> usize {
        self.transport.queued_bytes() + self.state.borrow().session.buffers.unsent().len()
    }

    fn peer(&self) -> Option<SocketAddr> {
        self.transport.peer()
    }

    fn close(&self) {
        let state = &mut *self.state.borrow_mut();
        // What finds no room is lost: the peer does not read.
        if state.session.close().is_ok() {
            state.send(&self.transport, &mut Context::from_waker(Waker::noop()));
        }
        self.transport.close();
    }

    fn abort(&self) {
        self.transport.abort();
    }

    fn idle(&self) {
        self.transport.idle();
    }

    async fn finish(&self) {
        poll_fn(|context| {
            let state = &mut *self.state.borrow_mut();
            if state.session.close().is_err() {
                return Poll::Ready(());
            }
            state.send(&self.transport, context);
            if state.has_failed || state.session.buffers.unsent().is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl<T> fmt::Debug for TlsTransport<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsTransport").finish_non_exhaustive()
    }
}
