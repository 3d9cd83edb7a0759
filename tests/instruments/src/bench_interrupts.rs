//! Measures the cost of an interrupt in instructions; `make bench-interrupts` boots it where the time stamp counter counts
//! instructions.
//!
//! Each figure is the minimum of many rounds, because the first ones execute initialisation code, and a timer may interrupt
//! some of the events.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use switchboard::event::{Notifier, event};
use switchboard::function::{Function, Resources};
use switchboard::interrupt::{Claim, InIsr, Line, LineIsr, Live, MessageIsr, Messages, Mode, Vector};
use switchboard::machine::Machine;
use switchboard::messages;
use switchboard::mmio::Bar;
use switchboard_runtime::mark::{MEASURED, mark};
use switchboard_runtime::say;
use switchboard_runtime::system::{Outcome, System};
use switchboard_runtime::tasks;
use switchboard_x86_64::instruments::{self, INSTRUCTIONS_BEFORE_DELIVERY, read_tsc};

use crate::bench_steering;
use crate::edu::{ACKNOWLEDGE, FACTORIAL, INTERRUPT_WHEN_COMPUTED, Registers, STATUS};

const ROUNDS: usize = 100;
/// Vendor and device id of the functions that are used: edu, which has a line and MSI.
const EDU: (u16, u16) = (0x1234, 0x11e8);

messages! {
    enum Probe { Hit }
}

/// A handler that records the time twice: the difference is the cost of recording.
#[derive(Debug, Default)]
struct Stopwatch {
    began: AtomicU64,
    ended: AtomicU64,
}

impl MessageIsr<1> for Stopwatch {
    type Message = Probe;
    #[inline]
    fn on_message(&self, Probe::Hit: Probe, _isr: &InIsr<'_>) {
        self.began.store(read_tsc(), Ordering::Relaxed);
        self.ended.store(read_tsc(), Ordering::Relaxed);
    }
}

impl LineIsr for Stopwatch {
    #[inline]
    fn on_line(&self, isr: &InIsr<'_>) -> Claim {
        self.on_message(Probe::Hit, isr);
        Claim::Mine
    }
}

/// A handler that does nothing, for the other devices on a line.
#[derive(Debug)]
struct Idle;

