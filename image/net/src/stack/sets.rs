//! The sockets of a stack: each in a set of its own, found by what arrives, and told when it is due.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::hash::BuildHasherDefault;

use heapless::index_map::IndexMap;
use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::{AnySocket, dhcpv4, tcp, udp};
use smoltcp::time::Instant;

use crate::flow::{Ends, EndsHasher, Flow};

/// The most sockets of a stack.
const MOST: usize = 512;

/// Names a socket of a stack for as long as it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name(u16);

/// A socket in its set, and how it is found.
pub(super) struct Slot {
    pub(super) set: SocketSet<'static>,
    handle: SocketHandle,
    role: Role,
    /// It is in the queue of those that may have something to send.
    is_queued: bool,
    /// When it has to be looked at though nothing arrives.
    due: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// TCP, neither listening nor connected.
    Unconnected,
    Listening(u16),
    Connected(Ends),
    Udp(u16),
}

/// All sockets of a stack.
///
/// # Invariants
/// `connected` has exactly the slots whose role is [`Role::Connected`], `listening` those that are [`Role::Listening`],
/// `datagrams` those that are [`Role::Udp`]; `queue` those with `is_queued`, each once. No slot is due before `due`.
pub(super) struct Sets {
    slots: Vec<Option<Slot>>,
    connected: Box<IndexMap<Ends, Name, BuildHasherDefault<EndsHasher>, MOST>>,
    /// Few wait at a time, so these are looked through.
    listening: Vec<(u16, Name)>,
    datagrams: Vec<(u16, Name)>,
    queue: VecDeque<Name>,
    due: Instant,
}

/// Later than any time.
pub(super) const NEVER: Instant = Instant::from_micros_const(i64::MAX);

impl Sets {
    pub(super) fn new() -> Self {
        // All the room that there will ever be: nothing is allocated when something is queued, and how much memory a stack
        // takes does not depend on what it has been through.
        let (slots, queue) = (Vec::with_capacity(MOST), VecDeque::with_capacity(MOST));
        let (listening, datagrams) = (Vec::with_capacity(MOST), Vec::with_capacity(MOST));
        Self { slots, connected: Box::default(), listening, datagrams, queue, due: NEVER }
    }

    fn add(&mut self, socket: impl AnySocket<'static>, role: Role) -> Option<Name> {
        let free = self.slots.iter().position(Option::is_none);
        let index = free.unwrap_or(self.slots.len());
        let name = Name(u16::try_from(index).ok().filter(|_| index < MOST)?);
        let mut set = SocketSet::new(Vec::with_capacity(1));
        let handle = set.add(socket);
        let slot = Slot { set, handle, role: Role::Unconnected, is_queued: false, due: NEVER };
        match free {
            Some(_) => self.slots[index] = Some(slot),
            None => self.slots.push(Some(slot)),
        }
        self.set_role(name, role);
        Some(name)
    }

    /// Adds a TCP socket; `None` when there are too many.
    pub(super) fn add_tcp(&mut self, socket: tcp::Socket<'static>) -> Option<Name> {
        self.add(socket, Role::Unconnected)
    }

    /// Adds a UDP socket bound to `port`; `None` when there are too many.
    pub(super) fn add_udp(&mut self, socket: udp::Socket<'static>, port: u16) -> Option<Name> {
        self.add(socket, Role::Udp(port))
    }

    /// Adds the DHCP client.
    pub(super) fn add_dhcp(&mut self, socket: dhcpv4::Socket<'static>) -> Option<Name> {
        self.add(socket, Role::Udp(DHCP_PORT))
    }

    /// Takes a socket out, whatever it is in the middle of.
    pub(super) fn remove(&mut self, name: Name) {
        self.set_role(name, Role::Unconnected);
        let slot = self.slots.get_mut(usize::from(name.0)).and_then(Option::take);
        if slot.is_some_and(|slot| slot.is_queued) {
            self.queue.retain(|queued| *queued != name);
        }
    }

    pub(super) fn slot(&mut self, name: Name) -> Option<&mut Slot> {
        self.slots.get_mut(usize::from(name.0))?.as_mut()
    }

