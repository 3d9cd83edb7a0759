//! The scan of an archive, header by header.

mod maps;

use alloc::vec::Vec;

use tar_core::EntryType;

use super::header::CheckedHeader;
use super::index::{Full, Index, Member};
use super::metadata::{Attributes, MAX_METADATA_BYTES, Metadata};
use super::names::normalize;
use super::scan_error::{HeaderDefect, ScanError};
use super::{Archive, FileData};
use crate::filesystem::MAX_PATH_BYTES;
use crate::volume::{Volume, fallible_buffer};

const BLOCK: u64 = 512;

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
