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
use super::session::{IS_CPU, Session, lock};

/// The time between two looks when nothing happens.
const IDLE: Duration = Duration::from_micros(100);
/// The delay of an interrupt that is late.
const LATE: Duration = Duration::from_millis(2);
/// The calls of a line's handlers in a row after which it is taken for one that they do not acknowledge. The framework masks one
/// whose handlers claim nothing much earlier.
const ENDLESS: u32 = 500;
/// The time from cutting off a bench to the end of the process.
const GRACE: Duration = Duration::from_secs(10);

/// Starts the thread.
pub(super) fn start(session: &'static Session, name: String, limit: Duration) -> JoinHandle<()> {
    let thread = thread::spawn(move || {
        IS_CPU.set(true);
        run(session, &name, limit);
    });
    *lock(&session.cpu) = Some(thread.thread().clone());
    thread
}

fn run(session: &Session, name: &str, limit: Duration) {
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
        session.is_delivering.store(true, Ordering::SeqCst);
        let has_delivered = deliver_all(session, &mut late, &mut asserted_for);
        session.is_delivering.store(false, Ordering::SeqCst);
        if !has_delivered {
            thread::park_timeout(IDLE);
        }
    }
}

/// Delivers what has arrived. Returns whether that was anything.
fn deliver_all(session: &Session, late: &mut Vec<(Instant, u8)>, asserted_for: &mut u32) -> bool {
    let mut has_delivered = false;
    let mut arrived = Vec::new();
    for vector in session.controller.message_vectors() {
        // The low byte of the data is the vector: of a block of MSI messages, the device has added the message's number.
        let data = session.ram.take(message_address(vector));
        arrived.extend((data != 0).then(|| data.to_le_bytes()[0]));
    }
    let asserted = session.controller.asserted(session.levels());
    *asserted_for = if asserted.is_empty() { 0 } else { *asserted_for + 1 };
    if *asserted_for == ENDLESS {
        *lock(&session.failure) = Some(format!("a line stays asserted after {ENDLESS} calls of its handlers"));
    }
    arrived.extend(asserted);
    for vector in arrived {
        has_delivered = true;
        match session.faults.fate() {
            Fate::Delivered => deliver(session, vector),
            Fate::Lost => {}
            Fate::Twice => {
                deliver(session, vector);
                deliver(session, vector);
            }
            Fate::Late => late.push((Instant::now() + LATE, vector)),
        }
    }
    for vector in session.controller.take_raised() {
        has_delivered = true;
        deliver(session, vector);
    }
    let now = Instant::now();
    let due: Vec<u8> = late.iter().filter(|(at, _)| *at <= now).map(|(_, vector)| *vector).collect();
    late.retain(|(at, _)| *at > now);
    due.into_iter().for_each(|vector| deliver(session, vector));
    has_delivered
}

fn deliver(session: &Session, vector: u8) {
    session.time.note_progress();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: only this thread delivers vectors of this session's table, one at a time.
        unsafe { session.vectors.dispatch(vector) };
    }));
    if outcome.is_err() {
        lock(&session.failure).get_or_insert_with(|| format!("the handler of vector {vector} panicked"));
    }
}
