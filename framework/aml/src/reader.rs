//! A position in the code of a table, and the encodings that all terms share (ACPI 6.5, 20.2).

use alloc::rc::Rc;

use crate::error::{Place, Reason};
use crate::path::{Path, Segment};

/// Bytes of a table that are still to be read. Copies are independent of each other.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    table: Rc<[u8]>,
    at: usize,
    end: usize,
}

impl Reader {
    /// Creates a reader of the bytes from `start` on.
    pub(crate) fn new(table: Rc<[u8]>, start: usize) -> Self {
        let end = table.len();
        Self { table, at: start.min(end), end }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.at >= self.end
    }

    /// Returns the place of the next term.
    pub(crate) fn place(&self) -> Place {
        let table = self.table.first_chunk().copied().unwrap_or_default();
        let opcode = match self.table.get(self.at..self.end) {
            Some([0x5b, second, ..]) => u16::from_be_bytes([0x5b, *second]),
            Some([first, ..]) => (*first).into(),
            _ => 0,
        };
        Place { table, offset: self.at, opcode }
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        if self.is_empty() { None } else { self.table.get(self.at).copied() }
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Reason> {
        let byte = self.peek().ok_or(Reason::Truncated)?;
        self.at += 1;
        Ok(byte)
    }

    /// Reads the next byte if it is this one.
    pub(crate) fn skip_if(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Reads `length` bytes.
    pub(crate) fn bytes(&mut self, length: usize) -> Result<&[u8], Reason> {
        let start = self.at;
        let end = start.checked_add(length).filter(|end| *end <= self.end).ok_or(Reason::Truncated)?;
        self.at = end;
        Ok(&self.table[start..end])
    }

    /// Reads what is left.
    pub(crate) fn rest(&mut self) -> &[u8] {
        let start = core::mem::replace(&mut self.at, self.end);
        &self.table[start.min(self.end)..self.end]
    }

    /// Reads an integer of `width` bytes.
    pub(crate) fn integer(&mut self, width: usize) -> Result<u64, Reason> {
        Ok(self.bytes(width)?.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// Reads a string, which ends at the first zero.
    pub(crate) fn string(&mut self) -> Result<&[u8], Reason> {
        let length = self.table[self.at.min(self.end)..self.end].iter().position(|byte| *byte == 0);
        let length = length.ok_or(Reason::Truncated)?;
        let start = self.at;
        self.at += length + 1;
        Ok(&self.table[start..start + length])
    }

    /// Reads the one to four bytes of a `PkgLength` (20.2.4).
    pub(crate) fn package_length(&mut self) -> Result<usize, Reason> {
        let lead = usize::from(self.byte()?);
        match lead >> 6 {
            0 => Ok(lead & 0x3f),
            more => Ok(self.bytes(more)?.iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte)) << 4
                | lead & 0xf),
        }
    }

    /// Reads a `PkgLength` and returns a reader of what it covers, which this one continues behind.
    pub(crate) fn package(&mut self) -> Result<Self, Reason> {
        let start = self.at;
        let length = self.package_length()?;
        let end =
            start.checked_add(length).filter(|end| (self.at..=self.end).contains(end)).ok_or(Reason::Truncated)?;
        let package = Self { table: Rc::clone(&self.table), at: self.at, end };
        self.at = end;
        Ok(package)
    }

    pub(crate) fn segment(&mut self) -> Result<Segment, Reason> {
        let bytes: [u8; 4] = self.bytes(4)?.try_into().map_err(|_| Reason::Truncated)?;
        Segment::new(bytes).ok_or(Reason::Name)
    }

    /// Reads a `NameString` (20.2.2).
    pub(crate) fn path(&mut self) -> Result<Path, Reason> {
        let mut path = Path { is_absolute: self.skip_if(b'\\'), ..Path::default() };
        while !path.is_absolute && self.skip_if(b'^') {
            path.parents += 1;
        }
        let count = match self.peek() {
            Some(0) => self.byte().map(|_| 0)?,
            Some(0x2e) => self.byte().map(|_| 2)?,
            Some(0x2f) => self.byte().and_then(|_| self.byte())?,
            _ => 1,
        };
        for _ in 0..count {
            path.segments.push(self.segment()?);
        }
        Ok(path)
    }
}
