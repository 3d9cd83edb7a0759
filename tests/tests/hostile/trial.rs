//! A machine of arbitrary functions, passed through the framework: scan, claims and grants.

use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use switchboard::assign::{Apertures, Unassigned};
use switchboard::bar::BarKind;
use switchboard::config::Address;
use switchboard::function::{ClaimError, Function as Found, FunctionReport, Refusal, Resources};
use switchboard::interrupt::{Claim, GrantError, InIsr, LineIsr, MessageIsr, Mode};
use switchboard::machine::Machine;
use switchboard::messages;
use switchboard::mmio::{MapError, RegisterBlock};
use switchboard::platform::{Clock, MemoryError, RegisterAccess};
use switchboard_testing::{DeviceRegisters, FakeMachine};

use crate::space::{Accesses, Function, Space};

/// Ranges that are not for devices: RAM, configuration space, interrupt controllers.
const RESERVED: [core::ops::Range<u64>; 4] =
    [0..0xa_0000, 0x10_0000..0x8000_0000, 0xb000_0000..0xc000_0000, 0xfec0_0000..0xff00_0000];
/// Aperture for BARs of ports.
const PORTS: core::ops::Range<u64> = 0xd000..0xe000;
/// Bytes of the memory behind all windows; they share it, as its content does not matter.
const WINDOW: usize = 64 << 10;

/// Bytes of a window that read ones when registers are dead: a table of four entries.
const TABLE: usize = 64;

static SPACE: LazyLock<Space> = LazyLock::new(Space::default);
static MEMORY: Registers = Registers { bytes: [const { AtomicU8::new(0) }; WINDOW], mapped: Mutex::new(Vec::new()) };
static CLOCK: JumpingClock = JumpingClock(AtomicU64::new(0));
static MACHINE: LazyLock<Mutex<&'static Machine>> = LazyLock::new(|| {
    let apertures = Apertures {
        io: vec![PORTS],
        memory: [0xc000_0000..0xe000_0000, 1 << 40..1 << 41].to_vec(),
        taken: RESERVED.to_vec(),
    };
    let builder = FakeMachine::builder().apertures(apertures);
    Mutex::new(builder.config(&*SPACE).registers(&MEMORY).clock(&CLOCK).build().machine())
});

/// A clock that advances by a millisecond at each read, so that timeouts take no real time.
struct JumpingClock(AtomicU64);

impl Clock for JumpingClock {
    fn now_ns(&self) -> u64 {
        self.0.fetch_add(1_000_000, Ordering::Relaxed)
    }
}

/// Registers that store what is written, wherever they are mapped, and a log of the mappings.
struct Registers {
    bytes: [AtomicU8; WINDOW],
    mapped: Mutex<Vec<(u64, u64)>>,
}

impl DeviceRegisters for Registers {
    fn map(&self, physical: u64, length: u64) -> Result<&'static dyn RegisterAccess, MemoryError> {
        self.mapped.lock().unwrap_or_else(PoisonError::into_inner).push((physical, length));
        match length <= self.bytes.len() as u64 {
            true => Ok(&MEMORY),
            false => Err(MemoryError::Unreachable { physical, length }),
        }
    }
}

impl RegisterAccess for Registers {
    fn read(&self, offset: u64, bytes: u8) -> u64 {
        let start = usize::try_from(offset).expect("an offset in the window");
        let place = &self.bytes[start..start + usize::from(bytes)];
        place.iter().rev().fold(0, |value, byte| value << 8 | u64::from(byte.load(Ordering::Relaxed)))
    }

    fn write(&self, offset: u64, bytes: u8, value: u64) {
        let start = usize::try_from(offset).expect("an offset in the window");
        let place = &self.bytes[start..start + usize::from(bytes)];
        place.iter().zip(value.to_le_bytes()).for_each(|(byte, value)| byte.store(value, Ordering::Relaxed));
    }
}

messages! {
    pub(crate) enum Message { First, Second }
}

#[derive(Debug)]
struct Handler;

impl MessageIsr<2> for Handler {
    type Message = Message;

    fn on_message(&self, _: Message, _: &InIsr<'_>) {}
}

impl LineIsr for Handler {
    fn on_line(&self, _: &InIsr<'_>) -> Claim {
        Claim::NotMine
    }
}

struct Block;

impl RegisterBlock for Block {
    const SIZE: u64 = 16;
}

/// Outcome of claiming a function.
#[derive(Debug)]
pub(crate) struct Driven {
    pub(crate) claim: Result<(), ClaimError>,
    /// The mode granted.
    pub(crate) mode: Option<Mode>,
    /// Why messages were not granted.
    pub(crate) messages: Option<GrantError>,
    /// Why the line was not granted.
    pub(crate) line: Option<GrantError>,
    /// Errors of mapping its BARs.
    pub(crate) bars: Vec<MapError>,
}

/// Outcome for the functions of a machine.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) found: Vec<FunctionReport>,
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) driven: BTreeMap<Address, Driven>,
    pub(crate) accesses: BTreeMap<Address, Accesses>,
    /// Violated invariants.
    pub(crate) violations: Vec<String>,
}

/// Exclusive access to the one machine of the test process.
pub(crate) struct Trial(MutexGuard<'static, &'static Machine>);

