//! The driver on a device made of memory.

use switchboard::config::Address;
use switchboard_testing::FakeMachine;

use super::*;
use crate::interfaces::keyboard::{Key, Modifiers};
use crate::virtio::testing::{self, DeviceQueue, OFFERED};

/// Probes a device with the bits of these keys.
fn probe(bits: u32) -> (Arc<FakeMachine>, Address, Result<VirtioKeyboard, ProbeError>) {
    let (machine, function) = testing::machine(testing::function(0x1052), OFFERED & !2, 1);
    let address = function.address();
    machine.write_register(address, 0, testing::DEVICE, 16 << 16);
    machine.write_register(address, 0, testing::DEVICE + 8, bits);
    let keyboard = VirtioKeyboard::probe(function);
    (machine, address, keyboard)
}

fn keyboard() -> (Arc<FakeMachine>, Address, VirtioKeyboard, DeviceQueue) {
    let (machine, address, keyboard) = probe(1 << 30);
    let queue = DeviceQueue::from_registers(&machine, address);
    (machine, address, keyboard.expect("a good device"), queue)
}

fn report(queue: &mut DeviceQueue, kind: u16, code: u16, value: u32) {
    let chain = queue.take().expect("a buffer");
    let event = [&kind.to_le_bytes()[..], &code.to_le_bytes(), &value.to_le_bytes()].concat();
    queue.write(chain.segments[0].address, &event);
    queue.complete(chain.head.into(), testing::size(EVENT_BYTES));
}

#[test]
fn keys_are_events() {
    let (machine, address, mut keyboard, mut queue) = keyboard();
    for _ in 0..200 {
        let event = testing::run(keyboard.next_event(), || {
            // What is no key is left out.
            report(&mut queue, 4, 4, 7);
            report(&mut queue, KEY_EVENT, 0x110, 1);
            report(&mut queue, KEY_EVENT, KEY_A, 1);
            report(&mut queue, 0, 0, 0);
            machine.send(address, 0).expect("messages are on");
        });
        assert_eq!(event, Ok(KeyEvent { key: Key::A, is_pressed: true, modifiers: Modifiers::empty() }));
    }
}

#[test]
fn a_pointer_is_left_alone() {
    for bits in [0, !(1 << 30)] {
        assert!(matches!(probe(bits).2, Err(ProbeError::LeftAlone(_))));
    }
}

#[test]
fn a_part_of_an_event_ends_in_quarantine() {
    let (machine, address, mut keyboard, mut queue) = keyboard();
    let outcome = testing::run(keyboard.next_event(), || {
        let chain = queue.take().expect("a buffer");
        queue.complete(chain.head.into(), 7);
        machine.send(address, 0).expect("messages are on");
    });
    assert_eq!(outcome, Err(InputError::Short { bytes: 7 }));
    let outcome = testing::run(keyboard.next_event(), || panic!("the device was asked"));
    assert_eq!(outcome, Err(InputError::Queue(QueueError::Dead)));
    assert_eq!(machine.read_register(address, 0, testing::COMMON + 20) & 0xff, 0, "it was reset");
}
