//! Addresses of this host: probed for, announced and defended (RFC 5227).

use super::*;

/// Returns the senders of the ARP requests for the stack's own address among frames.
fn own_requests(frames: &[Vec<u8>]) -> Vec<[u8; 4]> {
    let own = frames.iter().filter(|frame| frame[6..12] == TestLan::MAC).filter_map(|frame| frames::arp_of(frame));
    own.filter(|(operation, _, target)| *operation == 1 && *target == OURS).map(|(_, sender, _)| sender).collect()
}

#[test]
fn an_address_is_probed_for_announced_and_defended() {
    let mut lan = TestLan::new(source(24, None));
    let frames = lan.pass(5000);
    assert_eq!(own_requests(&frames), [[0; 4], OURS, [0; 4], [0; 4], OURS]);
    let other = Host { address: OURS, ..Host::new(99) };
    let mut defences = 0;
    for _ in 0..25 {
        lan.send(&frames::arp_request(other.mac, OURS, OURS));
        defences += own_requests(&lan.pass(1000)).len();
    }
    assert_eq!(defences, 3, "once in ten seconds");
    assert!(lan.state().config().ipv4_address().is_some());
    let host = Host::new(9);
    host.introduce(&mut lan);
    host.send(&mut lan, &frames::udp(host.address, 4000, OURS, 9999, b""));
    assert!(!lan.pass(3).is_empty(), "it is still in use");
}

#[test]
fn an_address_that_another_host_has_is_not_used_and_tried_again_later() {
    let mut lan = TestLan::new(source(24, None));
    let other = Host { address: OURS, ..Host::new(99) };
    let answer = |lan: &mut TestLan, milliseconds: u64| {
        let mut attempts = 0;
        for _ in 0..milliseconds {
            for frame in lan.pass(1) {
                if frames::arp_of(&frame) == Some((1, [0; 4], OURS)) {
                    attempts += 1;
                    lan.send(&frames::arp_reply(other.mac, OURS, TestLan::MAC, [0; 4]));
                }
            }
        }
        attempts
    };
    answer(&mut lan, 1000);
    assert!(lan.state().config().ipv4_address().is_none());
    lan.send(&frames::arp_request([2, 0, 0, 0, 0, 5], [10, 0, 0, 5], OURS));
    assert!(lan.pass(5).iter().all(|frame| frames::arp_of(frame).is_none()), "no answer for the address");
    let attempts = answer(&mut lan, 300_000);
    assert!((4..=6).contains(&attempts), "{attempts} in five minutes");
    // The other host is gone.
    lan.pass(70_000);
    assert!(lan.state().config().ipv4_address().is_some());
}
