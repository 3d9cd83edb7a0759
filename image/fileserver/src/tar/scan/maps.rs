//! The maps of sparse files: GNU's old format, and the formats 0.0 to 1.0 in pax headers.

use alloc::vec::Vec;

use super::super::header::{CheckedHeader, number};
use super::super::metadata::{PaxSparse, decimal};
use super::super::scan_error::HeaderDefect;
use super::super::sparse::{MAX_PARTS, MapBuilder, SparseMap};
use super::{AddError, BLOCK, End, Scan};

/// The most bytes of the map before the data of a sparse file in format 1.0.
const MAX_MAP_BYTES: u64 = 512 * 1024;

impl Scan<'_> {
    /// Reads the map of GNU's old sparse format. Returns it with the bytes that it takes behind the header, and the size of
    /// the file.
    pub(super) async fn old_map(
        &self,
        checked: &CheckedHeader<'_>,
    ) -> Result<(Result<MapBuilder, &'static str>, u64, u64), AddError> {
        let size = number(checked.field(483..495)).ok_or_else(|| self.malformed(HeaderDefect::Size))?;
        let mut map = MapBuilder::default();
        let mut result = map.push_list(checked.field(386..482));
        let (mut is_extended, mut bytes) = (checked.field(482..483) != [0], 0);
        while is_extended {
            if bytes / BLOCK > MAX_PARTS as u64 / 21 {
                return Err(self.malformed(HeaderDefect::SparseMap).into());
            }
            let position = self.at + BLOCK + bytes;
            self.behind(position, BLOCK)?;
            let block: [u8; 512] = self.volume.read_array(position).await.map_err(End::from)?;
            if let Ok(false) = result {
                result = map.push_list(&block[..504]);
            }
            (is_extended, bytes) = (block[504] != 0, bytes + BLOCK);
        }
        Ok((result.map(|_| map), bytes, size))
    }

    /// Returns the map of a sparse file in a pax format, with the bytes that it takes before the data, and the file's size.
    pub(super) async fn pax_map(
        &self,
        data: u64,
        stored: u64,
        sparse: PaxSparse,
    ) -> Result<Result<(SparseMap, u64, u64), &'static str>, AddError> {
        if let Some(defect) = sparse.defect {
            return Ok(Err(defect));
        }
        let Some(size) = sparse.size else { return Ok(Err("a sparse file has no size")) };
        if !sparse.has_map_in_data {
            let map = sparse.map.unwrap_or_default().finish(size, stored);
            return Ok(map.map(|map| (map, 0, size)));
        }
        let length = stored.min(MAX_MAP_BYTES);
        self.behind(data, length)?;
        let mut text = Vec::new();
        let mut numbers = Numbers::default();
        while numbers.is_incomplete() && (text.len() as u64) < length {
            let part = usize::try_from((length - text.len() as u64).min(BLOCK)).unwrap_or(0);
            let mut block = [0; 512];
            let position = data + text.len() as u64;
            self.volume.read(position, &mut block[..part]).await.map_err(End::from)?;
            text.extend_from_slice(&block[..part]);
            if let Err(defect) = numbers.push(&block[..part]) {
                return Ok(Err(defect));
            }
        }
        if numbers.is_incomplete() {
            return Ok(Err("a sparse map is incomplete"));
        }
        let map_bytes = (text.len() as u64).next_multiple_of(BLOCK);
        let Some(stored) = stored.checked_sub(map_bytes) else { return Ok(Err("a sparse map is incomplete")) };
        Ok(numbers.map.finish(size, stored).map(|map| (map, map_bytes, size)))
    }
}

/// The map of format 1.0, as it is read: the number of parts, then offset and length of each, a line each.
#[derive(Default)]
struct Numbers {
    line: Vec<u8>,
    /// The parts that are still to come; `None` before the first line.
    left: Option<u64>,
    offset: Option<u64>,
    map: MapBuilder,
}

impl Numbers {
    fn is_incomplete(&self) -> bool {
        self.left != Some(0)
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        for byte in bytes {
            if !self.is_incomplete() {
                break;
            }
            if *byte != b'\n' {
                self.line.push(*byte);
                if self.line.len() > 20 {
                    return Err("a sparse map is malformed");
                }
                continue;
            }
            let number = decimal(&self.line).ok_or("a sparse map is malformed")?;
            self.line.clear();
            match (self.left, self.offset.take()) {
                (None, _) if number > MAX_PARTS as u64 => return Err("a sparse file has too many parts"),
                (None, _) => self.left = Some(number),
                (Some(_), None) => self.offset = Some(number),
                (Some(left), Some(offset)) => {
                    self.map.push(offset, number)?;
                    self.left = Some(left - 1);
                }
            }
        }
        Ok(())
    }
}
