//! Parses the counts of each interrupt source from the output of the `interrupts` app.

use crate::Guest;

/// Counts of one interrupt source of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceCounts {
    /// Name of the device's driver.
    pub driver: String,
    /// The function's address.
    pub function: String,
    /// `msix`, `msi` or `intx`.
    pub mode: String,
    /// Index of the source within the device.
    pub index: usize,
    /// Interrupts raised.
    pub raised: u64,
    /// Handler calls that found new interrupts.
    pub handled: u64,
    /// Interrupts that were handled together with a later one.
    pub coalesced: u64,
    /// Handler calls that found nothing new.
    pub idle: u64,
    /// Interrupts that no handler call answered.
    pub lost: u64,
}

/// Returns the counts of every source that an ended guest has printed.
///
/// # Panics
/// Panics when a line does not have the app's format.
#[must_use]
#[track_caller]
pub fn source_counts(guest: &Guest) -> Vec<SourceCounts> {
    let text = guest.console().text();
    let lines = text.lines().filter(|line| line.starts_with("source "));
    lines.map(|line| parse(line).unwrap_or_else(|| panic!("not a source: {line}"))).collect()
}

fn parse(line: &str) -> Option<SourceCounts> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let ["source", driver, function, mode, index, counts @ ..] = words.as_slice() else { return None };
    let names = ["raised", "handled", "coalesced", "idle", "lost"];
    if counts.len() != 2 * names.len() || !counts.iter().step_by(2).eq(&names) {
        return None;
    }
    let count = |index: usize| counts[2 * index + 1].parse().ok();
    Some(SourceCounts {
        driver: (*driver).to_owned(),
        function: (*function).to_owned(),
        mode: (*mode).to_owned(),
        index: index.parse().ok()?,
        raised: count(0)?,
        handled: count(1)?,
        coalesced: count(2)?,
        idle: count(3)?,
        lost: count(4)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_lines_are_refused() {
        let line = "source xhci 0000:00:05.0 msix 3 raised 9 handled 5 coalesced 4 idle 1 lost 0";
        let source = parse(line).expect("a source");
        assert_eq!((source.driver.as_str(), source.mode.as_str(), source.index), ("xhci", "msix", 3));
        assert_eq!((source.raised, source.handled, source.coalesced, source.idle, source.lost), (9, 5, 4, 1, 0));
        for cut in [&line[..line.len() - 2], &line[7..], "source", "source a b c 1 raised 1"] {
            assert_eq!(parse(cut), None, "{cut}");
        }
    }
}
