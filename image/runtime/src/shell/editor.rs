//! The line editor: from bytes of a terminal to lines.

use alloc::string::String;

/// The longest line. More is not accepted.
const MAX_LINE_BYTES: usize = 200;
const BELL: char = '\x07';
const ESCAPE: u8 = 0x1b;

/// The state of an escape sequence of the terminal (ECMA-48, 5.4).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Sequence {
    #[default]
    None,
    Escape,
    /// Behind the control sequence introducer.
    Control,
}

/// What a byte has led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// The line goes on.
    More,
    /// A whole line.
    Line(String),
    /// The end of the input (Ctrl-D on an empty line).
    End,
}

/// A line that is being edited: backspace, Ctrl-U for the whole line, Ctrl-C to begin anew, and the key up for the line before.
#[derive(Debug, Default)]
pub(super) struct LineEditor {
    line: String,
    last: String,
    sequence: Sequence,
    /// A line feed behind a carriage return ends no second line.
    was_return: bool,
}

impl LineEditor {
    /// Takes a byte of the terminal, and adds to `echo` what the terminal shows for it.
    pub(super) fn push(&mut self, byte: u8, echo: &mut String) -> Input {
        let was_return = core::mem::replace(&mut self.was_return, byte == b'\r');
        match (self.sequence, byte) {
            (Sequence::Escape, b'[' | b'O') => self.sequence = Sequence::Control,
            (Sequence::Control, b'A') => {
                self.sequence = Sequence::None;
                let last = self.last.clone();
                self.replace(&last, echo);
            }
            // Parameters and intermediate bytes; a final byte ends the sequence.
            (Sequence::Control, 0x20..=0x3f) => {}
            (Sequence::Control | Sequence::Escape, _) => self.sequence = Sequence::None,
            (Sequence::None, ESCAPE) => self.sequence = Sequence::Escape,
            (Sequence::None, b'\n') if was_return => {}
            (Sequence::None, b'\r' | b'\n') => {
                echo.push_str("\r\n");
                let line = core::mem::take(&mut self.line);
                if !line.trim().is_empty() {
                    self.last.clone_from(&line);
                }
                return Input::Line(line);
            }
            (Sequence::None, 0x08 | 0x7f) => match self.line.pop() {
                Some(_) => echo.push_str("\x08 \x08"),
                None => echo.push(BELL),
            },
            // Ctrl-C, Ctrl-D, Ctrl-U.
            (Sequence::None, 0x03) => {
                self.line.clear();
                echo.push_str("^C\r\n");
                return Input::Line(String::new());
            }
            (Sequence::None, 0x04) if self.line.is_empty() => return Input::End,
            (Sequence::None, 0x15) => self.replace("", echo),
            (Sequence::None, b' '..=b'~') if self.line.len() < MAX_LINE_BYTES => {
                self.line.push(byte.into());
                echo.push(byte.into());
            }
            (Sequence::None, _) => echo.push(BELL),
        }
        Input::More
    }

    /// Replaces the line, on the terminal, too.
    fn replace(&mut self, line: &str, echo: &mut String) {
        for _ in 0..self.line.len() {
            echo.push_str("\x08 \x08");
        }
        echo.push_str(line);
        self.line.clear();
        self.line.push_str(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn lines(bytes: &[u8]) -> (Vec<String>, String) {
        let (mut editor, mut echo, mut lines) = (LineEditor::default(), String::new(), Vec::new());
        for byte in bytes {
            match editor.push(*byte, &mut echo) {
                Input::Line(line) => lines.push(line),
                Input::End => lines.push("<end>".into()),
                Input::More => {}
            }
        }
        (lines, echo)
    }

    #[test]
    fn lines_end_with_any_line_end() {
        assert_eq!(lines(b"a\rb\r\nc\n\nd").0, ["a", "b", "c", ""]);
        assert_eq!(lines(b"a\r\n").1, "a\r\n");
    }

    #[test]
    fn a_line_is_edited() {
        assert_eq!(lines(b"lgo\x7f\x7fog\r").0, ["log"]);
        assert_eq!(lines(b"x\x08\x08").1, "x\x08 \x08\x07");
        assert_eq!(lines(b"wrong\x15right\r").0, ["right"]);
        assert_eq!(lines(b"wrong\x03right\r").0, ["", "right"]);
        assert_eq!(lines(b"x\x04\r\x04").0, ["x", "<end>"]);
    }

    #[test]
    fn the_key_up_recalls_the_last_line_and_other_keys_do_nothing() {
        assert_eq!(lines(b"first\r\rsec\x1b[A\r").0, ["first", "", "first"]);
        assert_eq!(lines(b"a\x1b[Cb\x1bOPc\x1b[1;5Dd\x1bxe\r").0, ["abcde"]);
    }

    #[test]
    fn a_line_is_bounded_and_has_no_other_bytes() {
        let (found, echo) = lines(&[b"x".repeat(500).as_slice(), b"\xff\x00\xc3\xa4\r"].concat());
        assert_eq!(found[0].len(), MAX_LINE_BYTES);
        assert_eq!(echo.matches('x').count(), MAX_LINE_BYTES);
    }
}
