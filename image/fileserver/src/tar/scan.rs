//! The scan of an archive, header by header.

use alloc::vec::Vec;

use tar_core::EntryType;

use super::header::CheckedHeader;
use super::index::{Full, Index, Member};
use super::metadata::{Attributes, MAX_METADATA_BYTES, Metadata, decimal};
use super::names::normalize;
use super::scan_error::{HeaderDefect, ScanError};
use super::sparse::{MAX_PARTS, MapBuilder, SparseMap};
use super::{Archive, FileData};
use crate::filesystem::MAX_PATH_BYTES;
use crate::volume::{Volume, fallible_buffer};

const BLOCK: u64 = 512;
/// The most bytes of the map before the data of a sparse file in format 1.0.
const MAX_MAP_BYTES: u64 = 512 * 1024;

/// A scan under way.
struct Scan<'a> {
    volume: &'a Volume,
    /// The position of the next header.
    at: u64,
    index: Index,
    /// What a pax header for the whole archive sets.
    global: Attributes,
}

/// Why the scan ends.
enum End {
    Clean,
    Error(ScanError),
}

impl<E: Into<ScanError>> From<E> for End {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

/// Reads the headers of the archive on `volume`.
pub(super) async fn scan(volume: &Volume) -> (Archive, Option<ScanError>) {
    let mut scan = Scan { volume, at: 0, index: Index::default(), global: Attributes::default() };
    // Each round moves on by a block at least, so the size of the volume bounds the loop.
    let error = loop {
        match scan.member().await {
            Ok(()) => {}
            Err(End::Clean) => break None,
            Err(End::Error(error)) => break Some(error),
        }
    };
    (scan.index.finish(), error)
}

impl Scan<'_> {
    fn sector(&self) -> u64 {
        self.at / BLOCK
    }

    fn malformed(&self, defect: HeaderDefect) -> End {
        End::Error(ScanError::Malformed { sector: self.sector(), defect })
    }

    /// Reads the next header; the end for blocks of zeros.
    async fn header(&mut self) -> Result<[u8; 512], End> {
        if self.at + BLOCK > self.volume.size_bytes() {
            // tar takes the end of the file for the end of the archive, too.
            return Err(if self.at > 0 { End::Clean } else { ScanError::PastEnd { sector: 0 }.into() });
        }
        let bytes: [u8; 512] = self.volume.read_array(self.at).await?;
        // A single block of zeros ends an archive as two do.
        if bytes.iter().all(|byte| *byte == 0) { Err(End::Clean) } else { Ok(bytes) }
    }

    /// Returns the position behind `size` bytes from `start` on, padded to whole blocks.
    fn behind(&self, start: u64, size: u64) -> Result<u64, End> {
        let end = size.checked_next_multiple_of(BLOCK).and_then(|size| start.checked_add(size));
        // The padding of the last member may be missing.
        let is_within = start.checked_add(size).is_some_and(|end| end <= self.volume.size_bytes());
        end.filter(|_| is_within).ok_or_else(|| ScanError::PastEnd { sector: self.sector() }.into())
    }

    /// Reads a member, with the headers that belong to it, and adds it to the index.
    async fn member(&mut self) -> Result<(), End> {
        let mut metadata = Metadata { attributes: self.global.clone(), ..Metadata::default() };
        let start = self.at;
        loop {
            let bytes = self.header().await?;
            let checked = CheckedHeader::new(&bytes).map_err(|defect| self.malformed(defect))?;
            let data = self.at + BLOCK;
            if !matches!(
                checked.kind,
                EntryType::GnuLongName | EntryType::GnuLongLink | EntryType::XHeader | EntryType::XGlobalHeader
            ) || !checked.has_extensions() && checked.kind != EntryType::XGlobalHeader
            {
                let added = self.add(&checked, metadata).await;
                return match added {
                    Ok(()) => Ok(()),
                    Err(AddError::End(end)) => Err(end),
                    Err(AddError::Full) => Err(ScanError::TooMany { sector: start / BLOCK }.into()),
                };
            }
            let next = self.behind(data, checked.size)?;
            if checked.size > MAX_METADATA_BYTES {
                return Err(self.malformed(HeaderDefect::MetadataTooLong));
            }
            let mut content = fallible_buffer(usize::try_from(checked.size).unwrap_or(0))?;
            self.volume.read(data, &mut content).await?;
            match checked.kind {
                EntryType::GnuLongName => metadata.attributes.path = Some(long_name(content)),
                EntryType::GnuLongLink => metadata.attributes.link = Some(long_name(content)),
                EntryType::XHeader => metadata.add_pax(&content).map_err(|defect| self.malformed(defect))?,
                _ => {
                    let mut global = Metadata { attributes: self.global.clone(), ..Metadata::default() };
                    global.add_pax(&content).map_err(|defect| self.malformed(defect))?;
                    self.global = global.attributes.clone();
                    metadata.attributes = global.attributes;
                }
            }
            self.at = next;
        }
    }

