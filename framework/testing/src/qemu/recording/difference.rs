//! The message for a run that differs from its recording.

use core::fmt;
use std::format;
use std::string::String;

use super::event::{Entry, Event};

/// The lines before a difference that its message has.
const CONTEXT: usize = 3;

/// Returns the message for something that was done where the entry at `at` was recorded.
pub(super) fn message(name: &str, entries: &[Entry], at: usize, is_handler: bool, done: fmt::Arguments<'_>) -> String {
    let by = |is_handler| if is_handler { " (by a handler)" } else { "" };
    let text = |entry: &Entry| format!("{}{}", entry.event, by(entry.is_handler));
    let is_access = |entry: &&Entry| matches!(entry.event, Event::Access(..));
    let number = entries[..at].iter().filter(is_access).count() + 1;
    let (place, recorded) = entries.get(at).map_or_else(
        || (String::from("its end"), String::from("nothing more")),
        |entry| (format!("line {}", entry.line), text(entry)),
    );
    let mut message = format!(
        "the run differs from {name} at access {number}, {place}\n  recorded: {recorded}\n  done:     {done}{}",
        by(is_handler)
    );
    for (index, entry) in entries[..at].iter().rev().take(CONTEXT).rev().enumerate() {
        message.push_str(if index == 0 { "\n  before:   " } else { "\n            " });
        message.push_str(&text(entry));
    }
    message
}
