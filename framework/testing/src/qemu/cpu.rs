//! The thread that plays the CPU: it watches the targets of messages and the lines, and calls handlers.

#![expect(unsafe_code, reason = "delivers interrupts, as the CPU does")]

use core::panic::AssertUnwindSafe;
use core::sync::atomic::Ordering;
use core::time::Duration;
use std::eprintln;
use std::format;
use std::panic::catch_unwind;
use std::process;
use std::string::String;
use std::thread::{self, JoinHandle};
use std::time::Instant;
use std::vec::Vec;

use super::controller::message_address;
use super::fault::Fate;
use super::fence;
use super::recording::{Player, Source};
use super::session::{Conduct, IS_CPU, Session, lock};

/// The time between two looks when nothing happens.
const IDLE: Duration = Duration::from_micros(100);
/// The delay of an interrupt that is late.
const LATE: Duration = Duration::from_millis(2);
/// The calls of a line's handlers in a row after which it is taken for one that they do not acknowledge. The framework masks one
/// whose handlers claim nothing earlier.
const ENDLESS: u32 = 2_500;
/// The time from cutting off a bench to the end of the process.
const GRACE: Duration = Duration::from_secs(10);

/// The time between two looks at the test's thread, where this one runs in turns with it.
const TURN: Duration = Duration::from_millis(1);

/// An interrupt with its vector.
type Interrupt = (Source, u8);

/// Starts the thread.
pub(super) fn start(session: &'static Session, name: String, limit: Duration) -> JoinHandle<()> {
    let thread = thread::spawn(move || {
        IS_CPU.set(true);
        fence::enter(session);
        session.turns.enter();
        run(session, &name, limit);
    });
    *lock(&session.cpu) = Some(thread.thread().clone());
    thread
}

fn run(session: &'static Session, name: &str, limit: Duration) {
    let start = Instant::now();
    let (mut late, mut asserted_for) = (Vec::new(), 0);
    while !session.is_ended.load(Ordering::SeqCst) {
        if start.elapsed() > limit && session.disconnect().is_some() {
            *lock(&session.failure) = Some(format!("the time limit of {limit:?} is over"));
        }
        if start.elapsed() > limit + GRACE {
            eprintln!("{name}: does not end after its time limit of {limit:?}; the process is ended");
            process::abort();
        }
        match &session.conduct {
            Conduct::Live => {}
            Conduct::Recorded(_) => {
                if session.turns.wait(TURN) {
                    session.is_delivering.store(true, Ordering::SeqCst);
                    deliver_all(session, &mut late, &mut asserted_for);
                    session.is_delivering.store(false, Ordering::SeqCst);
                    session.turns.finish();
                }
                continue;
            }
            Conduct::Replayed(player) => {
                replay(session, player);
                continue;
            }
        }
        if session.posted.is_due() {
            session.send_posted(None);
        }
        session.is_delivering.store(true, Ordering::SeqCst);
        let has_delivered = deliver_all(session, &mut late, &mut asserted_for);
        session.is_delivering.store(false, Ordering::SeqCst);
        if !has_delivered {
            thread::park_timeout(IDLE);
        }
    }
}

/// Delivers what has arrived. Returns whether that was anything.
fn deliver_all(session: &Session, late: &mut Vec<(Instant, Interrupt)>, asserted_for: &mut u32) -> bool {
    let mut has_delivered = false;
    let mut arrived = Vec::new();
    for vector in session.controller.message_vectors() {
        // The low byte of the data is the vector: of a block of MSI messages, the device has added the message's number.
        let data = session.ram.take(message_address(vector));
        let vector = data.to_le_bytes()[0];
        arrived.extend((data != 0).then_some((Source::Message(vector), vector)));
    }
    let levels = session.levels();
    let asserted = levels.map_or_else(Vec::new, |levels| session.controller.asserted(levels));
    *asserted_for = match levels {
        Some(_) if asserted.is_empty() => 0,
        Some(_) => *asserted_for + 1,
        None => *asserted_for,
    };
    if *asserted_for == ENDLESS {
        *lock(&session.failure) = Some(format!("a line stays asserted after {ENDLESS} calls of its handlers"));
    }
    arrived.extend(asserted.into_iter().map(|(gsi, vector)| (Source::Line(gsi), vector)));
    for interrupt in arrived {
        has_delivered = true;
        match session.faults.fate() {
            Fate::Delivered => deliver(session, interrupt),
            Fate::Lost => {}
            Fate::Twice => {
                deliver(session, interrupt);
                deliver(session, interrupt);
            }
            Fate::Late => late.push((Instant::now() + LATE, interrupt)),
        }
    }
    for vector in session.controller.take_raised() {
        has_delivered = true;
        deliver(session, (Source::Raised(vector), vector));
    }
    let now = Instant::now();
    let due: Vec<Interrupt> = late.iter().filter(|(at, _)| *at <= now).map(|(_, interrupt)| *interrupt).collect();
    late.retain(|(at, _)| *at > now);
    due.into_iter().for_each(|interrupt| deliver(session, interrupt));
    has_delivered
}

/// Delivers the next interrupt of a recording, if one is due.
fn replay(session: &Session, player: &Player) {
    let Some(source) = player.take_interrupt(TURN) else { return };
    let vector = match source {
        Source::Line(gsi) => session.controller.unmasked(gsi).ok_or("the line is masked"),
        Source::Message(vector) => Ok(vector),
        Source::Raised(vector) if session.controller.take_one_raised(vector) => Ok(vector),
        Source::Raised(_) => Err("the vector is not raised"),
    };
    match vector {
        Ok(vector) => {
            player.begin();
            dispatch(session, vector);
            player.end();
        }
        Err(why) => player.cannot_deliver(why),
    }
}

fn deliver(session: &Session, (source, vector): Interrupt) {
    match source {
        Source::Line(gsi) => session.send_posted_before_line(gsi),
        _ => drop(session.send_posted(None)),
    }
    match &session.conduct {
        Conduct::Recorded(recorder) => {
            recorder.interrupt(&session.dma_blocks(), source);
            session.turns.note_handler();
            dispatch(session, vector);
            session.turns.note_return();
            recorder.end(&session.dma_blocks());
        }
        _ => dispatch(session, vector),
    }
}

fn dispatch(session: &Session, vector: u8) {
    session.time.note_progress();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: only this thread delivers vectors of this session's table, one at a time.
        unsafe { session.vectors.dispatch(vector) };
    }));
    if outcome.is_err() {
        lock(&session.failure).get_or_insert_with(|| format!("the handler of vector {vector} panicked"));
    }
}