    /// Adds the member of a header, and moves on behind its data.
    async fn add(&mut self, checked: &CheckedHeader<'_>, metadata: Metadata) -> Result<(), AddError> {
        let Metadata { attributes, sparse, is_sparse } = metadata;
        let size = if is_file(checked.kind) { attributes.size.unwrap_or(checked.size) } else { checked.size };
        let mut data = self.at + BLOCK;
        let name = attributes.path.unwrap_or_else(|| header_path(checked));
        // Archives from before 1988 mark a directory by a slash.
        let is_directory = checked.kind == EntryType::Directory || is_file(checked.kind) && name.ends_with(b"/");
        let path = normalize(&name);
        let link = attributes.link.unwrap_or_else(|| checked.header.link_name_bytes().to_vec());
        // The time 0 is that of archives made to be the same every time.
        let modified = Some(attributes.modified.unwrap_or(checked.modified)).filter(|time| *time > 0);
        let mut file = FileData { position: data, size, modified, sparse: None };
        let mut defect = None;
        if checked.kind == EntryType::GnuSparse {
            let (map, map_bytes, real_size) = self.old_map(checked).await?;
            data += map_bytes;
            (file.position, file.size) = (data, real_size);
            match map.and_then(|map| map.finish(real_size, size)) {
                Ok(map) => file.sparse = Some(map),
                Err(error) => defect = Some(error),
            }
        } else if is_sparse && is_file(checked.kind) {
            match self.pax_map(data, size, sparse).await? {
                Ok((map, map_bytes, real_size)) => {
                    (file.position, file.size, file.sparse) = (data + map_bytes, real_size, Some(map));
                }
                Err(error) => defect = Some(error),
            }
        }
        let next = self.behind(data, size)?;
        match (path, defect) {
            (Err(reason), _) | (_, Some(reason)) => self.index.skip(reason),
            (Ok(path), None) => match checked.kind {
                _ if is_directory => self.index.add(path, Member::Directory)?,
                kind if is_file(kind) || kind == EntryType::GnuSparse => self.index.add_file(path, file)?,
                EntryType::Link => match normalize(&link) {
                    Ok(target) => self.index.add_hard_link(path, &target)?,
                    Err(reason) => self.index.skip(reason),
                },
                EntryType::Symlink if link.is_empty() || link.len() > MAX_PATH_BYTES || link.contains(&0) => {
                    self.index.skip("a symbolic link is malformed");
                }
                EntryType::Symlink => {
                    let target = alloc::string::String::from_utf8_lossy(&link).into_owned();
                    self.index.add(path, Member::Link(target.into_boxed_str()))?;
                }
                // Devices, pipes, labels and the like have no content.
                _ => {}
            },
        }
        self.at = next;
        Ok(())
    }

    /// Reads the map of GNU's old sparse format. Returns it with the bytes that it takes behind the header, and the size of
    /// the file.
    async fn old_map(
        &self,
        checked: &CheckedHeader<'_>,
    ) -> Result<(Result<MapBuilder, &'static str>, u64, u64), AddError> {
        let size = super::header::number(checked.field(483..495)).ok_or_else(|| self.malformed(HeaderDefect::Size))?;
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
    async fn pax_map(
        &self,
        data: u64,
        stored: u64,
        sparse: super::metadata::PaxSparse,
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

/// Why a member is not added.
enum AddError {
    End(End),
    Full,
}

impl From<Full> for AddError {
    fn from(Full: Full) -> Self {
        Self::Full
    }
}

impl From<End> for AddError {
    fn from(end: End) -> Self {
        Self::End(end)
    }
}

/// Returns whether a member of this kind is a file. Unknown kinds are (POSIX.1-2017, pax, "typeflag").
fn is_file(kind: EntryType) -> bool {
    kind.is_file()
}

/// Returns the path in a header: its name behind its prefix.
fn header_path(checked: &CheckedHeader<'_>) -> Vec<u8> {
    let name = checked.header.path_bytes();
    match checked.header.prefix() {
        Some(prefix) if !prefix.is_empty() => [prefix, b"/", name].concat(),
        _ => name.to_vec(),
    }
}

/// Returns a long name, which ends at the first zero.
fn long_name(mut content: Vec<u8>) -> Vec<u8> {
    content.truncate(content.iter().position(|byte| *byte == 0).unwrap_or(content.len()));
    content
}
