//! Disks for the guest, and the test file of known content.

use core::fmt::Write;
use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::scratch::ScratchPath;

/// A raw disk of one test, deleted when dropped.
#[derive(Debug)]
pub struct ScratchDisk {
    path: ScratchPath,
}

impl ScratchDisk {
    /// Creates a disk of `sectors` sectors of 512 bytes, each filled with `byte_of(sector)`.
    ///
    /// # Panics
    /// Panics when the file cannot be written.
    #[must_use]
    pub fn new(sectors: u32, byte_of: impl Fn(u32) -> u8) -> Self {
        let path = ScratchPath::new("img");
        let bytes: Vec<u8> = (0..sectors).flat_map(|sector| [byte_of(sector); 512]).collect();
        fs::write(path.path(), bytes).expect("a scratch disk can be written");
        Self { path }
    }

    /// Returns the path of the disk.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.path.path()
    }

    /// Returns the 512 bytes of `sector`.
    ///
    /// # Panics
    /// Panics when the file cannot be read or is shorter.
    #[must_use]
    pub fn sector(&self, sector: usize) -> Vec<u8> {
        let bytes = fs::read(self.path()).expect("the scratch disk can be read");
        bytes[sector * 512..][..512].to_vec()
    }
}

/// Returns the content of `/files/1mib.bin`: the numbers from 0 on, each as 15 digits and a newline (see `tools/disk`).
#[must_use]
pub fn mebibyte_file() -> Vec<u8> {
    let mut text = String::with_capacity(1 << 20);
    for number in 0..65_536 {
        writeln!(text, "{number:015}").expect("writing to a string cannot fail");
    }
    text.into_bytes()
}

/// Returns the SHA-256 of `bytes` in hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_one_mebibyte_and_never_changes() {
        let file = mebibyte_file();
        assert_eq!(file.len(), 1 << 20);
        assert!(file.starts_with(b"000000000000000\n000000000000001\n"));
    }

    #[test]
    fn sha256_agrees_with_the_standard() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