impl LineIsr for Idle {
    #[inline]
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        Claim::Mine
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{wanted} edu functions on one line are needed, {found} in all were found")]
    TooFew { wanted: usize, found: usize },
    #[error("an interrupt was refused: {0}")]
    Refused(#[from] switchboard::interrupt::GrantError),
    #[error("a function was refused: {0}")]
    Claim(#[from] switchboard::function::ClaimError),
    #[error("the registers were refused: {0}")]
    Map(#[from] switchboard::mmio::MapError),
    #[error("no handler was called")]
    NotCalled,
    #[error("the CPU was never halted when the device interrupted")]
    NeverHalted,
}

/// Runs the app.
///
/// # Errors
/// Fails when a function, its registers or its interrupts cannot be used, or no handler was called.
pub async fn run(mut system: System) -> Outcome {
    // Releases the functions from their drivers.
    system.devices.clear();
    let machine = system.machine;
    message(machine)?;
    lines(machine)?;
    notify(machine).await?;
    bench_steering::run(machine);
    Ok(())
}

/// Claims `wanted` edu functions that share a line.
fn edus(machine: &'static Machine, wanted: usize) -> Result<Vec<Resources>, Failure> {
    const INTERRUPT_LINE: u16 = 0x3c;
    let functions = machine.take_all().into_iter().filter(|function| function.id() == EDU);
    let claimed = functions.map(Function::claim).collect::<Result<Vec<_>, _>>()?;
    let found = claimed.len();
    let mut lines: BTreeMap<u8, Vec<Resources>> = BTreeMap::new();
    for resources in claimed {
        lines.entry(resources.config.read_u8(INTERRUPT_LINE)).or_default().push(resources);
    }
    let mut shared = lines.into_values().find(|line| line.len() >= wanted).ok_or(Failure::TooFew { wanted, found })?;
    shared.truncate(wanted);
    Ok(shared)
}

fn edu(machine: &'static Machine) -> Result<Resources, Failure> {
    edus(machine, 1)?.pop().ok_or(Failure::TooFew { wanted: 1, found: 0 })
}

/// The cost of one delivery in instructions: up to the handler, and all but the handlers themselves.
#[derive(Debug, Clone, Copy)]
struct Cost {
    to_handler: u64,
    around: u64,
}

fn measure(machine: &'static Machine, mode: Mode, first: &Stopwatch) -> Result<Cost, Failure> {
    let report = machine.interrupt_report();
    let vector: Vector = report.iter().find(|row| row.mode == mode).ok_or(Failure::NotCalled)?.vector;
    let baseline =
        (0..ROUNDS).map(|_| instruments::open_interrupt_window(|| {})).map(|window| window.after - window.before).min();
    let round = |_| {
        first.ended.store(0, Ordering::Relaxed);
        let window = instruments::open_interrupt_window(|| instruments::raise_vector(vector));
        let (began, ended) = (first.began.load(Ordering::Relaxed), first.ended.load(Ordering::Relaxed));
        if ended == 0 {
            return Err(Failure::NotCalled);
        }
        let inside = 2 * (ended - began);
        let all = window.after - window.before - baseline.unwrap_or_default();
        Ok(Cost { to_handler: began - window.before - INSTRUCTIONS_BEFORE_DELIVERY, around: all - inside })
    };
    let rounds = (0..ROUNDS).map(round).collect::<Result<Vec<_>, _>>()?;
    mark::<MEASURED>();
    rounds.into_iter().min_by_key(|cost| cost.around).ok_or(Failure::NotCalled)
}

fn message(machine: &'static Machine) -> Result<(), Failure> {
    let stopwatch = Arc::new(Stopwatch::default());
    let granted: Messages<1, Stopwatch> = edu(machine)?.irq.grant_messages().map_err(|(error, _)| error)?;
    let _live = granted.register(stopwatch.clone()).unmask();
    let cost = measure(machine, Mode::Msi, &stopwatch)?;
    say!("message: {} to the handler, {} around it", cost.to_handler, cost.around);
    Ok(())
}

fn lines(machine: &'static Machine) -> Result<(), Failure> {
    for sharers in 1..=3 {
        let stopwatch = Arc::new(Stopwatch::default());
        let mut ports = edus(machine, sharers)?.into_iter().map(|Resources { irq, .. }| irq);
        let first = ports.next().ok_or(Failure::TooFew { wanted: 1, found: 0 })?;
        let _timed = first.grant_line().map_err(|(error, _)| error)?.register(stopwatch.clone()).unmask();
        let mut others: Vec<Line<Idle, Live>> = Vec::new();
        for port in ports {
            others.push(port.grant_line().map_err(|(error, _)| error)?.register(Arc::new(Idle)).unmask());
        }
        let cost = measure(machine, Mode::Intx, &stopwatch)?;
        say!("line with {sharers}: {} to the handler, {} around all", cost.to_handler, cost.around);
    }
    Ok(())
}

/// A factorial that takes the device some hundred microseconds, so that the CPU is halted by then, also on a busy host.
const LONG_COMPUTATION: u32 = 300_000;

/// A handler that notifies a task, and records the time.
#[derive(Debug)]
struct NotifyingHandler {
    registers: Bar<Registers>,
    done: Notifier,
    at: AtomicU64,
}

impl MessageIsr<1> for NotifyingHandler {
    type Message = Probe;
    fn on_message(&self, Probe::Hit: Probe, isr: &InIsr<'_>) {
        self.registers.write(&ACKNOWLEDGE, u32::MAX);
        self.at.store(read_tsc(), Ordering::Relaxed);
        self.done.notify(isr);
    }
}

/// Measures the time from a notification to its task, with interrupts that come while the CPU is halted.
async fn notify(machine: &'static Machine) -> Result<(), Failure> {
    let Resources { bar0, irq, .. } = edu(machine)?;
    let (done, mut waiter) = event();
    let registers = bar0.map().map_err(|(error, _)| error)?;
    let handler = Arc::new(NotifyingHandler { registers, done, at: AtomicU64::new(0) });
    let granted: Messages<1, NotifyingHandler> = irq.grant_messages().map_err(|(error, _)| error)?;
    let _live = granted.register(handler.clone()).unmask();
    handler.registers.write(&STATUS, INTERRUPT_WHEN_COMPUTED);
    let mut best = None;
    for _ in 0..ROUNDS {
        let idle_before = tasks::idle_ns();
        handler.registers.write(&FACTORIAL, LONG_COMPUTATION);
        waiter.wait().await;
        let cost = read_tsc() - handler.at.load(Ordering::Relaxed);
        // The host decides when the device interrupts. If the CPU is not halted yet, the cost is smaller, and not counted.
        if tasks::idle_ns() > idle_before {
            best = Some(best.map_or(cost, |best: u64| best.min(cost)));
        }
    }
    let best = best.ok_or(Failure::NeverHalted)?;
    say!("event: {best} from the notification to the task, on an idle CPU");
    Ok(())
}
