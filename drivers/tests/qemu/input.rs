//! virtio-input: keys that are pressed in QEMU.

use switchboard_drivers::interfaces::keyboard::{Key, KeyEvent, KeyReader, KeyboardDevice};
use switchboard_drivers::virtio::VirtioKeyboard;
use switchboard_drivers::virtio::input::InputError;
use switchboard_testing::qemu::Bench;

#[test]
fn virtio_keyboard_types() {
    Bench::qemu().device("virtio-keyboard-pci").in_each_mode(|bench| {
        let mut keyboard: VirtioKeyboard = bench.attach();
        bench.press_keys(&["a"]);
        for is_pressed in [true, false] {
            let event = bench.run(keyboard.next_event());
            assert_eq!(event, Ok(KeyEvent { key: Key::A, is_pressed, modifiers: Default::default() }));
        }
        let (mut reader, mut typed) = (KeyReader::new(keyboard), [0; 5]);
        for keys in [&["h"][..], &["shift", "i"], &["up"]] {
            bench.press_keys(keys);
        }
        bench.run(embedded_io_async::Read::read_exact(&mut reader, &mut typed)).expect("keys");
        assert_eq!(&typed, b"hI\x1b[A");
    });
}

#[test]
fn virtio_pointers_are_left_alone() {
    let Some(bench) = Bench::qemu().device("virtio-tablet-pci").start() else { return };
    assert!(matches!(bench.try_attach::<VirtioKeyboard>(), Err(switchboard::driver::ProbeError::LeftAlone(_))));
    bench.check_nothing_left();
}

#[test]
fn virtio_keyboard_with_faults() {
    let report =
        Bench::qemu().device("virtio-keyboard-pci").inject::<VirtioKeyboard, InputError>(25, |bench, keyboard| {
            bench.press_keys(&["a"]);
            bench.try_run(async { keyboard.next_event().await.map(drop) })
        });
    assert!(report.is_none_or(|report| report.faults > 30 && report.errors > 10), "{report:?}");
}
