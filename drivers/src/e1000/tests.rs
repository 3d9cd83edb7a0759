//! Tests of the whole driver on a card made of memory: reset, EEPROM, frames, link, full ring, impossible reports.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};
use core::task::{Context, Waker};

use embassy_net_driver::{Driver as _, LinkState, RxToken as _, TxToken as _};
use switchboard::config::Address;
use switchboard::driver::{ProbeError, attach};
use switchboard_testing::{FakeFunction, FakeMachine};

use super::E1000;
use crate::intel::registers::*;
use crate::intel::tests::{DeviceRing, GSI, address, function, machine};
use crate::intel::{rx_ring, tx_ring};
use crate::interfaces::network::{CardStatistics, NetworkCard as _};

const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];

fn read(fake: &FakeMachine, offset: u64) -> u32 {
    fake.read_register(address(), 0, offset)
}

fn write(fake: &FakeMachine, offset: u64, value: u32) {
    fake.write_register(address(), 0, offset, value);
}

/// The parts of the card that respond.
#[derive(Clone, Copy)]
struct Responds {
    reset: bool,
    eeprom: bool,
}

/// Probes a card that completes resets and reads its EEPROM, if those parts respond.
fn probe(fake: &'static FakeMachine, responds: Responds) -> Result<E1000, ProbeError> {
    let words = eeprom();
    fake.on_tick(move || {
        if responds.reset && read(fake, CTRL.offset()) & Control::RESET.bits() != 0 {
            write(fake, CTRL.offset(), 0);
        }
        let request = read(fake, EERD.offset());
        if responds.eeprom && request & (EERD_START | EERD_DONE) == EERD_START {
            let word = words[usize::from(request.to_le_bytes()[1])];
            write(fake, EERD.offset(), u32::from(word) << 16 | EERD_DONE);
        }
    });
    attach(fake.machine().take_all().remove(0))
}

fn leaked() -> &'static FakeMachine {
    Box::leak(Box::new(machine()))
}

fn eeprom() -> [u16; 256] {
    let mut words = [0_u16; 256];
    for (word, bytes) in words.iter_mut().zip(MAC.chunks_exact(2)) {
        *word = u16::from_le_bytes([bytes[0], bytes[1]]);
    }
    let sum = words.iter().fold(0_u16, |sum, word| sum.wrapping_add(*word));
    words[63] = 0xbaba_u16.wrapping_sub(sum);
    words
}

fn card() -> (&'static FakeMachine, E1000) {
    let fake = leaked();
    write(fake, STATUS.offset(), STATUS_LINK_UP);
    let card = probe(fake, Responds { reset: true, eeprom: true }).expect("a card");
    (fake, card)
}

fn rings(fake: &FakeMachine) -> (DeviceRing<'_>, DeviceRing<'_>) {
    let bus = |low: u64| u64::from(read(fake, low + 4)) << 32 | u64::from(read(fake, low));
    let ring = |low| DeviceRing { fake, bus: bus(low) };
    (ring(RX_RINGS[0].rdba.offset()), ring(TDBA.offset()))
}

/// Sets `causes` and asserts the line, as the card would.
fn interrupt(fake: &FakeMachine, causes: Causes) {
    write(fake, ICR.offset(), causes.bits());
    assert!(fake.assert_line(GSI));
    write(fake, ICR.offset(), 0);
}

/// A waker that counts its wakes.
#[derive(Default)]
struct Count(AtomicU32);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    fn take(&self) -> u32 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

#[test]
fn a_probed_card_is_started() {
    let (fake, card) = card();
    assert_eq!(card.mac(), MAC);
    assert_eq!((read(fake, RAL0.offset()), read(fake, RAH0.offset())), (0x1200_5452, 0x8000_5634));
    assert_eq!((read(fake, RX_RINGS[0].rdlen.offset()), read(fake, TDLEN.offset())), (2048, 1024));
    assert_eq!(read(fake, RX_RINGS[0].rdt.offset()), u32::from(rx_ring::FRAMES) - 1);
    assert_ne!(read(fake, RCTL.offset()) & Receive::ENABLE.bits(), 0);
    drop(card);
    assert_eq!((read(fake, RCTL.offset()), read(fake, TCTL.offset()), fake.mode(address())), (0, 0, None));
    assert_eq!(fake.dma_pages(), 0);
}

