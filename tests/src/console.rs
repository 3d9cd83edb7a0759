//! The guest's serial output, collected while it runs.

use core::time::Duration;
use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

/// A growing text that reader threads append to and any thread can wait on.
#[derive(Debug, Clone, Default)]
pub struct Console {
    shared: Arc<(Mutex<Log>, Condvar)>,
}

#[derive(Debug, Default)]
struct Log {
    bytes: Vec<u8>,
    /// Number of streams that may still append to it.
    open: usize,
}

impl Console {
    /// Reads `stream` to its end on a new thread.
    pub fn follow(&self, mut stream: impl Read + Send + 'static) {
        self.lock().open += 1;
        let console = self.clone();
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut chunk) {
                console.lock().bytes.extend_from_slice(&chunk[..length]);
                console.shared.1.notify_all();
            }
            console.lock().open -= 1;
            console.shared.1.notify_all();
        });
    }

    /// Returns the text received so far.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock().bytes).into_owned()
    }

    /// Returns the first complete line that contains `needle`, as soon as there is one; `None` when `limit` passed or
    /// the guest ended without it.
    #[must_use]
    pub fn wait_for(&self, needle: &str, limit: Duration) -> Option<String> {
        self.wait_for_nth(needle, 1, limit)
    }

    /// Returns the `count`th such line, as [`wait_for`](Self::wait_for).
    #[must_use]
    pub fn wait_for_nth(&self, needle: &str, count: usize, limit: Duration) -> Option<String> {
        let deadline = Instant::now() + limit;
        let mut log = self.lock();
        loop {
            let ended = log.open == 0;
            let text = String::from_utf8_lossy(&log.bytes);
            let whole = if ended { &text[..] } else { &text[..text.rfind('\n').map_or(0, |end| end + 1)] };
            if let Some(line) = whole.lines().filter(|line| line.contains(needle)).nth(count - 1) {
                return Some(line.trim_end().to_owned());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if ended || left.is_zero() {
                return None;
            }
            log = self.shared.1.wait_timeout(log, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits until every stream has ended.
    pub fn drain(&self) {
        let mut log = self.lock();
        while log.open > 0 {
            log = self.shared.1.wait(log).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ignores poisoning: a panicking test must not hide the console text.
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_whole_line_and_the_last_one_without_a_newline() {
        let console = Console::default();
        console.follow(&b"one\ntwo\r\nthe end"[..]);
        assert_eq!(console.wait_for("two", Duration::from_secs(5)).as_deref(), Some("two"));
        assert_eq!(console.wait_for("end", Duration::from_secs(5)).as_deref(), Some("the end"));
        assert_eq!(console.wait_for("absent", Duration::from_secs(5)), None, "the stream ended, so this is quick");
    }

    #[test]
    fn waiting_gives_up_in_time() {
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        let console = Console::default();
        console.follow(reader);
        let start = Instant::now();
        assert_eq!(console.wait_for("anything", Duration::from_millis(50)), None);
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}
