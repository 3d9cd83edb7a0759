//! Futures of a driver, run on the test's thread.

use core::pin::pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::Arc;
use std::task::Wake;
use std::thread::{self, Thread};
use std::time::Instant;

use switchboard::machine::Machine;

use super::recording::{Event, Point, Waited};
use super::session::{Conduct, Session};

struct Unpark {
    thread: Thread,
    is_woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::SeqCst);
        self.thread.unpark();
    }
}

/// The time for a task after a look of the watch, and after each of the last ones: a busy host may run QEMU late.
const LOOK_LIMIT: Duration = Duration::from_millis(2);
const LAST_LOOK_LIMIT: Duration = Duration::from_millis(15);
/// The looks that are the last ones.
const LAST_LOOKS: u32 = 4;

/// The watch of a machine, as a runtime runs it beside its tasks.
#[derive(Clone, Copy)]
pub(super) struct Watch {
    pub(super) machine: &'static Machine,
    /// The looks at most.
    pub(super) looks: u32,
}

impl Watch {
    /// Looks once, when that is due.
    fn look(self, session: &Session) {
        session.time.skip(self.machine.check_interrupts());
        session.pass(Point::Wait);
    }
}

/// Polls a future until it is ready, at most for `limit`. Then the watch looks at the machine's handlers, again and again. Returns
/// `None` when the future is not ready after that.
pub(super) fn run<R>(
    session: &Session,
    mut limit: Duration,
    mut watch: Watch,
    future: impl Future<Output = R>,
) -> Option<R> {
    let woken = Arc::new(Unpark { thread: thread::current(), is_woken: AtomicBool::new(false) });
    let waker = woken.clone().into();
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    let start = Instant::now();
    let is_live = matches!(session.conduct, Conduct::Live);
    loop {
        if !is_live {
            session.pass(Point::Wait);
        }
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return Some(result);
        }
        session.send_posted(None);
        // Only a wake-up ends this: a task that is polled by chance would hide one that is missing.
        while !woken.is_woken.swap(false, Ordering::SeqCst) {
            if session.failed().is_some() {
                return None;
            }
            let Some(left) = limit.checked_sub(start.elapsed()) else {
                let Some(looks) = watch.looks.checked_sub(1) else {
                    session.note(Event::Stuck);
                    return None;
                };
                session.note(Event::Look);
                watch.looks = looks;
                watch.look(session);
                limit = start.elapsed() + if looks < LAST_LOOKS { LAST_LOOK_LIMIT } else { LOOK_LIMIT };
                continue;
            };
            if is_live {
                thread::park_timeout(left.min(Duration::from_millis(200)));
                continue;
            }
            match session.wait() {
                Waited::Passed => {}
                Waited::LookDue => watch.look(session),
                Waited::Stuck => return None,
            }
        }
    }
}
