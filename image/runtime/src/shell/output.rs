//! The bounded output of a word.

use alloc::string::String;
use core::fmt::{self, Write};

/// The most bytes that one word prints.
const MAX_OUTPUT_BYTES: usize = 32 << 10;
const CUT: &str = "\r\n[the rest is left out]\r\n";

/// What happens after the output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Then {
    #[default]
    Prompt,
    End,
    Reboot,
    PowerOff,
}

/// What a word prints: text, of at most 32 KiB. The rest is left out.
#[derive(Debug, Default)]
pub struct Output {
    text: String,
    is_cut: bool,
    pub(super) then: Then,
}

impl Output {
    /// Returns the text, with the line ends of a terminal.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for line in text.split_inclusive('\n') {
            if self.is_cut {
                break;
            }
            if self.text.len() + line.len() > MAX_OUTPUT_BYTES {
                self.text.push_str(CUT);
                self.is_cut = true;
                break;
            }
            match line.strip_suffix('\n') {
                Some(line) => {
                    self.text.push_str(line);
                    self.text.push_str("\r\n");
                }
                None => self.text.push_str(line),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_as_on_a_terminal_and_are_bounded() {
        let mut output = Output::default();
        write!(output, "a\n{}", 1).expect("it is kept");
        assert_eq!(output.as_str(), "a\r\n1");
        for _ in 0..10_000 {
            writeln!(output, "a line of a log").expect("it is left out");
        }
        assert!(output.as_str().ends_with(CUT) && output.as_str().len() < MAX_OUTPUT_BYTES + 5_000);
    }
}
