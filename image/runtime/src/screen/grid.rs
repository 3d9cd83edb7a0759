//! Text in rows and columns, as a terminal has it.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// Columns between the stops of a tabulator.
const TAB: usize = 8;

/// The state of an escape sequence (ECMA-48, 5.4), which is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    /// After ESC.
    Begun,
    /// After ESC and `[`, until a letter.
    Parameters,
}

/// Cells of one character each, with a cursor. What does not fit at the end moves all rows up.
#[derive(Debug)]
pub(super) struct TextGrid {
    columns: usize,
    rows: usize,
    cells: Vec<u8>,
    /// The cells as they were drawn last.
    drawn: Vec<u8>,
    column: usize,
    row: usize,
    escape: Escape,
}

impl TextGrid {
    /// Makes a grid of blanks. There is one column and one row at least.
    pub(super) fn new(columns: usize, rows: usize) -> Self {
        let (columns, rows) = (columns.max(1), rows.max(1));
        let cells = vec![b' '; columns * rows];
        Self { columns, rows, drawn: cells.clone(), cells, column: 0, row: 0, escape: Escape::None }
    }

    /// Writes text, with the controls that the console has: new line, return, backspace, tabulator.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.push(*byte));
    }

    fn push(&mut self, byte: u8) {
        match (self.escape, byte) {
            (_, 0x1b) => self.escape = Escape::Begun,
            (Escape::Begun, b'[') => self.escape = Escape::Parameters,
            (Escape::Begun, _) => self.escape = Escape::None,
            (Escape::Parameters, 0x40..=0x7e) => self.escape = Escape::None,
            (Escape::Parameters, _) => {}
            (Escape::None, b'\n') => self.end_line(),
            (Escape::None, b'\r') => self.column = 0,
            (Escape::None, 0x08) => self.column = self.column.saturating_sub(1),
            (Escape::None, b'\t') => self.column = ((self.column / TAB + 1) * TAB).min(self.columns - 1),
            (Escape::None, b' '..=b'~') => self.put(byte),
            // The first byte of a character beyond ASCII stands for all of them.
            (Escape::None, 0xc0..) => self.put(b'?'),
            (Escape::None, _) => {}
        }
    }

    fn put(&mut self, character: u8) {
        if self.column == self.columns {
            self.end_line();
        }
        self.cells[self.row * self.columns + self.column] = character;
        self.column += 1;
    }

    fn end_line(&mut self) {
        self.column = 0;
        if self.row + 1 < self.rows {
            self.row += 1;
            return;
        }
        self.cells.copy_within(self.columns.., 0);
        let last = self.cells.len() - self.columns;
        self.cells[last..].fill(b' ');
    }

    /// Returns the changed parts of a row, each with its first column, and takes them as drawn. The cursor is an underscore.
    pub(super) fn take_changes(&mut self, row: usize) -> Vec<(usize, String)> {
        let range = row * self.columns..(row + 1) * self.columns;
        let cursor = (row == self.row).then_some(self.column);
        let mut changes: Vec<(usize, String)> = Vec::new();
        for (column, (cell, drawn)) in self.cells[range.clone()].iter().zip(&mut self.drawn[range]).enumerate() {
            let character = if cursor == Some(column) && *cell == b' ' { b'_' } else { *cell };
            if character == *drawn {
                continue;
            }
            *drawn = character;
            match changes.last_mut() {
                Some((start, text)) if *start + text.len() == column => text.push(character.into()),
                _ => changes.push((column, String::from(char::from(character)))),
            }
        }
        changes
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(grid: &TextGrid) -> Vec<String> {
        let rows = grid.cells.chunks(grid.columns);
        rows.map(|row| String::from_utf8_lossy(row).trim_end().into()).collect()
    }

    #[test]
    fn text_wraps_and_moves_up() {
        let mut grid = TextGrid::new(4, 3);
        grid.write(b"ab\ncdefg\r\nh");
        assert_eq!(shown(&grid), ["cdef", "g", "h"]);
        grid.write(b"\x08H\tx\ry");
        assert_eq!(shown(&grid), ["cdef", "g", "y  x"]);
        // A full row ends with the next character only.
        let mut grid = TextGrid::new(3, 2);
        grid.write(b"abc\nd");
        assert_eq!(shown(&grid), ["abc", "d"]);
    }

    #[test]
    fn escape_sequences_are_left_out() {
        let mut grid = TextGrid::new(10, 1);
        grid.write("\x1b[1;31mred\x1b[0m \x1bc\u{7}\u{e9}".as_bytes());
        assert_eq!(shown(&grid), ["red ?"]);
    }

    #[test]
    fn only_what_has_changed_is_drawn() {
        let mut grid = TextGrid::new(8, 2);
        grid.write(b"one two\nx");
        assert_eq!(grid.take_changes(0), [(0, "one".into()), (4, "two".into())]);
        assert_eq!(grid.take_changes(1), [(0, "x_".into())]);
        assert_eq!((grid.take_changes(0), grid.take_changes(1)), (Vec::new(), Vec::new()));
        grid.write(b"\x08y\n");
        // The rows have moved up.
        assert_eq!(grid.take_changes(0), [(0, "y  ".into()), (4, "   ".into())]);
        assert_eq!(grid.take_changes(1), [(0, "_ ".into())]);
    }

    #[test]
    fn any_bytes_stay_in_the_grid() {
        for (columns, rows) in [(1, 1), (0, 0), (5, 2)] {
            let mut grid = TextGrid::new(columns, rows);
            let all: Vec<u8> = (0..=u8::MAX).chain(b"\t\t\n\r\x08\x08".iter().copied()).cycle().take(5_000).collect();
            grid.write(&all);
            (0..grid.rows()).for_each(|row| drop(grid.take_changes(row)));
        }
    }
}
