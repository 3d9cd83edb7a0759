//! Futures of a driver, polled while a model of its device works.

use alloc::boxed::Box;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};

/// The polls after which a future is taken for one that waits for ever.
const MOST_POLLS: u32 = 1_000;

/// Polls a future until it is ready. Between two polls it calls `work`, in which the model of a device carries out what the
/// driver has requested.
///
/// ```
/// use core::cell::Cell;
/// use core::future::poll_fn;
/// use core::task::Poll;
/// use switchboard_testing::run_while;
///
/// let progress = Cell::new(0);
/// let finished = poll_fn(|_| if progress.get() == 3 { Poll::Ready("done") } else { Poll::Pending });
/// assert_eq!(run_while(finished, || progress.set(progress.get() + 1)), "done");
/// ```
///
/// # Panics
/// When the future is not ready after 1,000 polls.
#[track_caller]
pub fn run_while<T>(future: impl Future<Output = T>, mut work: impl FnMut()) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..MOST_POLLS {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        work();
    }
    panic!("the future is not ready after {MOST_POLLS} polls");
}

/// Polls a future once, and returns it: what it requests is in flight.
///
/// ```
/// use switchboard_testing::start_future;
///
/// drop(start_future(core::future::pending::<()>()));
/// ```
///
/// # Panics
/// When the future is ready.
#[track_caller]
pub fn start_future<F: Future>(future: F) -> Pin<Box<F>> {
    let mut future = Box::pin(future);
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "the future is ready");
    future
}
