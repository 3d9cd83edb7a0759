//! Tests of the driver on a card made of memory. Rings and frames are tested with the drivers that share them.

use alloc::boxed::Box;
use core::task::{Context, Waker};

use embassy_net_driver::{Driver as _, LinkState, TxToken as _};
use switchboard::driver::{ProbeError, attach};
use switchboard::interrupt::{Mode, ModePolicy};
use switchboard_testing::{FakeFunction, FakeMachine};

use super::Igb;
use super::registers::*;
use crate::intel::registers::*;
use crate::intel::tests::{DeviceRing, address};

fn read(fake: &FakeMachine, offset: u64) -> u32 {
    fake.read_register(address(), 0, offset)
}

fn write(fake: &FakeMachine, offset: u64, value: u32) {
    fake.write_register(address(), 0, offset, value);
}

/// Makes a card whose PHY responds if `has_phy`, and attaches the driver in the best mode that `policy` allows.
fn attached(policy: ModePolicy, has_phy: bool) -> (&'static FakeMachine, Result<Igb, ProbeError>) {
    let function = FakeFunction::new(0x8086, 0x10c9).at("00:03.0").bar(0, 0x2_0000).bar(3, 0x4000);
    let function = function.pin(1, 10).msi(1).msix(10, 3, 0, 0x2000);
    let fake: &FakeMachine = Box::leak(Box::new(FakeMachine::with_policy(policy, [function])));
    fake.on_access(address(), move || {
        write(fake, CTRL.offset(), read(fake, CTRL.offset()) & !Control::RESET.bits());
        write(fake, STATUS.offset(), STATUS_LINK_UP);
        write(fake, RAL0.offset(), 0x1200_5452);
        write(fake, RAH0.offset(), 0x8000_5634);
        if has_phy {
            write(fake, MDIC.offset(), read(fake, MDIC.offset()) | MDIC_READY);
        }
    });
    (fake, attach(fake.machine().take_all().remove(0)))
}

#[test]
fn by_msix_each_ring_has_its_message() {
    let (fake, card) = attached(ModePolicy::all(), true);
    let mut card = card.expect("a card");
    assert_eq!(card.mode(), Mode::Msix);
    assert_eq!((read(fake, IVAR0.offset()), read(fake, IVAR_MISC.offset())), (0x8180, 0x8200));
    assert_eq!((read(fake, EIAC.offset()), read(fake, EIAM.offset())), (0b111, 0b011));
    assert_ne!(read(fake, RXDCTL.offset()) & read(fake, TXDCTL.offset()) & RING_ENABLED, 0);
    let mut context = Context::from_waker(Waker::noop());
    assert!(card.link_state(&mut context) == LinkState::Up);
    card.transmit(&mut context).expect("room").consume(60, |frame| frame.fill(7));
    let ring = DeviceRing { fake, bus: u64::from(read(fake, 0x3804)) << 32 | u64::from(read(fake, 0x3800)) };
    assert_eq!(ring.read(0)[8..], [60, 0, 0x30, 0x23, 0, 0, 0x0f, 0], "an advanced data descriptor with its length");
    drop(card);
    assert_eq!((read(fake, EIMC.offset()), fake.mode(address()), fake.dma_pages()), (u32::MAX, None, 0));
}

#[test]
fn by_one_interrupt_there_are_no_entries() {
    for (policy, mode) in [(ModePolicy::MSI, Mode::Msi), (ModePolicy::INTX, Mode::Intx)] {
        let (fake, card) = attached(policy, true);
        assert_eq!(card.expect("a card").mode(), mode);
        assert_eq!((read(fake, IVAR0.offset()), read(fake, GPIE.offset())), (0, GPIE_READ_CLEARS));
    }
}

#[test]
fn a_phy_that_does_not_respond_is_an_error() {
    let (fake, card) = attached(ModePolicy::all(), false);
    assert!(matches!(card, Err(ProbeError::Device(reason)) if reason.contains("PHY")));
    assert_eq!(fake.dma_pages(), 0);
}
