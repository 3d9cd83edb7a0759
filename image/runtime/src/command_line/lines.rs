//! Routes of interrupt lines, for boards whose routing is not known or wrong.

use switchboard::config::Address;
use switchboard::interrupt::Gsi;

/// A list of functions with the lines that their pins end at: `[SEGMENT:]BUS:DEVICE.FUNCTION>GSI`, with commas.
///
/// ```
/// use switchboard::config::Address;
/// use switchboard::interrupt::Gsi;
/// use switchboard_runtime::command_line::parse;
///
/// let options = parse("gsi=00:03.0>19,0000:01:1f.2>20", |warning| panic!("{warning}"));
/// let lines = [(Address::new(0, 0, 3, 0), Gsi(19)), (Address::new(0, 1, 0x1f, 2), Gsi(20))];
/// assert!(options.line_routes.iter().eq(lines));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LineRoutes<'a>(&'a str);

impl<'a> LineRoutes<'a> {
    pub(super) fn parse(list: &'a str) -> Option<Self> {
        list.split(',').all(|entry| parse_entry(entry).is_some()).then_some(Self(list))
    }

    /// Returns the functions and their lines, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Address, Gsi)> + use<'a> {
        self.0.split(',').filter_map(parse_entry)
    }
}

fn parse_entry(entry: &str) -> Option<(Address, Gsi)> {
    let (function, gsi) = entry.split_once('>')?;
    let gsi = gsi.parse().ok()?;
    let (device, number) = function.split_once('.')?;
    let (bus, device) = device.rsplit_once(':')?;
    let (segment, bus) = bus.split_once(':').unwrap_or(("0", bus));
    let segment = u16::from_str_radix(segment, 16).ok()?;
    let byte = |text: &str, limit: u8| u8::from_str_radix(text, 16).ok().filter(|byte| *byte <= limit);
    let (bus, device, number) = (byte(bus, 0xff)?, byte(device, 0x1f)?, byte(number, 7)?);
    Some((Address::new(segment, bus, device, number), Gsi(gsi)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_words_are_refused() {
        for word in
            ["", "00:03.0", "00:03.0>", "00:20.0>1", "00:03.8>1", "3.0>1", "00:03.0>-1", "1:2:3:4.0>5", "00:03.0>1,"]
        {
            assert_eq!(LineRoutes::parse(word), None, "{word}");
        }
    }
}
