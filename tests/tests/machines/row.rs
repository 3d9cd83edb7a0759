//! A row of the matrix, and the threads that run the rows.

use core::any::Any;
use core::panic::AssertUnwindSafe;
use std::collections::VecDeque;
use std::panic::catch_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// What a row ended with.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// It served a file; with what else was seen.
    Works(String),
    /// It cannot be run here, or there is no such machine; with the reason.
    Skipped(String),
    /// It did not reach `ready`, or what was served was wrong.
    Failed(String),
}

impl Outcome {
    pub(crate) fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    pub(crate) fn is_skipped(&self) -> bool {
        matches!(self, Self::Skipped(_))
    }
}

/// The result of a row, or the reason for which it cannot be run.
pub(crate) type Run = Box<dyn Fn() -> Outcome + Send>;

/// One row: where the image runs, and how it is booted.
pub(crate) struct Row {
    pub(crate) emulator: String,
    pub(crate) machine: String,
    pub(crate) boot: String,
    run: Run,
}

impl Row {
    pub(crate) fn new(emulator: &str, machine: &str, boot: &str, run: impl Fn() -> Outcome + Send + 'static) -> Self {
        let (emulator, machine, boot) = (emulator.to_owned(), machine.to_owned(), boot.to_owned());
        Self { emulator, machine, boot, run: Box::new(run) }
    }

    /// A row that is never run.
    pub(crate) fn skipped(emulator: &str, machine: &str, boot: &str, reason: &str) -> Self {
        let reason = reason.to_owned();
        Self::new(emulator, machine, boot, move || Outcome::Skipped(reason.clone()))
    }

    pub(crate) fn name(&self) -> String {
        format!("{} {} {}", self.emulator, self.machine, self.boot)
    }
}

/// A row that has run.
pub(crate) struct RowResult {
    pub(crate) row: Row,
    pub(crate) outcome: Outcome,
}

/// Runs the rows on some threads, and returns the results in the order of the rows.
pub(crate) fn run(rows: Vec<Row>, threads: usize) -> Vec<RowResult> {
    let queue: Mutex<VecDeque<(usize, Row)>> = Mutex::new(rows.into_iter().enumerate().collect());
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((index, row)) = take(&queue) {
                    let outcome = catch_unwind(AssertUnwindSafe(|| (row.run)()));
                    let outcome = outcome.unwrap_or_else(|panic| Outcome::Failed(message(panic.as_ref())));
                    eprintln!("{}: {outcome:?}", row.name());
                    let result = (index, RowResult { row, outcome });
                    results.lock().unwrap_or_else(PoisonError::into_inner).push(result);
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

fn take(queue: &Mutex<VecDeque<(usize, Row)>>) -> Option<(usize, Row)> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic").lines().next().unwrap_or_default().to_owned()
}
