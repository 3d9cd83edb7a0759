//! What precedes a header: GNU's long names, and pax headers.

use alloc::vec::Vec;

use tar_core::PaxExtensions;

use super::scan_error::HeaderDefect;
use super::sparse::MapBuilder;

/// The most bytes of one long name or pax header. The longest have a map of a sparse file in format 0.1.
pub(super) const MAX_METADATA_BYTES: u64 = 512 * 1024;

/// The attributes of pax headers, and GNU's long names.
#[derive(Debug, Default, Clone)]
pub(super) struct Attributes {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) modified: Option<u64>,
}

/// What is known of a sparse file from its pax header.
#[derive(Debug, Default)]
pub(super) struct PaxSparse {
    /// The map, in formats 0.0 and 0.1.
    pub(super) map: Option<MapBuilder>,
    /// Whether the map precedes the data, as in format 1.0.
    pub(super) has_map_in_data: bool,
    pub(super) size: Option<u64>,
    /// Why the file cannot be served.
    pub(super) defect: Option<&'static str>,
    /// The offset whose length follows, in format 0.0.
    offset: Option<u64>,
}

/// What precedes a header.
#[derive(Debug, Default)]
pub(super) struct Metadata {
    pub(super) attributes: Attributes,
    pub(super) sparse: PaxSparse,
    pub(super) is_sparse: bool,
}

impl Metadata {
    /// Takes the records of a pax header over. A later record replaces an earlier one.
    pub(super) fn add_pax(&mut self, data: &[u8]) -> Result<(), HeaderDefect> {
        for record in PaxExtensions::new(data) {
            let record = record.map_err(|_| HeaderDefect::Pax)?;
            // A key that is not UTF-8 is none of these.
            let Ok(key) = record.key() else { continue };
            let value = record.value_bytes();
            match key {
                "path" => self.attributes.path = non_empty(value),
                "linkpath" => self.attributes.link = non_empty(value),
                "size" => self.attributes.size = Some(decimal(value).ok_or(HeaderDefect::Size)?),
                // Seconds with a fraction; negative before 1970.
                "mtime" => self.attributes.modified = decimal(value.split(|byte| *byte == b'.').next().unwrap_or(b"")),
                _ => {
                    if let Some(name) = key.strip_prefix("GNU.sparse.") {
                        self.is_sparse = true;
                        self.add_sparse(name, value);
                    }
                }
            }
        }
        Ok(())
    }

    fn add_sparse(&mut self, name: &str, value: &[u8]) {
        let sparse = &mut self.sparse;
        match name {
            "name" => self.attributes.path = non_empty(value),
            "size" | "realsize" => sparse.size = decimal(value),
            "major" if value != b"0" && value != b"1" => sparse.defect = Some("its sparse format is not known"),
            "major" => sparse.has_map_in_data = value == b"1",
            "minor" if value != b"0" && value != b"1" => sparse.defect = Some("its sparse format is not known"),
            "offset" => sparse.offset = decimal(value),
            "numbytes" => match sparse.offset.take().zip(decimal(value)) {
                Some((offset, length)) => sparse.push(offset, length),
                None => sparse.defect = Some("a sparse map is malformed"),
            },
            "map" => {
                let mut numbers = value.split(|byte| *byte == b',').map(decimal);
                while let Some(offset) = numbers.next() {
                    match offset.zip(numbers.next().flatten()) {
                        Some((offset, length)) => sparse.push(offset, length),
                        None => sparse.defect = Some("a sparse map is malformed"),
                    }
                    if sparse.defect.is_some() {
                        break;
                    }
                }
            }
            _ => {}
        }
    }
}

impl PaxSparse {
    fn push(&mut self, offset: u64, length: u64) {
        if let Err(defect) = self.map.get_or_insert_default().push(offset, length) {
            self.defect = Some(defect);
        }
    }
}

/// An empty value deletes an attribute.
fn non_empty(value: &[u8]) -> Option<Vec<u8>> {
    (!value.is_empty()).then(|| value.to_vec())
}

/// Returns a decimal number of at most 63 bits.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 19 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = text.iter().fold(0_u64, |sum, digit| sum.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')));
    i64::try_from(number).ok()?;
    Some(number)
}
