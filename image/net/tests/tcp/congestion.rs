//! The speed of a transfer to a host whose link loses frames, in the time of the test. The congestion control was chosen by it.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::peer::{HOST, Lan, Segment};
use smoltcp::wire::TcpControl;
use switchboard_net::{Service, TcpStream};

const BYTES: usize = 300_000;
const PORT: u16 = 4000;

/// Returns how many milliseconds a transfer takes if one of so many segments is lost, and how many segments were sent. A peer
/// that does not keep early segments has to receive all behind a loss again.
fn transfer(loss_interval: usize, delay_ms: usize, keeps_early: bool) -> (usize, usize) {
    let mut lan = Lan::new();
    let service = Service { port: PORT, receive_bytes: 4096, transmit_bytes: 65_000, backlog: 4, max_connections: 4 };
    service.start(lan.network.group(), &lan.stack, async |stream: &Rc<TcpStream>| {
        let mut rest = BYTES;
        while let Ok(written @ 1..) = stream.write(&[7; 8192][..rest.min(8192)]).await {
            rest -= written;
        }
    });
    let syn = Segment { window: 60_000, ..Segment::syn(HOST, 40_000, PORT, 1000) };
    lan.send(&syn);
    let answer = lan.run(5).into_iter().find(|segment| segment.control == TcpControl::Syn).expect("an answer");
    let first = answer.sequence.wrapping_add(1);
    let ack = Segment { control: TcpControl::None, sequence: 1001, mss: None, acknowledgement: Some(first), ..syn };
    lan.send(&ack);
    let (mut next, mut sent, mut early, mut answers) = (0, 0, BTreeMap::new(), Vec::new());
    for milliseconds in 1..2_000_000 {
        for segment in lan.step().into_iter().filter(|segment| !segment.data.is_empty()) {
            sent += 1;
            if loss_interval > 0 && sent % loss_interval == 0 {
                continue;
            }
            let start = segment.sequence.wrapping_sub(first) as usize;
            if keeps_early || start <= next {
                early.insert(start, segment.data.len());
            }
            while let Some((start, length)) = early.pop_first() {
                if start > next {
                    early.insert(start, length);
                    break;
                }
                next = next.max(start + length);
            }
            answers.push((milliseconds + delay_ms, next));
        }
        while let Some((at, next)) = answers.first().copied().filter(|(at, _)| *at <= milliseconds) {
            assert!(at > 0);
            answers.remove(0);
            lan.send(&Segment {
                acknowledgement: Some(first.wrapping_add(u32::try_from(next).expect("a short transfer"))),
                ..ack.clone()
            });
        }
        if next == BYTES {
            return (milliseconds, sent);
        }
    }
    panic!("{next} bytes arrived");
}

#[test]
fn transfers_go_on_over_links_that_lose_frames() {
    let mut found = Vec::new();
    for delay_ms in [0, 20] {
        for loss_interval in [0, 200, 100, 50, 20, 10] {
            let (milliseconds, sent) = transfer(loss_interval, delay_ms, true);
            println!("delay {delay_ms} ms, one of {loss_interval} lost: {milliseconds} ms, {sent} segments");
            found.push((milliseconds, sent));
        }
    }
    // What three later segments do not show to be lost is sent again after 0.2 to 0.5 s (RFC 8985, 7), not after a second.
    assert!(found.iter().all(|(milliseconds, sent)| *milliseconds < 30_000 && *sent < 1000), "{found:?}");
}

#[test]
fn transfers_go_on_to_hosts_that_keep_nothing_behind_a_loss() {
    for loss_interval in [100, 20, 10] {
        let (milliseconds, sent) = transfer(loss_interval, 0, false);
        println!("one of {loss_interval} lost, nothing kept: {milliseconds} ms, {sent} segments");
        assert!(milliseconds < 45_000 && sent < 2000, "{milliseconds} ms, {sent} segments");
    }
}