#[test]
fn without_an_eeprom_the_address_is_that_of_the_receive_filter() {
    let fake = leaked();
    write(fake, RAL0.offset(), 0x1200_5452);
    write(fake, RAH0.offset(), 0x8000_5634);
    let card = probe(fake, Responds { reset: true, eeprom: false }).expect("a card");
    assert_eq!(card.mac(), MAC);
}

#[test]
fn a_card_without_an_address_or_in_reset_is_refused() {
    let no_address = probe(leaked(), Responds { reset: true, eeprom: false }).expect_err("no address");
    assert!(matches!(no_address, ProbeError::Device(text) if text.contains("holds no address")));
    let fake = leaked();
    let stuck = probe(fake, Responds { reset: false, eeprom: true }).expect_err("the reset times out");
    assert!(matches!(stuck, ProbeError::Device(text) if text.contains("reset")));
    assert_eq!(fake.dma_pages(), 0);
}

/// An 82544GC, whose EEPROM has no register: its reset puts the address into the receive filter.
fn i82544(status: u32) -> (&'static FakeMachine, Result<E1000, ProbeError>) {
    let function = FakeFunction::new(0x8086, 0x100c).at("00:03.0").bar(0, 0x20000).pin(1, 10);
    let fake: &FakeMachine = Box::leak(Box::new(FakeMachine::new([function])));
    write(fake, RAL0.offset(), 0x1200_5452);
    write(fake, RAH0.offset(), 0x8000_5634);
    write(fake, STATUS.offset(), status);
    write(fake, ITR.offset(), 0x1234);
    (fake, probe(fake, Responds { reset: true, eeprom: false }))
}

#[test]
fn an_82544_has_neither_eeprom_register_nor_throttle() {
    let (fake, card) = i82544(STATUS_LINK_UP);
    assert_eq!(card.expect("a card").mac(), MAC);
    assert_eq!((read(fake, EERD.offset()), read(fake, ITR.offset())), (0, 0x1234), "registers that it does not have");
    let (fake, card) = i82544(STATUS_LINK_UP | STATUS_PCIX);
    assert!(matches!(card, Err(ProbeError::LeftAlone(reason)) if reason.contains("PCI-X")));
    assert_eq!(fake.dma_pages(), 0);
}

#[test]
fn a_frame_wakes_the_task() {
    let (fake, mut card) = card();
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let mut context = Context::from_waker(&waker);
    assert!(card.receive(&mut context).is_none());
    rings(fake).0.receive(0, b"a frame", 3, 0);
    interrupt(fake, Causes::RECEIVED);
    assert_eq!(count.take(), 1);
    let (token, _) = card.receive(&mut context).expect("a frame");
    token.consume(|frame| assert_eq!(frame, b"a frame"));
    assert!(card.receive(&mut context).is_none());
    assert_eq!(card.counters().received(), 1);
}

#[test]
fn a_polled_card_does_not_interrupt_for_frames() {
    let (fake, mut card) = card();
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let mut context = Context::from_waker(&waker);
    let frames = Causes::RECEIVED | Causes::OVERRUN;
    card.set_polled(true);
    assert_eq!(read(fake, IMC.offset()), frames.bits());
    assert!(card.receive(&mut context).is_none());
    rings(fake).0.receive(0, b"polled", 3, 0);
    let (token, _) = card.receive(&mut context).expect("a frame");
    token.consume(|frame| assert_eq!(frame, b"polled"));
    // An interrupt that was in flight wakes no task.
    interrupt(fake, Causes::RECEIVED);
    assert_eq!(count.take(), 0);
    write(fake, IMS.offset(), 0);
    card.set_polled(false);
    assert_eq!(read(fake, IMS.offset()), frames.bits());
    assert!(card.receive(&mut context).is_none());
    interrupt(fake, Causes::RECEIVED);
    assert_eq!(count.take(), 1);
}

#[test]
fn frames_are_submitted_in_batches_and_when_the_link_state_is_read() {
    let (fake, mut card) = card();
    let mut context = Context::from_waker(Waker::noop());
    let mut send = |card: &mut E1000| {
        let token = card.transmit(&mut context).expect("room");
        token.consume(60, |frame| frame.fill(0x5a));
    };
    (0..7).for_each(|_| send(&mut card));
    assert_eq!(read(fake, TDT.offset()), 0);
    send(&mut card);
    assert_eq!(read(fake, TDT.offset()), 8);
    send(&mut card);
    assert!(card.link_state(&mut Context::from_waker(Waker::noop())) == LinkState::Up);
    assert_eq!(read(fake, TDT.offset()), 9);
    assert_eq!(rings(fake).1.sent(8).0, vec![0x5a; 60]);
    assert_eq!(card.counters().sent(), 9);
}

