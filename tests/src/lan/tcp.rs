//! A TCP connection of a host, made by hand: every part of its behaviour can be changed.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeMap;
use std::time::Instant;

use super::packet::{ACK, FIN, IPV4, IPV6, Mac, PSH, RST, SYN, Segment, ethernet, tcp};

/// The first retransmission timeout; it doubles each time (RFC 6298).
const FIRST_RTO: Duration = Duration::from_secs(1);
const MAX_RETRIES: u32 = 6;

/// State of a connection, as RFC 9293 has it, from the client's side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The SYN is not answered yet.
    SynSent,
    /// Established, or half closed by either side.
    Open,
    /// Reset by the guest.
    Reset,
    /// The retransmissions were not answered.
    TimedOut,
}

/// How the host behaves on a connection.
#[derive(Debug, Clone)]
pub struct Behaviour {
    /// Window that is advertised; with 0 no data is taken.
    pub window: u16,
    /// Whether segments are acknowledged by themselves.
    pub acknowledges: bool,
    /// Whether lost segments are sent again.
    pub retransmits: bool,
    /// Whether the handshake is completed.
    pub completes: bool,
    /// Initial sequence number; by default one made from the port.
    pub initial: Option<u32>,
    /// Options of the SYN.
    pub syn_options: Vec<u8>,
}

impl Default for Behaviour {
    fn default() -> Self {
        // An MSS of 1,460 bytes.
        let syn_options = vec![2, 4, 0x05, 0xb4];
        Self { window: u16::MAX, acknowledges: true, retransmits: true, completes: true, initial: None, syn_options }
    }
}

/// A connection; the receiving thread of the link advances it.
#[derive(Debug)]
pub struct Connection {
    local: SocketAddr,
    remote: SocketAddr,
    macs: (Mac, Mac),
    /// How it behaves; may be changed at any time.
    pub behaviour: Behaviour,
    /// Its state.
    pub phase: Phase,
    /// All data received in order and not yet taken.
    pub received: Vec<u8>,
    /// Whether the guest has closed its side.
    pub is_ended: bool,
    /// All segments of the guest.
    pub segments: Vec<(Instant, Segment)>,
    /// The guest's last window.
    pub guest_window: u16,
    /// The next sequence number to send.
    pub next_seq: u32,
    /// The next sequence number that is expected of the guest.
    pub next_ack: u32,
    /// The oldest sequence number that the guest has not acknowledged.
    unacknowledged: u32,
    /// Data from there on, and whether a FIN follows it.
    unsent: Vec<u8>,
    is_finished: bool,
    early: BTreeMap<u32, Vec<u8>>,
    retries: u32,
    resend_at: Instant,
}

impl Connection {
    /// Creates a connection and returns its SYN.
    pub(super) fn new(
        local: SocketAddr,
        remote: SocketAddr,
        macs: (Mac, Mac),
        behaviour: Behaviour,
    ) -> (Self, Vec<u8>) {
        // Different for each connection, and the same in each run.
        let initial = behaviour.initial.unwrap_or_else(|| u32::from(local.port()).wrapping_mul(0x9e37_79b9));
        let connection = Self {
            local,
            remote,
            macs,
            behaviour,
            phase: Phase::SynSent,
            received: Vec::new(),
            is_ended: false,
            segments: Vec::new(),
            guest_window: 0,
            next_seq: initial.wrapping_add(1),
            next_ack: 0,
            unacknowledged: initial,
            unsent: Vec::new(),
            is_finished: false,
            early: BTreeMap::new(),
            retries: 0,
            resend_at: Instant::now() + FIRST_RTO,
        };
        let syn = connection.syn();
        (connection, syn)
    }

    pub(super) fn mac(&self) -> Mac {
        self.macs.0
    }

    /// Returns a frame with a segment that begins at the current sequence numbers and that `change` alters.
    pub fn frame(&self, change: impl FnOnce(&mut Segment)) -> Vec<u8> {
        let mut segment = Segment {
            seq: self.next_seq,
            ack: self.next_ack,
            flags: ACK,
            window: self.behaviour.window,
            ..Segment::default()
        };
        change(&mut segment);
        let ether_type = if self.local.is_ipv4() { IPV4 } else { IPV6 };
        ethernet(self.macs.1, self.macs.0, ether_type, &tcp(self.local, self.remote, &segment))
    }

    fn syn(&self) -> Vec<u8> {
        self.frame(|segment| {
            segment.seq = self.unacknowledged;
            segment.ack = 0;
            segment.flags = SYN;
            segment.options.clone_from(&self.behaviour.syn_options);
        })
    }

