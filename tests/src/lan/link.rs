//! The link to the guest's network card: a datagram socket that carries one frame a datagram.
//!
//! A thread receives all frames and answers those that hosts answer at once: ARP, neighbour discovery, and TCP segments
//! of connections that are acknowledged automatically. It never blocks: what does not fit into the queue of the sending
//! thread is lost, as on any link.

use core::net::{Ipv4Addr, SocketAddr};
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::collections::HashMap;
use std::fmt;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use super::frame::{Content, Frame};
use super::neighbours::Neighbours;
use super::tcp::Connection;

/// Frames that wait to be sent.
const QUEUE_FRAMES: usize = 4096;
/// Frames of the guest that are kept; the oldest go.
const KEPT_FRAMES: usize = 200_000;
/// Interval of retransmissions and other timers.
const TICK: Duration = Duration::from_millis(20);
/// How long a frame waits for a guest that does not receive, before it is lost.
const SEND_TIMEOUT: Duration = Duration::from_secs(2);

/// Decides whether the link loses a frame of the guest.
type Loses = Box<dyn FnMut(&Frame) -> bool + Send>;

/// Answers a frame of the guest with frames; called by the receiving thread.
pub(super) type Responder = Box<dyn FnMut(&Frame) -> Vec<Vec<u8>> + Send>;

/// One end of the link.
pub struct Link {
    shared: Arc<Shared>,
    /// The guest's end, for QEMU.
    guest: OwnedFd,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    outgoing: SyncSender<Vec<u8>>,
    is_closed: AtomicBool,
}

#[derive(Default)]
pub(super) struct State {
    /// Frames of the guest, and how many were dropped before the first of them.
    pub(super) frames: Vec<Frame>,
    pub(super) neighbours: Neighbours,
    /// Connections by the host's end.
    pub(super) connections: HashMap<SocketAddr, Connection>,
    pub(super) responders: Vec<Responder>,
    /// Frames of the guest that are dropped, as if the link had lost them.
    pub(super) loses: Option<Loses>,
}

impl Link {
    /// Creates a link.
    ///
    /// # Panics
    /// Panics when the host has no more sockets or threads.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let (ours, guest) = UnixDatagram::pair().expect("a pair of sockets");
        ours.set_read_timeout(Some(TICK)).expect("a time limit");
        ours.set_write_timeout(Some(SEND_TIMEOUT)).expect("a time limit");
        let (outgoing, queue) = sync_channel(QUEUE_FRAMES);
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            outgoing,
            is_closed: AtomicBool::new(false),
        });
        let sender = ours.try_clone().expect("a second handle");
        let (sends, receives) = (shared.clone(), shared.clone());
        thread::spawn(move || send_all(&sends, &sender, &queue));
        thread::spawn(move || receive_all(&receives, &ours));
        Arc::new(Self { shared, guest: guest.into() })
    }

    /// Returns a handle of the guest's end.
    ///
    /// # Panics
    /// Panics when the process has no more descriptors.
    #[must_use]
    pub fn guest_end(&self) -> OwnedFd {
        self.guest.try_clone().expect("a descriptor")
    }

    /// Sends a frame to the guest; waits while many are queued.
    pub fn send(&self, frame: Vec<u8>) {
        // An error means that the link is closed.
        drop(self.shared.outgoing.send(frame));
    }

    /// Returns the number of frames that the guest has sent: a place for [`frames_since`](Self::frames_since).
    #[must_use]
    pub fn mark(&self) -> usize {
        self.lock().frames.len()
    }

    /// Returns the frames that the guest has sent since a place.
    #[must_use]
    pub fn frames_since(&self, mark: usize) -> Vec<Frame> {
        self.lock().frames.get(mark..).unwrap_or_default().to_vec()
    }

    /// Returns how many frames since a place fulfil a condition.
    #[must_use]
    pub fn count_since(&self, mark: usize, condition: impl FnMut(&&Frame) -> bool) -> usize {
        self.lock().frames.get(mark..).unwrap_or_default().iter().filter(condition).count()
    }

    /// Waits for a frame since a place from which `find` returns something.
    pub fn wait_for<T>(&self, mark: usize, limit: Duration, mut find: impl FnMut(&Frame) -> Option<T>) -> Option<T> {
        let mut next = mark;
        self.wait(limit, |state| {
            let found = state.frames.get(next..).unwrap_or_default().iter().find_map(&mut find);
            next = state.frames.len();
            found
        })
    }

    /// Returns how many ARP requests for an address the guest has sent since a place.
    #[must_use]
    pub fn arp_requests_since(&self, mark: usize, target: Ipv4Addr) -> usize {
        self.count_since(mark, |frame| frame.arp().is_some_and(|arp| arp.operation == 1 && arp.target == target))
    }

    /// Answers frames of the guest by `respond`, which returns frames.
    pub fn respond(&self, respond: impl FnMut(&Frame) -> Vec<Vec<u8>> + Send + 'static) {
        self.lock().responders.push(Box::new(respond));
    }

    /// Loses those frames of the guest for which `loses` returns true, before any host receives them.
    pub fn lose(&self, loses: impl FnMut(&Frame) -> bool + Send + 'static) {
        self.lock().loses = Some(Box::new(loses));
    }

    /// Waits until `find` returns something; it is called again after each frame and timer.
    pub(super) fn wait<T>(&self, limit: Duration, mut find: impl FnMut(&mut State) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        loop {
            if let Some(found) = find(&mut state) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Relaxed)
    }
}

