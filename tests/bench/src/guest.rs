//! A QEMU process that is measured.

use core::time::Duration;
use std::fs;
use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::client::CpuClock;

/// CPU that guest and clients share in pinned measurements.
pub const PINNED_CPU: usize = 1;
/// Time limit of a guest in seconds, also if this process is killed.
const TIME_LIMIT_SECONDS: &str = "900";

/// A running guest. Dropping it kills the process.
#[derive(Debug)]
pub struct Guest {
    child: Child,
    console: Arc<(Mutex<String>, Condvar)>,
    started: Instant,
}

impl Guest {
    /// Starts the command, on [`PINNED_CPU`] alone if `is_pinned`.
    ///
    /// # Errors
    /// Returns an error when it cannot be started.
    pub fn start(command: &[String], is_pinned: bool) -> io::Result<Self> {
        Self::start_in(command, is_pinned, None)
    }

    /// Starts the command as [`start`](Self::start) does, in a network namespace.
    ///
    /// # Errors
    /// Returns an error when it cannot be started.
    pub fn start_in(command: &[String], is_pinned: bool, namespace: Option<&str>) -> io::Result<Self> {
        let cpu = PINNED_CPU.to_string();
        // With `--foreground`, `timeout` creates no process group, and forwards signals.
        let mut words = vec!["timeout", "--foreground", TIME_LIMIT_SECONDS];
        if is_pinned {
            words.extend(["taskset", "-c", &cpu]);
        }
        if let Some(namespace) = namespace {
            words.extend(["ip", "netns", "exec", namespace]);
        }
        words.extend(command.iter().map(String::as_str));
        let started = Instant::now();
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()?;
        let console = Arc::new((Mutex::new(String::new()), Condvar::new()));
        let (writer, mut output) = (console.clone(), child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                let mut text = writer.0.lock().unwrap_or_else(PoisonError::into_inner);
                text.push_str(&String::from_utf8_lossy(&buffer[..length]));
                writer.1.notify_all();
            }
        });
        Ok(Self { child, console, started })
    }

    /// Waits for a text on the console; returns the time from the start until it appeared.
    ///
    /// # Errors
    /// Returns an error with the last lines when it does not appear within `timeout`.
    pub fn wait_for(&self, text: &str, timeout: Duration) -> io::Result<Duration> {
        let (console, changed) = &*self.console;
        let console = console.lock().unwrap_or_else(PoisonError::into_inner);
        let lacks = |console: &mut String| !console.contains(text);
        let (console, outcome) =
            changed.wait_timeout_while(console, timeout, lacks).unwrap_or_else(PoisonError::into_inner);
        if outcome.timed_out() {
            let end: Vec<_> = console.lines().rev().take(5).collect();
            return Err(io::Error::other(format!(
                "the guest did not print `{text}`; its last lines, backwards: {end:?}"
            )));
        }
        Ok(self.started.elapsed())
    }

    /// Returns the length of the console so far: a place for [`wait_for_line`](Self::wait_for_line).
    #[must_use]
    pub fn console_length(&self) -> usize {
        self.console.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Waits for a complete line with a text behind a place on the console; returns it, and the place after it.
    ///
    /// # Errors
    /// Returns an error when it does not come within `timeout`.
    pub fn wait_for_line(&self, from: usize, text: &str, timeout: Duration) -> io::Result<(String, usize)> {
        let (console, changed) = &*self.console;
        let console = console.lock().unwrap_or_else(PoisonError::into_inner);
        let find = |console: &str| {
            let mut place = from;
            console.get(from..)?.split_inclusive('\n').find_map(|line| {
                place += line.len();
                (line.contains(text) && line.ends_with('\n')).then(|| (line.trim().to_owned(), place))
            })
        };
        let lacks = |console: &mut String| find(console).is_none();
        let (console, _) = changed.wait_timeout_while(console, timeout, lacks).unwrap_or_else(PoisonError::into_inner);
        find(&console).ok_or_else(|| {
            let end: Vec<_> = console.lines().rev().take(5).collect();
            io::Error::other(format!("the guest did not print `{text}`; its last lines, backwards: {end:?}"))
        })
    }

    /// Returns the clock of QEMU's CPU time; `None` if it has ended.
    #[must_use]
    pub fn cpu_clock(&self) -> Option<CpuClock> {
        CpuClock::of(Pid::from_raw(self.qemu()?))
    }

    /// Returns the first line of the console that contains a text.
    #[must_use]
    pub fn line(&self, text: &str) -> Option<String> {
        let console = self.console.0.lock().unwrap_or_else(PoisonError::into_inner);
        console.lines().find(|line| line.contains(text)).map(str::to_owned)
    }

    /// Returns the time since the start.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Returns the process id of QEMU, a child of `timeout`.
    fn qemu(&self) -> Option<i32> {
        let id = self.child.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
        children.split_ascii_whitespace().next()?.parse().ok()
    }

    /// Returns the resident memory of QEMU in KiB.
    #[must_use]
    pub fn resident(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.qemu()?)).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        line.split_ascii_whitespace().nth(1)?.parse().ok()
    }

    /// Stops or continues the process: a polling guest would take CPU time from the one that is measured.
    pub fn pause(&self, is_paused: bool) {
        if let Some(qemu) = self.qemu() {
            let signal = if is_paused { Signal::SIGSTOP } else { Signal::SIGCONT };
            kill(Pid::from_raw(qemu), signal).ok();
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if let Some(qemu) = self.qemu() {
            kill(Pid::from_raw(qemu), Signal::SIGKILL).ok();
        }
        self.child.wait().ok();
    }
}
