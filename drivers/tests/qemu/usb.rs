//! USB keyboards at xHCI controllers.

use embedded_io_async::Read;
use switchboard_drivers::interfaces::block::DiskController;
use switchboard_drivers::interfaces::keyboard::{Key, KeyEvent, KeyReader, KeyboardController, KeyboardDevice};
use switchboard_drivers::usb::UsbError;
use switchboard_drivers::xhci::{Xhci, XhciKeyboard};
use switchboard_testing::qemu::{Bench, BenchBuilder};

use crate::permitted;

/// QEMU's own controller, with MSI-X, and NEC's, with either kind of messages.
pub(crate) const CONTROLLERS: [&str; 3] =
    ["qemu-xhci,id=x", "nec-usb-xhci,id=x,msi=on,msix=off", "nec-usb-xhci,id=x,msix=on"];

fn bench(controller: &str) -> BenchBuilder {
    Bench::qemu().device(controller).device("usb-kbd,id=kbd,bus=x.0")
}

fn attach(bench: &Bench) -> (Xhci, XhciKeyboard) {
    let mut xhci: Xhci = bench.attach();
    let keyboard = xhci.next_keyboard().expect("a keyboard");
    assert!(xhci.next_keyboard().is_none() && xhci.next_disk().is_none());
    (xhci, keyboard)
}

#[test]
fn a_keyboard_types() {
    for controller in CONTROLLERS {
        bench(controller).in_each_mode(|bench| {
            let (xhci, mut keyboard) = attach(bench);
            assert!(permitted(bench, xhci.mode()));
            bench.press_keys(&["a"]);
            for is_pressed in [true, false] {
                let event = bench.run(keyboard.next_event());
                assert_eq!(event, Ok(KeyEvent { key: Key::A, is_pressed, modifiers: Default::default() }));
            }
            let mut reader = KeyReader::new(keyboard);
            // Through the rings several times over.
            for _ in 0..20 {
                let mut typed = [0; 6];
                for keys in [&["h"][..], &["shift", "i"], &["up"], &["ret"]] {
                    bench.press_keys(keys);
                }
                bench.run(reader.read_exact(&mut typed)).expect("keys");
                assert_eq!(&typed, b"hI\x1b[A\r");
            }
            // Caps Lock, whose light is set, and off again.
            let mut typed = [0; 2];
            for key in ["caps_lock", "x", "caps_lock", "y"] {
                bench.press_keys(&[key]);
            }
            bench.run(reader.read_exact(&mut typed)).expect("keys");
            assert_eq!(&typed, b"Xy");
        });
    }
}

#[test]
fn a_keyboard_is_unplugged_and_plugged_in() {
    let Some(bench) = bench("qemu-xhci,id=x").start() else { return };
    let (mut xhci, mut keyboard) = attach(&bench);
    for _ in 0..3 {
        bench.request_removal("kbd");
        let next = embassy_futures::join::join(keyboard.next_event(), next_change(&mut xhci));
        assert_eq!(bench.run(next).0, Err(UsbError::Gone));
        bench.add_device("usb-kbd,id=kbd,bus=x.0");
        keyboard = bench.run(async {
            loop {
                if let Some(keyboard) = xhci.next_keyboard() {
                    return keyboard;
                }
                next_change(&mut xhci).await;
            }
        });
        bench.press_keys(&["b"]);
        assert_eq!(bench.run(keyboard.next_event()).map(|event| event.key), Ok(Key(5)));
    }
    drop((keyboard, xhci));
    bench.check_nothing_left();
}

/// Waits until there is something new, as the image does.
async fn next_change(xhci: &mut Xhci) {
    core::future::poll_fn(|context| xhci.poll_change(context)).await;
}

#[test]
fn a_keyboard_with_faults() {
    /// An error of either.
    #[derive(Debug)]
    struct Failed;
    let report = bench("qemu-xhci,id=x").inject::<Xhci, Failed>(40, |bench, xhci| {
        let mut keyboard = xhci.next_keyboard().ok_or(Failed).ok()?;
        bench.press_keys(&["a"]);
        bench.try_run(async { keyboard.next_event().await.map(drop).map_err(|_| Failed) })
    });
    assert!(report.is_none_or(|report| report.faults > 50), "{report:?}");
}
