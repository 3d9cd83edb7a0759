//! What is written is read again, and what is malformed is harmless.

use super::*;

fn endpoints(local: &str, remote: &str) -> Endpoints {
    let parse = |text: &str| text.parse().expect("an address");
    Endpoints { local: parse(local), remote: parse(remote), local_port: 80, remote_port: 0x1234 }
}

fn syn(endpoints: Endpoints, options: SynOptions) -> Control {
    let flags = SYN | ACK;
    Control { endpoints, sequence: 0xfedc_ba98, acknowledgement: 7, flags, window: 0x4321, options }
}

#[test]
fn what_is_written_is_parsed_again() {
    for (local, remote) in [("10.0.0.1", "10.0.0.2"), ("fe80::1", "fe80::2")] {
        for bits in 0..8 {
            let options = SynOptions {
                max_segment_bytes: (bits & 1 != 0).then_some(1460),
                window_scale: (bits & 2 != 0).then_some(7),
                permits_sack: bits & 4 != 0,
            };
            let control = syn(endpoints(local, remote), options);
            let mut buffer = [0xee; MAX_CONTROL_BYTES];
            let packet = &mut buffer[..control.packet_bytes()];
            control.write_as_received(packet);
            let incoming = Incoming::parse(packet).expect("a segment");
            assert_eq!(incoming.endpoints, control.endpoints);
            assert_eq!((incoming.sequence, incoming.acknowledgement), (0xfedc_ba98, 7));
            assert_eq!((incoming.flags, incoming.window), (SYN | ACK, 0x4321));
            assert_eq!((incoming.sequence_length(), incoming.syn_options()), (1, options));
        }
    }
}

#[test]
fn malformed_options_and_packets_are_harmless() {
    let control = syn(
        endpoints("10.0.0.1", "10.0.0.2"),
        SynOptions { max_segment_bytes: Some(1), window_scale: Some(1), permits_sack: true },
    );
    let mut packet = [0; MAX_CONTROL_BYTES];
    let packet = &mut packet[..control.packet_bytes()];
    control.write(packet);
    for at in 0..packet.len() {
        assert!(Incoming::parse(&packet[..at]).is_none());
        for byte in 0..=255 {
            let mut bent = packet.to_vec();
            bent[at] = byte;
            let _ = Incoming::parse(&bent).map(|incoming| incoming.syn_options());
        }
    }
}

#[test]
fn sequence_numbers_wrap_around() {
    assert!(is_before(u32::MAX, 0) && is_before(0, 1) && !is_before(1, 0) && !is_before(5, 5));
}
