//! Tests of the rings and the driver on a simulated controller.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use switchboard::config::Address;
use switchboard::driver::attach;
use switchboard::interrupt::ModePolicy;
use switchboard_testing::{FakeFunction, FakeMachine};

use super::registers::{CRCR, ERSTBA, HCSPARAMS1, PAGESIZE};
use super::rings::RING_TRBS;
use super::*;

fn address() -> Address {
    Address::new(0, 0, 5, 0)
}
const GSI: u8 = 11;
const OPERATIONAL: u64 = 0x40;
const RUNTIME: u64 = 0x1000;
const DOORBELLS: u64 = 0x2000;

/// Makes a controller with the registers of QEMU's, and its MSI-X table at the same offset.
fn machine(policy: ModePolicy) -> &'static FakeMachine {
    let function = FakeFunction::new(0x1033, 0x0194)
        .byte(0x0b, 0x0c)
        .byte(0x0a, 0x03)
        .byte(0x09, 0x30)
        .at("00:05.0")
        .bar(0, 0x4000);
    let function = function.pin(1, GSI).msi(16).msix(16, 0, 0x3000, 0x3800);
    let fake: &FakeMachine = Box::leak(Box::new(FakeMachine::with_policy(policy, [function])));
    let capability = [(0x00, 0x0100_0040), (0x04, 0x0800_1040), (0x14, 0x2000), (0x18, 0x1000)];
    for (offset, value) in capability {
        fake.write_register(address(), 0, offset, value);
    }
    fake.write_register(address(), 0, OPERATIONAL + PAGESIZE.offset(), 1);
    fake.write_register(address(), 0, OPERATIONAL + USBSTS.offset(), UsbStatus::HALTED.bits());
    // Resets end at once.
    fake.on_tick(move || fake.write_register(address(), 0, OPERATIONAL, 0));
    fake
}

fn probe(fake: &'static FakeMachine) -> Result<Xhci, ProbeError> {
    attach(fake.machine().take_all().remove(0))
}

/// The controller's side of the rings, whose addresses are read from the registers.
struct Controller {
    fake: &'static FakeMachine,
    command: u64,
    events: u64,
    taken: u64,
    written: u64,
}

impl Controller {
    fn new(fake: &'static FakeMachine) -> Self {
        let pair = |low: u64| {
            let half = |offset| u64::from(fake.read_register(address(), 0, offset));
            half(low + 4) << 32 | half(low)
        };
        let table = pair(RUNTIME + Interrupter::offset(0) + ERSTBA.offset());
        let segment = fake.dma_read(table, 16).expect("a table");
        assert_eq!(u16::from_le_bytes([segment[8], segment[9]]), RING_TRBS);
        let events = u64::from_le_bytes(segment[..8].try_into().expect("eight bytes"));
        let command = pair(OPERATIONAL + CRCR.offset()) & !0x3f;
        Self { fake, command, events, taken: 0, written: 0 }
    }

    fn trb_address(start: u64, index: u64) -> u64 {
        start + index % u64::from(RING_TRBS) * 16
    }

    /// Takes the next command of the ring, if there is one, and skips the link.
    fn take(&mut self) -> Option<(u64, u32)> {
        let commands = u64::from(RING_TRBS) - 1;
        let (lap, index) = (self.taken / commands, self.taken % commands);
        let place = Self::trb_address(self.command, index);
        let control = self.control(place);
        if (control & 1 != 0) != (lap % 2 == 0) {
            return None;
        }
        self.taken += 1;
        if self.taken.is_multiple_of(commands) {
            let link = self.control(Self::trb_address(self.command, commands));
            assert_eq!((link >> 10, link & 2, (link & 1 != 0)), (6, 2, lap % 2 == 0), "a link that toggles");
        }
        Some((place, control))
    }

    fn control(&self, place: u64) -> u32 {
        let bytes = self.fake.dma_read(place + 12, 4).expect("a TRB");
        u32::from_le_bytes(bytes.try_into().expect("four bytes"))
    }

    fn write_completion(&mut self, parameter: u64, code: u32) {
        let cycle = u32::from((self.written / u64::from(RING_TRBS)).is_multiple_of(2));
        let mut bytes = Vec::from(parameter.to_le_bytes());
        bytes.extend((code << 24).to_le_bytes());
        bytes.extend((33 << 10 | cycle).to_le_bytes());
        self.fake.dma_write(Self::trb_address(self.events, self.written), &bytes).expect("a ring");
        self.written += 1;
    }

    fn complete_one(&mut self) {
        let (place, control) = self.take().expect("a command");
        assert_eq!(control >> 10, 23, "a No Op command");
        self.write_completion(place, 1);
    }

    fn read_to(&self, index: usize) -> u64 {
        self.fake.read_register(address(), 0, RUNTIME + Interrupter::offset(index) + ERDP.offset()).into()
    }
}