fn send_all(shared: &Shared, socket: &UnixDatagram, queue: &Receiver<Vec<u8>>) {
    while !shared.is_closed() {
        // QEMU takes an empty datagram for the end of the link.
        if let Ok(frame) = queue.recv_timeout(TICK)
            && !frame.is_empty()
        {
            // A guest that does not receive loses frames.
            drop(socket.send(&frame));
        }
    }
}

fn receive_all(shared: &Shared, socket: &UnixDatagram) {
    let mut buffer = vec![0; 128 * 1024];
    let mut ticked = Instant::now();
    while !shared.is_closed() {
        let length = socket.recv(&mut buffer).unwrap_or(0);
        let mut state = shared.lock();
        let mut answers = Vec::new();
        if let Some(frame) = Frame::parse(&buffer[..length]) {
            state.receive(frame, &mut answers);
        }
        if ticked.elapsed() >= TICK {
            ticked = Instant::now();
            state.connections.values_mut().for_each(|connection| answers.extend(connection.tick(ticked)));
        }
        // Before a test sees what has changed: its next frames are behind the answers.
        for answer in answers {
            drop(shared.outgoing.try_send(answer));
        }
        drop(state);
        shared.changed.notify_all();
    }
}

impl State {
    fn receive(&mut self, frame: Frame, answers: &mut Vec<Vec<u8>>) {
        if self.loses.as_mut().is_some_and(|loses| loses(&frame)) {
            return;
        }
        answers.extend(self.neighbours.answer(&frame));
        self.responders.iter_mut().for_each(|respond| answers.extend(respond(&frame)));
        if let Content::Tcp { to, segment, .. } = &frame.content
            && let Some(connection) = self.connections.get_mut(to)
            && frame.destination == connection.mac()
        {
            answers.extend(connection.receive(segment));
        }
        if self.frames.len() == KEPT_FRAMES {
            self.frames.drain(..KEPT_FRAMES / 2);
        }
        self.frames.push(frame);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.is_closed.store(true, Ordering::Relaxed);
        if thread::panicking() {
            let state = self.lock();
            let shown = &state.frames[state.frames.len().saturating_sub(40)..];
            let start = shown.first().map(|frame| frame.at);
            eprintln!("--- the last {} of {} frames of the guest:", shown.len(), state.frames.len());
            for frame in shown {
                eprintln!("{:8.3} {frame}", start.map_or(0.0, |start| (frame.at - start).as_secs_f64()));
            }
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("frames", &self.mark()).finish_non_exhaustive()
    }
}
