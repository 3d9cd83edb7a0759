//! Connections in TIME-WAIT: small records instead of sockets (RFC 9293, 3.10.7.4).

use smoltcp::time::{Duration, Instant};

use super::bounded_map::BoundedMap;
use super::secret::Secret;
use super::wire::{ACK, Control, Endpoints, FIN, Incoming, RST, SYN, SynOptions, is_before};

/// The records that are kept at a time; the oldest makes room.
const MAX_RECORDS: usize = 1024;
/// How long the addresses of a connection are not used again, as on Linux.
const TIME_WAIT: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Finished {
    pub(super) send_next: u32,
    pub(super) receive_next: u32,
    pub(super) window: u16,
}

/// What a segment means to a finished connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// There is no such connection.
    Unknown,
    /// A SYN that opens a new connection, whose initial sequence number has to be at least this.
    OpenAnew(u32),
    /// This acknowledgement is the answer.
    Answer(Control),
    /// The segment is dropped.
    Drop,
}

#[derive(Debug)]
pub(super) struct TimeWait(BoundedMap<Endpoints, (Finished, Instant)>);

impl TimeWait {
    pub(super) fn new(secret: &Secret) -> Self {
        Self(BoundedMap::new(MAX_RECORDS, secret.table))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn contains(&self, endpoints: &Endpoints) -> bool {
        self.0.get(endpoints).is_some()
    }

    pub(super) fn insert(&mut self, endpoints: Endpoints, finished: Finished, now: Instant) {
        self.0.insert(endpoints, (finished, now + TIME_WAIT));
    }

    pub(super) fn receive(&mut self, segment: &Incoming<'_>, now: Instant) -> Verdict {
        if self.0.is_empty() {
            return Verdict::Unknown;
        }
        let endpoints = segment.endpoints;
        let Some((finished, expires_at)) = self.0.get_mut(&endpoints) else { return Verdict::Unknown };
        let finished = *finished;
        // A reset would end the protection of the next connection (RFC 1337).
        if segment.has(RST) {
            return Verdict::Drop;
        }
        // A higher sequence number is of a new connection (RFC 9293, 3.10.7.4).
        if segment.flags & (SYN | ACK) == SYN && !is_before(segment.sequence, finished.receive_next) {
            self.0.remove(&endpoints);
            // Above all that the last connection has used (RFC 6191, RFC 1122, 4.2.2.13).
            return Verdict::OpenAnew(finished.send_next.wrapping_add(0x1_0000));
        }
        if segment.has(FIN) {
            *expires_at = now + TIME_WAIT;
        }
        if segment.sequence_length() == 0 && segment.sequence == finished.receive_next {
            return Verdict::Drop;
        }
        Verdict::Answer(Control {
            endpoints,
            sequence: finished.send_next,
            acknowledgement: finished.receive_next,
            flags: ACK,
            window: finished.window,
            options: SynOptions::default(),
        })
    }

    /// Forgets the records whose time is over.
    pub(super) fn expire(&mut self, now: Instant) {
        if !self.0.is_empty() {
            self.0.retain(|_, (_, expires_at)| now < *expires_at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::MAX_CONTROL_BYTES;
    use super::*;

    const ENDPOINTS: Endpoints = Endpoints {
        local: core::net::IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 1)),
        remote: core::net::IpAddr::V4(core::net::Ipv4Addr::new(10, 0, 0, 2)),
        local_port: 80,
        remote_port: 5000,
    };

    fn receive(table: &mut TimeWait, flags: u8, sequence: u32, seconds: i64) -> Verdict {
        let options = SynOptions::default();
        let control = Control { endpoints: ENDPOINTS, sequence, acknowledgement: 500, flags, window: 9, options };
        let mut packet = [0; MAX_CONTROL_BYTES];
        let packet = &mut packet[..control.packet_bytes()];
        control.write_as_received(packet);
        table.receive(&Incoming::parse(packet).expect("a segment"), Instant::from_secs(seconds))
    }

    #[test]
    fn a_finished_connection_acknowledges_opens_anew_and_expires() {
        let mut table = TimeWait::new(&Secret::new(1));
        assert_eq!(receive(&mut table, ACK | FIN, 99, 1), Verdict::Unknown);
        table.insert(ENDPOINTS, Finished { send_next: 500, receive_next: 100, window: 7 }, Instant::from_secs(0));
        for (flags, sequence) in [(ACK | FIN, 99), (SYN, 50), (SYN | ACK, 200), (ACK, 99)] {
            let Verdict::Answer(answer) = receive(&mut table, flags, sequence, 1) else { panic!("{flags:x}") };
            assert_eq!((answer.flags, answer.sequence, answer.acknowledgement), (ACK, 500, 100));
        }
        assert_eq!(receive(&mut table, ACK, 100, 1), Verdict::Drop);
        assert_eq!(receive(&mut table, RST, 100, 1), Verdict::Drop);
        table.expire(Instant::from_secs(60));
        assert!(table.contains(&ENDPOINTS), "the last FIN was at one second");
        assert_eq!(receive(&mut table, SYN, 101, 60), Verdict::OpenAnew(500 + 0x1_0000));
        assert!(table.is_empty());
        table.insert(ENDPOINTS, Finished { send_next: 500, receive_next: 100, window: 7 }, Instant::from_secs(60));
        table.expire(Instant::from_secs(120));
        assert!(table.is_empty());
    }
}
