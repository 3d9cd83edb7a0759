//! Futures of a driver, run on the test's thread.

use core::pin::pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::Arc;
use std::task::Wake;
use std::thread::{self, Thread};
use std::time::Instant;

use super::recording::{Event, Point};
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

/// Polls a future until it is ready, at most for `limit`. Returns `None` when it is not ready then.
pub(super) fn run<R>(session: &Session, limit: Duration, future: impl Future<Output = R>) -> Option<R> {
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
        // Only a wake-up ends this: a task that is polled by chance would hide one that is missing.
        while !woken.is_woken.swap(false, Ordering::SeqCst) {
            if session.failed().is_some() {
                return None;
            }
            let Some(left) = limit.checked_sub(start.elapsed()) else {
                session.note(Event::Stuck);
                return None;
            };
            if is_live {
                thread::park_timeout(left.min(Duration::from_millis(200)));
            } else if !session.wait() {
                return None;
            }
        }
    }
}
