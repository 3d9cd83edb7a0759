//! Frames, by the cases of RFC 6455.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use proptest::collection;
use proptest::prelude::*;

use super::assembler::{Assembler, Received};
use super::{CloseCode, Message};

/// Returns a masked frame.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ ..126 => frame.push(0x80 | u8::try_from(length).expect("small")),
        length @ ..65536 => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(length).expect("short").to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// Returns what is received of these bytes, in pieces of a size.
fn receive(bytes: &[u8], piece: usize) -> Vec<Result<Received, CloseCode>> {
    let (mut assembler, mut received) = (Assembler::new(100_000), Vec::new());
    for piece in bytes.chunks(piece) {
        let mut data = piece.to_vec();
        let mut place = 0;
        loop {
            let (consumed, result) = assembler.consume(&mut data[place..]);
            place += consumed;
            match result {
                Ok(Some(result)) => received.push(Ok(result)),
                Ok(None) => break,
                Err(code) => {
                    received.push(Err(code));
                    return received;
                }
            }
        }
    }
    received
}

fn text(text: &str) -> Result<Received, CloseCode> {
    Ok(Received::Message(Message::Text(text.into())))
}

#[test]
fn messages_are_assembled() {
    let bytes = [
        frame(0x81, "Hello".as_bytes()),
        frame(0x01, b"Hel"),
        frame(0x89, b"ping"),
        frame(0x00, b""),
        frame(0x80, b"lo"),
        frame(0x82, &[7; 70_000]),
        frame(0x01, &"é".as_bytes()[..1]),
        frame(0x80, &"é".as_bytes()[1..]),
        frame(0x8a, b"pong"),
        frame(0x82, b""),
        frame(0x88, &[3, 0xe8, b'b', b'y', b'e']),
    ]
    .concat();
    let binary = |bytes: Vec<u8>| Ok(Received::Message(Message::Binary(bytes)));
    let expected = [
        text("Hello"),
        Ok(Received::Ping(b"ping".into())),
        text("Hello"),
        binary(vec![7; 70_000]),
        text("é"),
        Ok(Received::Pong),
        binary(Vec::new()),
        Ok(Received::Close(Some(CloseCode::NORMAL))),
    ];
    for piece in [1, 2, 3, 5, 8, 1000, 1_000_000] {
        assert_eq!(receive(&bytes, piece), expected, "{piece}");
    }
}

#[test]
fn broken_protocols_are_refused() {
    let long = [0x81, 0x80 | 126, 0, 5, 0, 0, 0, 0];
    for (bytes, code) in [
        (vec![0x81, 0x05, 1, 2], CloseCode::PROTOCOL_ERROR),
        (frame(0xc1, b""), CloseCode::PROTOCOL_ERROR),
        (frame(0x83, b""), CloseCode::PROTOCOL_ERROR),
        (frame(0x8b, b""), CloseCode::PROTOCOL_ERROR),
        (frame(0x80, b""), CloseCode::PROTOCOL_ERROR),
        ([frame(0x01, b"a"), frame(0x81, b"b")].concat(), CloseCode::PROTOCOL_ERROR),
        (frame(0x09, b""), CloseCode::PROTOCOL_ERROR),
        (frame(0x89, &[0; 126]), CloseCode::PROTOCOL_ERROR),
        (frame(0x88, &[3]), CloseCode::PROTOCOL_ERROR),
        (frame(0x88, &[3, 0xed]), CloseCode::PROTOCOL_ERROR),
        (frame(0x88, &[0, 0]), CloseCode::PROTOCOL_ERROR),
        (frame(0x88, &[3, 0xe8, 0xff]), CloseCode::INVALID_DATA),
        (frame(0x81, b"\xff"), CloseCode::INVALID_DATA),
        (frame(0x81, b"\xc3"), CloseCode::INVALID_DATA),
        // Refused before its end.
        (frame(0x01, b"a\xed\xa0\x80"), CloseCode::INVALID_DATA),
        (frame(0x82, &[0; 100_001]), CloseCode::TOO_LARGE),
        ([frame(0x02, &[0; 60_000]), frame(0x80, &[0; 60_000])].concat(), CloseCode::TOO_LARGE),
        (vec![0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4], CloseCode::TOO_LARGE),
        (long.to_vec(), CloseCode::PROTOCOL_ERROR),
    ] {
        for piece in [1, 7, 1_000_000] {
            assert_eq!(receive(&bytes, piece).last(), Some(&Err(code)), "{:.60?}", bytes);
        }
    }
}

proptest! {
    #[test]
    fn fragments_of_any_size_in_pieces_of_any_size_are_assembled(
        parts in collection::vec(collection::vec(any::<u8>(), 0..300), 1..6),
        piece in 1_usize..400,
    ) {
        let mut bytes = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            let is_last = if index + 1 == parts.len() { 0x80 } else { 0 };
            bytes.extend(frame(is_last | if index == 0 { 2 } else { 0 }, part));
        }
        prop_assert_eq!(receive(&bytes, piece), [Ok(Received::Message(Message::Binary(parts.concat())))]);
    }

    #[test]
    fn any_bytes_are_received_or_refused(bytes in collection::vec(any::<u8>(), 0..200), piece in 1_usize..50) {
        drop(receive(&bytes, piece));
    }

    #[test]
    fn any_text_comes_back(message in ".{0,50}", piece in 1_usize..20) {
        prop_assert_eq!(receive(&frame(0x81, message.as_bytes()), piece), [text(&String::from(&message))]);
    }
}
