//! What the `interrupts` app says became of the interrupts of each lane.

use crate::Guest;

/// One lane of one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// The device's driver.
    pub driver: String,
    /// The function's address.
    pub function: String,
    /// `msix`, `msi` or `intx`.
    pub mode: String,
    /// Its number.
    pub lane: usize,
    /// Interrupts raised.
    pub raised: u64,
    /// Handler calls that found new ones.
    pub handled: u64,
    /// Interrupts that were served together with a later one.
    pub coalesced: u64,
    /// Handler calls that found nothing new.
    pub idle: u64,
    /// Interrupts that no handler call answered for.
    pub lost: u64,
}

/// The lanes that a guest which has ended told of.
///
/// # Panics
/// When a line is not as the app writes it.
#[must_use]
#[track_caller]
pub fn lanes(guest: &Guest) -> Vec<Lane> {
    let text = guest.console().text();
    let lines = text.lines().filter(|line| line.starts_with("lane "));
    lines.map(|line| parse(line).unwrap_or_else(|| panic!("not a lane: {line}"))).collect()
}

fn parse(line: &str) -> Option<Lane> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let ["lane", driver, function, mode, lane, counts @ ..] = words.as_slice() else { return None };
    let names = ["raised", "handled", "coalesced", "idle", "lost"];
    if counts.len() != 2 * names.len() || !counts.iter().step_by(2).eq(&names) {
        return None;
    }
    let count = |index: usize| counts[2 * index + 1].parse().ok();
    Some(Lane {
        driver: (*driver).to_owned(),
        function: (*function).to_owned(),
        mode: (*mode).to_owned(),
        lane: lane.parse().ok()?,
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
    fn a_lane_is_read_whole_or_not_at_all() {
        let line = "lane xhci 0000:00:05.0 msix 3 raised 9 handled 5 coalesced 4 idle 1 lost 0";
        let lane = parse(line).expect("a lane");
        assert_eq!((lane.driver.as_str(), lane.mode.as_str(), lane.lane), ("xhci", "msix", 3));
        assert_eq!((lane.raised, lane.handled, lane.coalesced, lane.idle, lane.lost), (9, 5, 4, 1, 0));
        for cut in [&line[..line.len() - 2], &line[5..], "lane", "lane a b c 1 raised 1"] {
            assert_eq!(parse(cut), None, "{cut}");
        }
    }
}