#[test]
fn commands_complete_over_many_laps_of_the_ring() {
    let fake = machine(ModePolicy::all());
    let mut xhci = probe(fake).expect("it probes");
    let mut controller = Controller::new(fake);
    assert_eq!(xhci.sources(), INTERRUPTERS);
    for number in 1..=300 {
        xhci.raise(0).expect("raised");
        assert_eq!(fake.read_register(address(), 0, DOORBELLS), 0);
        controller.complete_one();
        fake.send(address(), 0).expect("sent");
        assert_eq!(xhci.count(0), SourceCounts { raised: number, handled: number, ..SourceCounts::default() });
    }
    xhci.take_completions().expect("in order");
    assert!(!xhci.commands.has_pending());
}

#[test]
fn a_full_ring_is_busy_until_commands_complete() {
    let fake = machine(ModePolicy::all());
    let mut xhci = probe(fake).expect("it probes");
    let mut controller = Controller::new(fake);
    for _ in 0..RING_TRBS - 1 {
        xhci.raise(0).expect("raised");
    }
    assert_eq!(xhci.raise(0), Err(RaiseError::Busy));
    assert_eq!(xhci.count(0).raised, u64::from(RING_TRBS) - 1);
    controller.complete_one();
    xhci.raise(0).expect("there is room again");
}

#[test]
fn completions_out_of_order_quarantine_the_controller() {
    for (skew, code) in [(0, 5), (16, 1), (u64::MAX, 1)] {
        let fake = machine(ModePolicy::all());
        let mut xhci = probe(fake).expect("it probes");
        let mut controller = Controller::new(fake);
        xhci.raise(0).expect("raised");
        let (place, _) = controller.take().expect("a command");
        controller.write_completion(place.wrapping_add(skew), code);
        assert_eq!(xhci.raise(0), Err(RaiseError::Quarantined), "{skew} {code}");
        assert_eq!(xhci.raise(1), Err(RaiseError::Quarantined), "it stays quarantined");
    }
}

#[test]
fn others_are_raised_by_a_dequeue_pointer_ahead() {
    let fake = machine(ModePolicy::all());
    let mut xhci = probe(fake).expect("it probes");
    let controller = Controller::new(fake);
    let empty = controller.read_to(9) & !0xf;
    xhci.raise(9).expect("raised");
    assert_eq!(controller.read_to(9), (empty + 16) | 8);
    fake.send(address(), 9).expect("sent");
    assert_eq!(controller.read_to(9), empty | 8, "empty again");
    assert_eq!(xhci.count(9), SourceCounts { raised: 1, handled: 1, ..SourceCounts::default() });
    assert_eq!(xhci.raise(16), Err(RaiseError::NoSource { index: 16, sources: 16 }));
}

#[test]
fn the_line_has_one_source_and_claims_only_its_own_interrupts() {
    let fake = machine(ModePolicy::INTX);
    let mut xhci = probe(fake).expect("it probes");
    assert_eq!((xhci.mode(), xhci.sources()), (Mode::Intx, 1));
    // Not pending, then pending.
    let pending = RUNTIME + Interrupter::offset(0);
    fake.write_register(address(), 0, pending, ENABLE);
    assert!(fake.assert_line(GSI.into()));
    assert_eq!((fake.machine().interrupt_report()[0].unclaimed, xhci.count(0).idle), (1, 0));
    xhci.raise(0).expect("raised");
    fake.write_register(address(), 0, pending, ENABLE | PENDING);
    assert!(fake.assert_line(GSI.into()));
    assert_eq!(xhci.count(0).handled, 1);
}

#[test]
fn the_probe_fails_without_a_halt_or_an_interrupter() {
    let fake = machine(ModePolicy::all());
    fake.write_register(address(), 0, OPERATIONAL + USBSTS.offset(), 0);
    assert_eq!(probe(fake).err(), Some(ProbeError::Device("the controller does not halt")));
    let fake = machine(ModePolicy::all());
    fake.write_register(address(), 0, HCSPARAMS1.offset(), 0x40);
    assert!(matches!(probe(fake), Err(ProbeError::Device(_))));
}

#[test]
fn a_no_op_ends_with_its_completion_event() {
    let fake = machine(ModePolicy::all());
    let mut xhci = probe(fake).expect("it probes");
    let mut controller = Controller::new(fake);
    let mut context = Context::from_waker(Waker::noop());
    let mut no_op = pin!(xhci.no_op());
    assert!(no_op.as_mut().poll(&mut context).is_pending());
    fake.send(address(), 0).expect("sent");
    assert!(no_op.as_mut().poll(&mut context).is_pending(), "an interrupt without a completion event");
    controller.complete_one();
    fake.send(address(), 0).expect("sent");
    assert_eq!(no_op.as_mut().poll(&mut context), Poll::Ready(Ok(())));
}