    /// A socket of the kind that it was added as.
    pub(super) fn get<S: AnySocket<'static>>(&mut self, name: Name) -> Option<&mut S> {
        self.slot(name).map(|slot| slot.set.get_mut(slot.handle))
    }

    /// Who a frame is for.
    pub(super) fn find(&self, flow: Flow) -> Option<Name> {
        match flow {
            Flow::Tcp(ends) => {
                let connected = self.connected.get(&ends).copied();
                connected.or_else(|| of_port(&self.listening, ends.local_port()))
            }
            Flow::Udp(port) => of_port(&self.datagrams, port),
            Flow::Neighbour | Flow::Other => None,
        }
    }

    /// Changes how a socket is found.
    fn set_role(&mut self, name: Name, role: Role) {
        let Some(slot) = self.slots.get_mut(usize::from(name.0)).and_then(Option::as_mut) else { return };
        match slot.role {
            Role::Unconnected => {}
            Role::Listening(_) => self.listening.retain(|(_, other)| *other != name),
            Role::Udp(_) => self.datagrams.retain(|(_, other)| *other != name),
            Role::Connected(ends) => drop(self.connected.swap_remove(&ends)),
        }
        slot.role = role;
        match role {
            Role::Unconnected => {}
            Role::Listening(port) => self.listening.push((port, name)),
            Role::Udp(port) => self.datagrams.push((port, name)),
            // There is room: for each socket there can be.
            Role::Connected(ends) => drop(self.connected.insert(ends, name)),
        }
    }

    /// A TCP socket may have got or lost its peer; from now on it is found by the one that it has.
    pub(super) fn follow(&mut self, name: Name) {
        let Some(slot) = self.slots.get_mut(usize::from(name.0)).and_then(Option::as_mut) else { return };
        if matches!(slot.role, Role::Udp(_)) {
            return;
        }
        let socket = slot.set.get_mut::<tcp::Socket<'_>>(slot.handle);
        let role = match socket.state() {
            tcp::State::Closed => Role::Unconnected,
            tcp::State::Listen => Role::Listening(socket.listen_endpoint().port),
            _ if matches!(slot.role, Role::Connected(_)) => return,
            _ => {
                let ends = socket.local_endpoint().zip(socket.remote_endpoint());
                let ends = ends.and_then(|(local, remote)| Ends::of((remote.addr, remote.port).into(), local.port));
                ends.map_or(Role::Unconnected, Role::Connected)
            }
        };
        if slot.role != role {
            self.set_role(name, role);
        }
    }

    /// The socket may have something to send: it is looked at in this turn or the next.
    pub(super) fn queue(&mut self, name: Name) {
        let Some(slot) = self.slots.get_mut(usize::from(name.0)).and_then(Option::as_mut) else { return };
        if !core::mem::replace(&mut slot.is_queued, true) {
            self.queue.push_back(name);
        }
    }

    /// The next one that may have something to send.
    pub(super) fn next_queued(&mut self) -> Option<Name> {
        let name = self.queue.pop_front()?;
        if let Some(slot) = self.slot(name) {
            slot.is_queued = false;
        }
        Some(name)
    }

    /// Sets when a socket is due; at once is in the queue.
    pub(super) fn set_due(&mut self, name: Name, at: Option<Instant>, now: Instant) {
        if at.is_some_and(|at| at <= now) {
            self.queue(name);
            return;
        }
        let at = at.unwrap_or(NEVER);
        if let Some(slot) = self.slot(name) {
            slot.due = at;
        }
        // Most of what is due early is done before that; so this is a time to look, not more.
        self.due = self.due.min(at);
    }

    /// When to look who is due.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Queues all who are due.
    pub(super) fn queue_due(&mut self, now: Instant) {
        if now < self.due {
            return;
        }
        self.due = NEVER;
        for index in 0..self.slots.len() {
            let Some(slot) = &mut self.slots[index] else { continue };
            if slot.due > now {
                self.due = self.due.min(slot.due);
                continue;
            }
            slot.due = NEVER;
            if let Ok(index) = u16::try_from(index) {
                self.queue(Name(index));
            }
        }
    }

    /// Queues all.
    pub(super) fn queue_all(&mut self) {
        for index in 0..self.slots.len() {
            if let Ok(index) = u16::try_from(index) {
                self.queue(Name(index));
            }
        }
    }
}

fn of_port(list: &[(u16, Name)], port: u16) -> Option<Name> {
    list.iter().find(|(other, _)| *other == port).map(|(_, name)| *name)
}

/// Where a DHCP client receives (RFC 2131, 4.1).
const DHCP_PORT: u16 = 68;
