//! The control messages of a device with several ports.

use super::*;

/// Offers several ports.
const MULTIPORT: u32 = OFFERED | 2;
const MAX_PORTS: u32 = 9;

fn rig() -> (Rig, DeviceQueue, DeviceQueue) {
    let rig = Rig::new(MULTIPORT, 20, MAX_PORTS);
    let (receive, transmit) = (rig.queues.take(2), rig.queues.take(3));
    (rig, receive, transmit)
}

fn message(port: u32, event: u16, value: u16, rest: &[u8]) -> Vec<u8> {
    let header = [port.to_le_bytes().as_slice(), &event.to_le_bytes(), &value.to_le_bytes()].concat();
    [&header, rest].concat()
}

/// Lets the driver carry out what it was sent.
fn update(rig: &Rig) -> Result<(), ConsoleError> {
    rig.interrupt();
    match poll(|context| rig.console.poll_change(context)) {
        Poll::Ready(result) => result,
        Poll::Pending => Ok(()),
    }
}

#[test]
fn ports_are_added_named_opened_and_removed() {
    let (rig, mut receive, mut transmit) = rig();
    // The device is ready before any port.
    assert_eq!(taken(&mut transmit), Some(message(0, 0, 1, b"")));
    assert_eq!(rig.console.ports(), []);
    for bytes in [
        message(1, 1, 1, b""),
        message(1, 7, 1, b"org.example.shell\0"),
        message(1, 4, 1, b""),
        message(1, 5, 0, &[120, 0, 40, 0]),
        message(1, 6, 1, b""),
    ] {
        deliver(&mut receive, &bytes);
    }
    assert_eq!(update(&rig), Ok(()));
    assert_eq!(taken(&mut transmit), Some(message(1, 3, 1, b"")), "the port is ready");
    let size = Some(ConsoleSize { columns: 120, rows: 40 });
    let port = PortInfo { id: 1, name: "org.example.shell".into(), is_console: true, is_open: true, size };
    assert_eq!(rig.console.ports(), [port]);

    rig.console.set_open(1, true);
    assert_eq!(update(&rig), Ok(()));
    assert_eq!(taken(&mut transmit), Some(message(1, 6, 1, b"")));
    let (mut data, mut sent) = (rig.queues.take(4), rig.queues.take(5));
    let bytes = testing::run(read(&rig.console, 1, 9), || {
        deliver(&mut data, b"hello");
        rig.interrupt();
    });
    assert_eq!(bytes.as_deref(), Ok(b"hello".as_slice()));
    assert_eq!(testing::run(write(&rig.console, 1, b"there"), || ()), Ok(5));
    assert_eq!(taken(&mut sent).as_deref(), Some(b"there".as_slice()));

    // The host closes its end, and opens it again.
    let end = testing::run(read(&rig.console, 1, 9), || {
        deliver(&mut receive, &message(1, 6, 0, b""));
        assert_eq!(update(&rig), Ok(()));
    });
    assert_eq!(end.as_deref(), Ok(b"".as_slice()));
    assert_eq!(testing::run(write(&rig.console, 1, b"x"), || ()), Err(ConsoleError::Closed { port: 1 }));
    deliver(&mut receive, &message(1, 6, 1, b""));
    assert_eq!(update(&rig), Ok(()));

    let gone = testing::run(read(&rig.console, 1, 9), || {
        deliver(&mut receive, &message(1, 2, 1, b""));
        assert_eq!(update(&rig), Ok(()));
    });
    assert_eq!(gone, Err(ConsoleError::NoPort { port: 1 }));
    assert_eq!(rig.console.ports(), []);

    // Added again, it is open on the driver's side again.
    deliver(&mut receive, &message(1, 1, 1, b""));
    assert_eq!(update(&rig), Ok(()));
    let sent: Vec<_> = core::iter::from_fn(|| taken(&mut transmit)).collect();
    assert_eq!(sent, [message(1, 3, 1, b""), message(1, 6, 1, b"")]);
}

#[test]
fn more_ports_than_are_used_are_refused() {
    let (rig, mut receive, mut transmit) = rig();
    taken(&mut transmit).expect("the device is ready");
    deliver(&mut receive, &message(8, 1, 1, b""));
    assert_eq!(update(&rig), Ok(()));
    assert_eq!(taken(&mut transmit), Some(message(8, 3, 0, b"")));
    assert_eq!(rig.console.ports(), []);
}

#[test]
fn a_device_that_floods_is_answered_at_its_pace() {
    let (rig, mut receive, mut transmit) = rig();
    let mut answers = 0;
    for _ in 0..50 {
        // The device does not take the answers: no more messages are carried out than there are buffers for these.
        while let Some(chain) = receive.take() {
            receive.write(chain.segments[0].address, &message(2, 1, 1, b""));
            receive.complete(chain.head.into(), 8);
        }
        assert_eq!(update(&rig), Ok(()));
    }
    while taken(&mut transmit).is_some() {
        answers += 1;
    }
    assert_eq!(answers, 16);
}

#[test]
fn invalid_messages_end_in_quarantine() {
    for bytes in [message(MAX_PORTS, 1, 1, b""), b"short".to_vec()] {
        let (rig, mut receive, _) = rig();
        deliver(&mut receive, &bytes);
        assert_eq!(update(&rig), Err(ConsoleError::Quarantined));
        assert!(rig.was_reset());
        let later = poll(|context| rig.console.poll_change(context));
        assert_eq!(later, Poll::Ready(Err(ConsoleError::Quarantined)));
    }
    // What is not in the specification is ignored, as are names that are none.
    let (rig, mut receive, _) = rig();
    for bytes in [message(77, 99, 1, b""), message(3, 1, 1, b""), message(3, 7, 1, &[0xff; 100])] {
        deliver(&mut receive, &bytes);
    }
    assert_eq!(update(&rig), Ok(()));
    let name = &rig.console.ports()[0].name;
    assert_eq!(name.chars().count(), 64);
}