impl Trial {
    /// Waits for exclusive access.
    pub(crate) fn begin() -> Self {
        Self(MACHINE.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sets whether all registers read ones, whatever is written to them.
    pub(crate) fn set_dead(&self, is_dead: bool) {
        MEMORY.bytes.iter().for_each(|byte| byte.store(0, Ordering::Relaxed));
        // The memory stores writes; the next access to configuration space sets it to ones again.
        let ones: fn() = || MEMORY.bytes[..TABLE].iter().for_each(|byte| byte.store(0xff, Ordering::Relaxed));
        SPACE.on_access(is_dead.then_some(ones));
    }

    /// Passes functions through scan, claims and grants.
    pub(crate) fn run(&self, functions: impl IntoIterator<Item = (Address, Function)>) -> Verdict {
        let found = self.scan(functions);
        let mut violations = self.check_restored(&found);
        MEMORY.mapped.lock().unwrap_or_else(PoisonError::into_inner).clear();
        SPACE.drive();
        let driven: BTreeMap<_, _> =
            self.0.take_all().into_iter().map(|function| (function.address(), drive(function))).collect();
        violations.extend(check_mapped(&found));
        let signalling = driven.iter().filter(|(address, driven)| driven.claim.is_ok() && SPACE.can_signal(**address));
        violations.extend(signalling.map(|(address, _)| format!("{address}: not quiesced")));
        let accesses = SPACE.accesses();
        let reported = accesses
            .iter()
            .flat_map(|(address, accesses)| accesses.violations.iter().map(move |what| format!("{address}: {what}")));
        violations.extend(reported);
        let refusals = self.0.refusals();
        self.clear();
        Verdict { found, refusals, driven, accesses, violations }
    }

    /// Scans functions, and returns the one at `address` if it is offered.
    pub(crate) fn offer(
        &self,
        functions: impl IntoIterator<Item = (Address, Function)>,
        address: Address,
    ) -> Option<Found> {
        self.scan(functions);
        SPACE.drive();
        self.0.take(address)
    }

    /// Removes all functions.
    pub(crate) fn clear(&self) {
        SPACE.fill([]);
        self.0.check_presence();
        assert!(self.0.functions().is_empty(), "functions are left");
    }

    fn scan(&self, functions: impl IntoIterator<Item = (Address, Function)>) -> Vec<FunctionReport> {
        SPACE.fill(functions);
        self.0.scan();
        self.0.functions()
    }

    /// Checks that after the scan registers hold their original values, or an address that the framework assigned.
    fn check_restored(&self, found: &[FunctionReport]) -> Vec<String> {
        let is_given = |address, offset: u16, value: u32| {
            let report = found.iter().find(|report| report.address == address);
            report.into_iter().flat_map(|report| &report.bars).any(|bar| {
                // An unassigned 64-bit BAR is moved out of the address range of the CPU; some BARs ignore the address
                // that they are assigned; and an assigned BAR counts as unassigned when decoding had to stay off for
                // another.
                let is_unassigned = match bar.address {
                    Err(Unassigned::Refused { .. } | Unassigned::SwitchedOff { .. }) => true,
                    Err(_) => matches!(bar.kind, BarKind::Memory64 { .. }),
                    Ok(_) => false,
                };
                let register = 0x10 + 4 * u16::from(bar.index);
                if is_unassigned && (register..register + 8).contains(&offset) {
                    return true;
                }
                let at = bar.address.unwrap_or_default().to_le_bytes();
                let (low, high) = at.split_at(4);
                let halves = [low, high].map(|half| u32::from_le_bytes(half.try_into().expect("four bytes")));
                value & !0xf == halves[0] & !0xf && offset == register || value == halves[1] && offset == register + 4
            })
        };
        let stray = SPACE.moved().into_iter().filter(|(address, offset, value)| !is_given(*address, *offset, *value));
        stray
            .map(|(address, offset, value)| {
                let found = found.iter().find(|report| report.address == address);
                format!("{address}: {offset:#x} was left at {value:#x}: {found:x?}")
            })
            .collect()
    }
}

/// Checks that mappings are within BARs, and outside the ranges that are not for devices.
fn check_mapped(found: &[FunctionReport]) -> Vec<String> {
    let mapped = core::mem::take(&mut *MEMORY.mapped.lock().unwrap_or_else(PoisonError::into_inner));
    let is_owned = |&(start, length): &(u64, u64)| {
        let bars = found.iter().flat_map(|report| &report.bars);
        let in_bar = bars.filter_map(|bar| Some((bar.address.ok()?, bar.size))).any(|(address, size)| {
            address <= start && start.checked_add(length).is_some_and(|end| end <= address.saturating_add(size))
        });
        in_bar && RESERVED.iter().all(|taken| start.saturating_add(length) <= taken.start || taken.end <= start)
    };
    let stray = mapped.into_iter().filter(|place| !is_owned(place));
    stray.map(|(start, length)| format!("{length:#x} bytes mapped at {start:#x}")).collect()
}

/// Claims a function, and uses it as a driver does.
fn drive(function: Found) -> Driven {
    let mut driven = Driven { claim: Ok(()), mode: None, messages: None, line: None, bars: Vec::new() };
    let Resources { bar0, bar1, bar2, bar3, bar4, bar5, irq, .. } = match function.claim() {
        Ok(resources) => resources,
        Err(error) => return Driven { claim: Err(error), ..driven },
    };
    for bar in [bar0, bar1, bar2, bar3, bar4, bar5] {
        driven.bars.extend(bar.map::<Block>().err().map(|(error, _)| error));
    }
    let irq = match irq.grant_messages::<2, Handler>() {
        Ok(messages) => {
            driven.mode = Some(messages.mode());
            drop(messages.register(Arc::new(Handler)).unmask());
            return driven;
        }
        Err((error, irq)) => {
            driven.messages = Some(error);
            irq
        }
    };
    match irq.grant_line::<Handler>() {
        Ok(line) => {
            driven.mode = Some(Mode::Intx);
            drop(line.register(Arc::new(Handler)).unmask());
        }
        Err((error, _)) => driven.line = Some(error),
    }
    driven
}
