//! The order of the test's thread and the CPU's thread in a recorded run.

use core::time::Duration;
use std::fs;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

use super::session::lock;

/// The time between two looks at a handler that has not returned.
const LOOK: Duration = Duration::from_millis(2);
/// The CPU time of a handler without an access after which it is taken to wait for a lock that the test's thread holds. Time of the
/// CPU, since a loaded host may not run the thread for long.
const SPIN_LIMIT: Duration = Duration::from_millis(4);
/// The same in time of the clock, where that of the CPU is unknown.
const CLOCK_LIMIT: Duration = Duration::from_millis(500);

/// The CPU's thread delivers interrupts when the test's thread requests it, and the test's thread waits meanwhile.
#[derive(Debug, Default)]
pub(super) struct Turns {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    requested: u64,
    done: u64,
    /// What the thread did when its handler last made an access, or was called.
    handler: Option<Used>,
    /// The file with the CPU time of the thread.
    statistics: Option<PathBuf>,
}

/// The time that a thread has used.
#[derive(Debug, Clone, Copy)]
struct Used {
    cpu: Option<Duration>,
    clock: Instant,
}

impl State {
    fn used(&self) -> Used {
        let text = self.statistics.as_ref().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        let cpu = text.split_whitespace().next().and_then(|word| word.parse().ok()).map(Duration::from_nanos);
        Used { cpu: cpu.filter(|cpu| !cpu.is_zero()), clock: Instant::now() }
    }

    /// Returns whether a handler runs in a loop without an access.
    fn is_spinning(&self) -> bool {
        let (Some(before), now) = (self.handler, self.used()) else { return false };
        match (before.cpu, now.cpu) {
            (Some(before), Some(now)) => now.saturating_sub(before) > SPIN_LIMIT,
            _ => now.clock - before.clock > CLOCK_LIMIT,
        }
    }
}

impl Turns {
    /// Makes this thread the CPU's.
    pub(super) fn enter(&self) {
        let thread = fs::read_link("/proc/thread-self").ok();
        lock(&self.state).statistics = thread.map(|thread| PathBuf::from("/proc").join(thread).join("schedstat"));
    }

    /// Requests deliveries, and waits for them. Returns `false` when a handler waits for a lock of this thread.
    pub(super) fn request(&self) -> bool {
        let mut state = lock(&self.state);
        if state.requested == state.done {
            state.requested += 1;
            self.changed.notify_all();
        }
        loop {
            let waited = self.changed.wait_timeout_while(state, LOOK, |state| state.requested != state.done);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            if state.requested == state.done {
                return true;
            }
            if state.is_spinning() {
                return false;
            }
        }
    }

    /// Notes that a handler is called, or makes progress.
    pub(super) fn note_handler(&self) {
        let mut state = lock(&self.state);
        state.handler = Some(state.used());
    }

    /// Notes that it has returned.
    pub(super) fn note_return(&self) {
        lock(&self.state).handler = None;
    }

    /// Waits for a request, for a moment. Returns whether there is one.
    pub(super) fn wait(&self, limit: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(lock(&self.state), limit, |state| state.requested == state.done);
        let state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.requested != state.done
    }

    /// Ends what was requested.
    pub(super) fn finish(&self) {
        let mut state = lock(&self.state);
        state.done = state.requested;
        self.changed.notify_all();
    }
}
