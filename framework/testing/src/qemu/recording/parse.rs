//! Reads recordings.

use std::borrow::ToOwned;
use std::format;
use std::string::{String, ToString};
use std::vec;
use std::vec::Vec;

use switchboard::config::Address;
use switchboard::platform::ModePolicy;

use super::HEADER;
use super::event::{Access, Action, Change, Entry, Event, Place, Point, Source};
use crate::qemu::ram::RAM_BYTES;

/// A recording that was read.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) policy: ModePolicy,
    pub(super) entries: Vec<Entry>,
}

impl Recording {
    /// Reads a recording.
    ///
    /// # Errors
    /// The line, and what is wrong there.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut lines = (1..).zip(text.lines());
        let first = lines.next().map_or("", |(_, line)| line.trim_end());
        if first != HEADER {
            return Err(format!("line 1: {first:?}: {HEADER:?} was expected"));
        }
        let mut this = Self { policy: ModePolicy::all(), entries: Vec::new() };
        let mut by_driver = Vec::new();
        for (number, text) in lines {
            let is_handler = text.starts_with(' ');
            let words: Vec<&str> = text.split_whitespace().collect();
            let invalid = || format!("line {number}: {text:?} is no line of a recording");
            match words[..] {
                [] => {}
                [word, ..] if word.starts_with('#') => {}
                ["modes", ref names @ ..] => this.policy = policy(names).ok_or_else(invalid)?,
                ["driver", bus, data] => by_driver.push(change(bus, data).ok_or_else(invalid)?),
                ["device", bus, data] => {
                    let change = change(bus, data).ok_or_else(invalid)?;
                    this.entries.last_mut().ok_or_else(invalid)?.by_device.push(change);
                }
                _ => {
                    let event = event(&words).ok_or_else(invalid)?;
                    // The line of an interrupt is where the handlers begin.
                    let is_handler = is_handler || matches!(event, Event::Interrupt(_) | Event::End);
                    let by_driver = core::mem::take(&mut by_driver);
                    this.entries.push(Entry { line: number, is_handler, event, by_driver, by_device: vec![] });
                }
            }
        }
        Ok(this)
    }
}

/// Reads `0x1f` or `31`.
fn number<T: TryFrom<u64>>(word: &str) -> Option<T> {
    let number = match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => word.parse(),
    };
    T::try_from(number.ok()?).ok()
}

/// Reads the names of interrupt modes.
fn policy(names: &[&str]) -> Option<ModePolicy> {
    let one = |name: &&str| match *name {
        "intx" => Some(ModePolicy::INTX),
        "msi" => Some(ModePolicy::MSI),
        "msix" => Some(ModePolicy::MSIX),
        _ => None,
    };
    names.iter().map(one).try_fold(ModePolicy::empty(), |all, one| Some(all | one?))
}

fn function(word: &str) -> Option<Address> {
    let part = |text: &str| u8::from_str_radix(text, 16).ok();
    let (bus, rest) = word.split_once(':')?;
    let (device, function) = rest.split_once('.')?;
    let (bus, device, function) = (part(bus)?, part(device)?, part(function)?);
    (device < 32 && function < 8).then(|| Address::new(0, bus, device, function))
}

fn place(first: &str, second: &str) -> Option<Place> {
    match first {
        "memory" => number(second).map(Place::Memory),
        "port" => number(second).map(Place::Port),
        _ => {
            let (function, (space, offset)) = (function(first)?, second.split_once('+')?);
            match space.strip_prefix("bar") {
                Some(bar) => Some(Place::Bar(function, number(bar)?, number(offset)?)),
                None if space == "config" => Some(Place::Config(function, number(offset)?)),
                None => None,
            }
        }
    }
}

fn event(words: &[&str]) -> Option<Event> {
    let access = |first, second, bytes: &str, action| {
        let bytes = number(bytes).filter(|bytes| matches!(bytes, 1 | 2 | 4 | 8))?;
        Some(Access { place: place(first, second)?, bytes, action })
    };
    Some(match words[..] {
        ["read", first, second, bytes, value] => {
            Event::Access(access(first, second, bytes, Action::Read)?, number(value)?)
        }
        ["write", first, second, bytes, value] => {
            let value = number(value)?;
            Event::Access(access(first, second, bytes, Action::Write(value))?, value)
        }
        ["time", count] => Event::At(Point::Time, number(count)?),
        ["fence", count] => Event::At(Point::Fence, number(count)?),
        ["wait", count] => Event::At(Point::Wait, number(count)?),
        ["interrupt", "line", input] => Event::Interrupt(Source::Line(number(input)?)),
        ["interrupt", "message", vector] => Event::Interrupt(Source::Message(number(vector)?)),
        ["interrupt", "raised", vector] => Event::Interrupt(Source::Raised(number(vector)?)),
        ["end"] => Event::End,
        ["resumed"] => Event::Resumed,
        ["refused", pages] => Event::Refused(number(pages)?),
        ["look"] => Event::Look,
        ["stuck"] => Event::Stuck,
        _ => return None,
    })
}

fn change(bus: &str, data: &str) -> Option<Change> {
    let (bus, mut bytes) = (number::<usize>(bus)?, Vec::new());
    for part in data.split(',') {
        let (digits, count) = part.split_once('*').map_or((part, Some(1)), |(byte, count)| (byte, number(count)));
        let count: usize = count.filter(|count| *count <= RAM_BYTES)?;
        if !digits.is_ascii() || digits.len() % 2 != 0 || (count != 1 && digits.len() != 2) {
            return None;
        }
        for at in (0..digits.len()).step_by(2) {
            let byte = u8::from_str_radix(&digits[at..at + 2], 16).ok()?;
            bytes.resize(bytes.len() + count, byte);
        }
        if bytes.len() > RAM_BYTES {
            return None;
        }
    }
    let is_inside = bus.checked_add(bytes.len()).is_some_and(|end| end <= RAM_BYTES);
    is_inside.then_some(Change { bus, data: bytes })
}

/// Returns the line of a recording that permits these modes.
pub(super) fn policy_line(policy: ModePolicy) -> String {
    let names = [(ModePolicy::INTX, "intx"), (ModePolicy::MSI, "msi"), (ModePolicy::MSIX, "msix")];
    let permitted = names.into_iter().filter(|(mode, _)| policy.contains(*mode)).map(|(_, name)| name);
    permitted.fold("modes".to_owned(), |line, name| format!("{line} {name}")).to_string()
}
