//! Futures of a driver, run on the test's thread.

use core::pin::pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::sync::Arc;
use std::task::Wake;
use std::thread::{self, Thread};
use std::time::Instant;

use super::session::{Session, lock};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls a future until it is ready, at most for `limit`. Returns `None` when it is not ready then.
pub(super) fn run<R>(session: &Session, limit: Duration, future: impl Future<Output = R>) -> Option<R> {
    let waker = Arc::new(Unpark(thread::current())).into();
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    let start = Instant::now();
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return Some(result);
        }
        let left = limit.checked_sub(start.elapsed())?;
        if lock(&session.failure).is_some() {
            return None;
        }
        // Only a wake-up ends this: a task that is polled by chance would hide one that is missing.
        let parked = Instant::now();
        thread::park_timeout(left.min(Duration::from_millis(200)));
        if parked.elapsed() >= Duration::from_millis(200) {
            continue;
        }
    }
}
