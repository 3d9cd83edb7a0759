//! The e1000 driver against a card with arbitrary registers and descriptors.

use core::task::{Context, Waker};
use std::sync::{LazyLock, Mutex, PoisonError};

use embassy_net_driver::{Driver as _, RxToken, TxToken};
use switchboard::config::Address;
use switchboard::driver::attach;
use switchboard_drivers::e1000::E1000;
use switchboard_testing::{FakeFunction, FakeMachine};

use crate::input::Input;

const LINE: u8 = 10;
/// Registers: control with its reset bit, status, EEPROM, interrupt causes, and the addresses of the rings.
const CTRL: u64 = 0x00;
const RESET: u32 = 1 << 26;
const STATUS: u64 = 0x08;
const ICR: u64 = 0xc0;
const RAL0: u64 = 0x5400;
const RDBAL: u64 = 0x2800;
const TDBAL: u64 = 0x3800;
const DESCRIPTOR: u64 = 16;

static CARD: LazyLock<Mutex<&'static FakeMachine>> = LazyLock::new(|| {
    let function = FakeFunction::new(0x8086, 0x100e).bar(0, 0x20000).pin(1, LINE);
    let fake: &FakeMachine = Box::leak(Box::new(FakeMachine::new([function])));
    fake.on_tick(move || {
        if read(fake, CTRL) & RESET != 0 {
            write(fake, CTRL, 0);
        }
        // The EEPROM completes at once and is empty: the MAC address is in the receive address registers.
        write(fake, 0x14, 1 << 4);
    });
    Mutex::new(fake)
});

fn here() -> Address {
    Address::new(0, 0, 1, 0)
}

fn read(fake: &FakeMachine, register: u64) -> u32 {
    fake.read_register(here(), 0, register)
}

fn write(fake: &FakeMachine, register: u64, value: u32) {
    fake.write_register(here(), 0, register, value);
}

/// Runs the target.
pub(crate) fn run(data: &[u8]) {
    let fake = CARD.lock().unwrap_or_else(PoisonError::into_inner);
    let mut input = Input::new(data);
    let [status, address] = input.array().unwrap_or_default();
    write(&fake, STATUS, u32::from(status));
    write(&fake, RAL0, u32::from(address));
    write(&fake, RAL0 + 4, 1 << 31);
    if let Some(function) = fake.machine().take(here())
        && let Ok(mut card) = attach::<E1000>(function)
    {
        while step(&fake, &mut card, &mut input).is_some() {}
    }
    assert_eq!(fake.dma_pages(), 0, "DMA memory is leaked");
    assert_eq!(fake.mode(here()), None, "interrupts are enabled after the drop");
    assert_eq!(fake.read_config(here(), 4) & 4, 0, "bus mastering is enabled after the drop");
}

/// Executes one step of the input: receives, sends, interrupts, or writes descriptors.
fn step(fake: &FakeMachine, card: &mut E1000, input: &mut Input<'_>) -> Option<()> {
    let mut context = Context::from_waker(Waker::noop());
    match input.byte()? % 8 {
        0 | 1 => {
            if let Some((frame, slot)) = card.receive(&mut context) {
                let length = frame.consume(|bytes| {
                    bytes.iter_mut().for_each(|byte| *byte = byte.wrapping_add(1));
                    bytes.len()
                });
                assert!((1..=2048).contains(&length), "a frame of {length} bytes");
                slot.consume(length.min(1514), |bytes| bytes.fill(0x5a));
            }
        }
        2 => {
            let length = usize::from(input.word()?) % 1515;
            for _ in 0..1 + input.byte()? % 64 {
                let Some(slot) = card.transmit(&mut context) else { break };
                slot.consume(length, |bytes| bytes.fill(0xa5));
            }
        }
        3 => _ = card.link_state(&mut context),
        4 => {
            write(fake, ICR, input.dword()?);
            fake.assert_line(LINE.into());
            write(fake, ICR, 0);
        }
        5 => write_descriptors(fake, TDBAL, input)?,
        _ => write_descriptors(fake, RDBAL, input)?,
    }
    Some(())
}

/// Overwrites part of a descriptor with input bytes, or completes several descriptors as a card does.
fn write_descriptors(fake: &FakeMachine, ring: u64, input: &mut Input<'_>) -> Option<()> {
    let [index, offset, count] = input.array()?;
    let start = u64::from(read(fake, ring)) | u64::from(read(fake, ring + 4)) << 32;
    let place = |index: u8, offset: u8| start + DESCRIPTOR * u64::from(index % 128) + u64::from(offset % 16);
    if offset < 0x80 {
        let bytes = input.bytes(usize::from(16 - offset % 16));
        return fake.dma_write(place(index, offset), bytes).or(Some(()));
    }
    let [length, status, errors] = input.array()?;
    for index in (0..count % 64).map(|step| index.wrapping_add(step)) {
        // Length, checksum, status, errors. Past the end of the shorter ring there may be no memory.
        _ = fake.dma_write(place(index, 8), &[length, 0, 0, 0, status | 1, errors]);
    }
    Some(())
}
