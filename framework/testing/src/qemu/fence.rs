//! The fence between the CPU and its devices, at which a recorded run exchanges memory.

use core::cell::Cell;

use super::recording::Point;
use super::session::Session;

std::thread_local! {
    /// The session whose driver this thread runs.
    static CURRENT: Cell<Option<&'static Session>> = const { Cell::new(None) };
}

/// Sets the session whose driver this thread runs.
pub(super) fn enter(session: &'static Session) {
    CURRENT.set(Some(session));
}

/// Ends this, unless there is another session by now.
pub(super) fn leave(session: &Session) {
    if CURRENT.get().is_some_and(|current| core::ptr::eq(current, session)) {
        CURRENT.set(None);
    }
}

/// Is called at each [`device_fence`](switchboard::sync::device_fence) of this process.
pub(super) fn pass() {
    // None also where the thread ends and has dropped its variables.
    if let Some(session) = CURRENT.try_with(Cell::get).ok().flatten() {
        session.pass(Point::Fence);
    }
}