    /// Returns the frames of data that is sent, in segments of at most 1,460 bytes.
    pub fn send(&mut self, data: &[u8]) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        for piece in data.chunks(1460) {
            frames.push(self.frame(|segment| {
                segment.flags = PSH | ACK;
                segment.data = piece.to_vec();
            }));
            self.next_seq = self.next_seq.wrapping_add(u32::try_from(piece.len()).expect("a short piece"));
            self.unsent.extend_from_slice(piece);
        }
        self.restart_timer();
        frames
    }

    /// Returns the frame that closes the host's side.
    pub fn finish(&mut self) -> Vec<u8> {
        let frame = self.frame(|segment| segment.flags = FIN | ACK);
        self.next_seq = self.next_seq.wrapping_add(1);
        self.is_finished = true;
        self.restart_timer();
        frame
    }

    fn restart_timer(&mut self) {
        self.retries = 0;
        self.resend_at = Instant::now() + FIRST_RTO;
    }

    /// Takes a segment of the guest; returns the answers.
    pub(super) fn receive(&mut self, segment: &Segment) -> Vec<Vec<u8>> {
        self.segments.push((Instant::now(), segment.clone()));
        if segment.has(RST) {
            let is_answer = self.phase == Phase::SynSent && segment.ack == self.next_seq;
            if is_answer || (self.phase == Phase::Open && segment.seq == self.next_ack) {
                self.phase = Phase::Reset;
            }
            return Vec::new();
        }
        self.guest_window = segment.window;
        if segment.has(SYN) {
            if !self.behaviour.completes || !segment.has(ACK) || segment.ack != self.unacknowledged.wrapping_add(1) {
                return Vec::new();
            }
            if self.phase == Phase::SynSent {
                self.phase = Phase::Open;
                self.next_ack = segment.seq.wrapping_add(1);
                self.unacknowledged = segment.ack;
                self.restart_timer();
            }
            return vec![self.frame(|_| {})];
        }
        if self.phase != Phase::Open {
            return Vec::new();
        }
        self.acknowledged(segment);
        let is_new = !segment.data.is_empty() || segment.has(FIN);
        if is_new {
            self.take(segment);
        }
        // A segment before the window is a keep-alive or a repetition, which is answered too (RFC 9293, 3.10.7.4).
        let is_old = segment.seq != self.next_ack && !is_new;
        if self.behaviour.acknowledges && (is_new || is_old) { vec![self.frame(|_| {})] } else { Vec::new() }
    }

    fn acknowledged(&mut self, segment: &Segment) {
        let bytes = segment.ack.wrapping_sub(self.unacknowledged);
        let outstanding = self.next_seq.wrapping_sub(self.unacknowledged);
        if segment.has(ACK) && bytes > 0 && bytes <= outstanding {
            let data = usize::try_from(bytes).expect("32 bits").min(self.unsent.len());
            self.unsent.drain(..data);
            self.unacknowledged = segment.ack;
            self.restart_timer();
        }
    }

    fn take(&mut self, segment: &Segment) {
        if self.behaviour.window == 0 && !segment.data.is_empty() {
            return;
        }
        let behind = self.next_ack.wrapping_sub(segment.seq);
        let data = &segment.data;
        if behind == 0 || usize::try_from(behind).is_ok_and(|behind| behind < data.len()) {
            self.append(&data[usize::try_from(behind).expect("32 bits")..]);
            while let Some(early) = self.early.remove(&self.next_ack) {
                self.append(&early);
            }
        } else if segment.seq.wrapping_sub(self.next_ack) < u32::MAX / 2 && !data.is_empty() {
            self.early.insert(segment.seq, data.clone());
        }
        let end = segment.seq.wrapping_add(u32::try_from(data.len()).expect("a short segment"));
        if segment.has(FIN) && end == self.next_ack && !self.is_ended {
            self.next_ack = self.next_ack.wrapping_add(1);
            self.is_ended = true;
        }
    }

    fn append(&mut self, data: &[u8]) {
        self.received.extend_from_slice(data);
        self.next_ack = self.next_ack.wrapping_add(u32::try_from(data.len()).expect("a short segment"));
    }

    /// Sends again what has not been acknowledged in time.
    pub(super) fn tick(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let is_waiting = match self.phase {
            Phase::SynSent => true,
            Phase::Open => self.unacknowledged != self.next_seq,
            Phase::Reset | Phase::TimedOut => false,
        };
        if !is_waiting || now < self.resend_at || !self.behaviour.retransmits {
            return Vec::new();
        }
        self.retries += 1;
        self.resend_at = now + FIRST_RTO * 2_u32.pow(self.retries);
        if self.retries > MAX_RETRIES {
            self.phase = Phase::TimedOut;
            return Vec::new();
        }
        if self.phase == Phase::SynSent {
            return vec![self.syn()];
        }
        let piece = self.unsent[..self.unsent.len().min(1460)].to_vec();
        let is_last = piece.len() == self.unsent.len();
        vec![self.frame(|segment| {
            segment.seq = self.unacknowledged;
            segment.flags = PSH | ACK | if is_last && self.is_finished { FIN } else { 0 };
            segment.data = piece;
        })]
    }
}