#[test]
fn a_full_ring_wakes_the_task_after_a_report() {
    let (fake, mut card) = card();
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let mut context = Context::from_waker(&waker);
    while let Some(token) = card.transmit(&mut context) {
        token.consume(60, |_| ());
    }
    assert_eq!(read(fake, TDT.offset()), u32::from(tx_ring::FRAMES) - 1);
    assert_eq!(read(fake, IMS.offset()), Causes::TRANSMITTED.bits());
    // A received frame has to wait too: there would be no room for its answer.
    rings(fake).0.receive(0, b"a frame", 3, 0);
    assert!(card.receive(&mut context).is_none());
    rings(fake).1.report(15, 1);
    interrupt(fake, Causes::TRANSMITTED);
    assert_eq!((count.take(), read(fake, IMC.offset())), (1, Causes::TRANSMITTED.bits()));
    assert!(card.receive(&mut context).is_some());
    assert!(card.transmit(&mut context).is_some());
}

#[test]
fn the_link_state_is_updated_and_overruns_are_counted() {
    let (fake, mut card) = card();
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let mut context = Context::from_waker(&waker);
    assert!(card.link_state(&mut context) == LinkState::Up);
    write(fake, STATUS.offset(), 0);
    interrupt(fake, Causes::LINK);
    assert_eq!(count.take(), 1);
    assert!(card.link_state(&mut context) == LinkState::Down);
    interrupt(fake, Causes::OVERRUN);
    assert_eq!(card.counters().overruns(), 1);
}

#[test]
fn statistics_are_added_up() {
    let (fake, mut card) = card();
    // Registers made of memory are not cleared by a read, so they are set each time.
    write(fake, MPC.offset(), 3);
    assert_eq!(card.statistics(), CardStatistics { missed: 3, crc_errors: 0 });
    write(fake, MPC.offset(), 2);
    write(fake, CRCERRS.offset(), 1);
    assert_eq!(card.statistics(), CardStatistics { missed: 5, crc_errors: 1 });
    // All ones, of a removed card, are not added.
    write(fake, MPC.offset(), u32::MAX);
    write(fake, CRCERRS.offset(), u32::MAX);
    assert_eq!(card.statistics(), CardStatistics { missed: 5, crc_errors: 1 });
}

#[test]
fn a_card_with_an_impossible_report_is_quarantined() {
    let (fake, mut card) = card();
    let mut context = Context::from_waker(Waker::noop());
    rings(fake).0.write_back(0, 0xffff, 3, 0);
    assert!(card.receive(&mut context).is_none());
    assert!(card.link_state(&mut context) == LinkState::Down);
    assert!(card.transmit(&mut context).is_none());
    assert_eq!((read(fake, RCTL.offset()), read(fake, TCTL.offset())), (0, 0));
    assert_eq!(fake.read_config(address(), 4) & 4, 0, "bus mastering is off, even if the card ignores its registers");
}

#[test]
fn a_line_asserted_by_another_function_is_not_claimed() {
    let (fake, _card) = card();
    write(fake, ICR.offset(), 0);
    assert!(fake.assert_line(GSI));
    write(fake, ICR.offset(), u32::MAX);
    assert!(fake.assert_line(GSI));
    let rows = fake.machine().interrupt_report();
    assert_eq!(rows.iter().map(|row| (row.count, row.unclaimed)).collect::<Vec<_>>(), [(2, 2)]);
}

#[test]
fn two_cards_are_independent() {
    let addresses = [3, 4].map(|device| Address::new(0, 0, device, 0));
    let fake: &FakeMachine = Box::leak(Box::new(FakeMachine::new([function("00:03.0"), function("00:04.0")])));
    fake.on_tick(move || {
        for address in addresses {
            if fake.read_register(address, 0, CTRL.offset()) & Control::RESET.bits() != 0 {
                fake.write_register(address, 0, CTRL.offset(), 0);
                fake.write_register(address, 0, RAL0.offset(), u32::from(address.device()) * 2);
                fake.write_register(address, 0, RAH0.offset(), RAH_VALID);
            }
        }
    });
    let functions = fake.machine().take_all();
    let cards: Vec<_> = functions.into_iter().map(|function| attach::<E1000>(function).expect("a card")).collect();
    assert_eq!(cards.iter().map(E1000::mac).collect::<Vec<_>>(), [[6, 0, 0, 0, 0, 0], [8, 0, 0, 0, 0, 0]]);
}
