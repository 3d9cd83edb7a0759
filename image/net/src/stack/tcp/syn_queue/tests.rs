//! Handshakes that complete, are repeated, and are too many.

use super::super::wire::MAX_CONTROL_BYTES;
use alloc::vec::Vec;

use super::*;

const OFFER: Offer = Offer { max_segment_bytes: 1460, window: 4096, window_scale: 0 };

fn endpoints(remote_port: u16) -> Endpoints {
    Endpoints { local: [10, 0, 0, 1].into(), remote: [10, 0, 0, 2].into(), local_port: 80, remote_port }
}

fn with<R>(control: Control, act: impl FnOnce(&Incoming<'_>) -> R) -> R {
    let mut packet = [0; MAX_CONTROL_BYTES];
    let packet = &mut packet[..control.packet_bytes()];
    control.write_as_received(packet);
    act(&Incoming::parse(packet).expect("a segment"))
}

fn segment(remote_port: u16, flags: u8, sequence: u32, acknowledgement: u32) -> Control {
    let options = SynOptions { max_segment_bytes: Some(1400), window_scale: Some(7), permits_sack: true };
    Control { endpoints: endpoints(remote_port), sequence, acknowledgement, flags, window: 1000, options }
}

fn syn(queue: &mut SynQueue, secret: &Secret, remote_port: u16, now: Instant) -> Control {
    with(segment(remote_port, SYN, 100, 0), |incoming| queue.synchronize(incoming, OFFER, None, secret, now))
}

#[test]
fn an_acknowledgement_completes_the_handshake_with_its_options() {
    let secret = Secret::new(1);
    let mut queue = SynQueue::new(&secret);
    let now = Instant::from_secs(5);
    let answer = syn(&mut queue, &secret, 1, now);
    assert_eq!((answer.flags, answer.acknowledgement, answer.window), (SYN | ACK, 101, 4096));
    assert_eq!(answer.options.window_scale, Some(0));
    assert_eq!(syn(&mut queue, &secret, 1, now), answer, "a repeated SYN");
    let send_next = answer.sequence.wrapping_add(1);
    let found = with(segment(1, ACK, 101, send_next), |ack| queue.acknowledge(ack, &secret, now));
    let Acknowledged::Handshake(handshake) = found else { panic!("{found:?}") };
    assert_eq!((handshake.send_next, handshake.receive_next), (send_next, 101));
    assert_eq!(handshake.options.max_segment_bytes, Some(1400));
    let found = with(segment(1, ACK, 101, send_next.wrapping_add(1)), |ack| queue.acknowledge(ack, &secret, now));
    assert_eq!(found, Acknowledged::Unacceptable);
    queue.remove(&endpoints(1));
    let found = with(segment(1, ACK, 101, send_next), |ack| queue.acknowledge(ack, &secret, now));
    assert_eq!(found, Acknowledged::Unknown);
}

#[test]
fn answers_are_repeated_four_times_and_then_the_handshake_is_forgotten() {
    let secret = Secret::new(1);
    let mut queue = SynQueue::new(&secret);
    syn(&mut queue, &secret, 1, Instant::from_secs(0));
    let mut sent_at = Vec::new();
    for second in 0..60 {
        queue.retransmit(Instant::from_secs(second), |_| sent_at.push(second));
    }
    assert_eq!(sent_at, [1, 3, 7, 15]);
    assert!(queue.is_empty());
}

#[test]
fn a_full_queue_answers_by_cookies_and_recycles_the_oldest_later() {
    let secret = Secret::new(1);
    let mut queue = SynQueue::new(&secret);
    let now = Instant::from_secs(5);
    for port in 1..=512 {
        syn(&mut queue, &secret, port, now);
    }
    let cookie = syn(&mut queue, &secret, 1000, now);
    assert_eq!((cookie.flags, cookie.options.window_scale, cookie.options.permits_sack), (SYN | ACK, None, false));
    let send_next = cookie.sequence.wrapping_add(1);
    let complete = |queue: &SynQueue, sequence, acknowledgement| {
        with(segment(1000, ACK, sequence, acknowledgement), |ack| queue.acknowledge(ack, &secret, now))
    };
    let Acknowledged::Handshake(handshake) = complete(&queue, 101, send_next) else { panic!("a handshake") };
    assert_eq!((handshake.send_next, handshake.receive_next), (send_next, 101));
    assert_eq!(handshake.options.max_segment_bytes, Some(1400));
    assert_eq!(complete(&queue, 101, send_next.wrapping_add(1)), Acknowledged::Unknown);
    assert_eq!(complete(&queue, 102, send_next), Acknowledged::Unknown);
    let later = syn(&mut queue, &secret, 1001, Instant::from_secs(7));
    assert_eq!(later.options.window_scale, Some(0), "stored in the place of the oldest");
    assert_eq!(queue.receive_next(&endpoints(1)), None);
}
