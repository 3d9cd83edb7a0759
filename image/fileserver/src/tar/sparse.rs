//! The maps of sparse files: GNU's old format, and pax formats 0.0, 0.1 and 1.0.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::header::number;
use crate::filesystem::Run;

/// The most parts of a file.
pub(super) const MAX_PARTS: usize = 16 * 1024;

/// A part of a sparse file that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    /// Where it is in the file.
    offset: u64,
    length: u64,
    /// The bytes of the parts before it.
    stored_before: u64,
}

/// The parts of a sparse file that are stored, in order and without overlaps.
#[derive(Debug)]
pub(super) struct SparseMap(Box<[Part]>);

/// A map that is read entry by entry.
#[derive(Debug, Default)]
pub(super) struct MapBuilder {
    parts: Vec<Part>,
    stored: u64,
    end: u64,
}

impl MapBuilder {
    /// Adds the next part. An empty one is left out: the last entry is one where the file ends in a hole.
    pub(super) fn push(&mut self, offset: u64, length: u64) -> Result<(), &'static str> {
        if offset < self.end {
            return Err("a sparse map overlaps or is not in order");
        }
        self.end = offset.checked_add(length).ok_or("a sparse map has sizes that are too large")?;
        if length == 0 {
            return Ok(());
        }
        if self.parts.len() == MAX_PARTS {
            return Err("a sparse file has too many parts");
        }
        self.parts.try_reserve(1).map_err(|_| "there is no memory for a sparse map")?;
        self.parts.push(Part { offset, length, stored_before: self.stored });
        self.stored += length;
        Ok(())
    }

    /// Adds the parts of a list of GNU's old headers. Returns whether it ended with an empty entry.
    pub(super) fn push_list(&mut self, list: &[u8]) -> Result<bool, &'static str> {
        for entry in list.chunks_exact(24) {
            if entry[0] == 0 {
                return Ok(true);
            }
            let (offset, length) = entry.split_at(12);
            let (offset, length) = (number(offset).zip(number(length))).ok_or("a sparse map is malformed")?;
            self.push(offset, length)?;
        }
        Ok(false)
    }

    /// Returns the map of a file of `size` bytes, of which `stored` are in the archive.
    pub(super) fn finish(self, size: u64, stored: u64) -> Result<SparseMap, &'static str> {
        if self.end > size || self.stored > stored {
            return Err("a sparse map reaches past the end of its file");
        }
        Ok(SparseMap(self.parts.into_boxed_slice()))
    }
}

impl SparseMap {
    /// Returns the memory that the map takes.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.0)
    }

    /// Returns where the bytes from `offset` on are, of a file whose data begins at `position`.
    pub(super) fn locate(&self, position: u64, size: u64, offset: u64) -> Run {
        let next = self.0.partition_point(|part| part.offset + part.length <= offset);
        match self.0.get(next) {
            Some(part) if part.offset <= offset => {
                let skip = offset - part.offset;
                let position = position.saturating_add(part.stored_before).saturating_add(skip);
                Run::Stored { position, length: part.length - skip }
            }
            Some(part) => Run::Zeros { length: part.offset - offset },
            None => Run::Zeros { length: size.saturating_sub(offset) },
        }
    }
}
