//! Entity tags that change when the content does (RFC 9110, 8.8.3).
//!
//! Sizes and times are not enough: an archive that is made to be the same every time has the same time in every version.
//! So the tag of a file is a checksum of its content, made when the file is first asked for, and kept. For a large file the
//! checksum is one of samples, mixed with a number of this mount: its tag changes with every start, but never stays when the
//! content changes. When the disk takes too long for the checksum, the response has no tag.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use core::cell::{Cell, RefCell};

use embassy_time::{Duration, Instant, Timer, with_timeout};
use switchboard_runtime::entropy;

use crate::filesystem::{File, FileSystemError};
use crate::mounted::Mounted;
use crate::reader::FileReader;
use crate::volume::fallible_buffer;

/// The largest file whose whole content is in its tag.
const MAX_WHOLE_BYTES: u64 = 4 << 20;
/// The number and size of the samples of a larger file.
const SAMPLES: u64 = 32;
const SAMPLE_BYTES: u64 = 4096;
/// The most time that the checksum of a file may take. Afterwards the disk counts as slow, and no checksums are made for a while.
const TIMEOUT: Duration = Duration::from_millis(1500);
const SLOW_INTERVAL: Duration = Duration::from_secs(10);
/// The most time for which a request waits while another one makes a checksum, and how often it looks.
const WAIT: Duration = Duration::from_millis(250);
const WAIT_STEP: Duration = Duration::from_millis(5);
/// The most tags that a volume keeps.
const MAX_TAGS: usize = 1024;
/// Bytes read at a time.
const READ_BYTES: usize = 16 * 1024;

/// The checksums of the files that were asked for, by their numbers.
#[derive(Debug)]
pub(crate) struct TagCache {
    checksums: RefCell<BTreeMap<u64, u64>>,
    /// A checksum is being made. One at a time, so that its reads do not delay all others of a slow disk.
    is_making: Cell<bool>,
    /// The end of the time for which the disk counts as slow.
    slow_until: Cell<Instant>,
    /// A random number.
    mount: u64,
}

impl Default for TagCache {
    fn default() -> Self {
        Self {
            checksums: RefCell::default(),
            is_making: Cell::new(false),
            slow_until: Cell::new(Instant::MIN),
            mount: entropy::random_u64(),
        }
    }
}

/// Resets [`TagCache::is_making`] when the checksum is made, or its request was dropped.
struct Making<'a>(&'a Cell<bool>);

impl Drop for Making<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// Returns the entity tag of a file, with its quotes; `None` when its content cannot be read in time.
pub(crate) async fn entity_tag(mounted: &Rc<Mounted>, file: File) -> Option<String> {
    let tags = &mounted.tags;
    let tag = |checksum: u64| format!("\"{checksum:016x}-{:x}\"", file.size);
    let known = || tags.checksums.borrow().get(&file.id).copied();
    if let Some(checksum) = known() {
        return Some(tag(checksum));
    }
    let give_up = Instant::now() + WAIT;
    while tags.is_making.get() && Instant::now() < give_up {
        Timer::after(WAIT_STEP).await;
    }
    if let Some(checksum) = known() {
        return Some(tag(checksum));
    }
    if tags.is_making.get() || Instant::now() < tags.slow_until.get() {
        return None;
    }
    tags.is_making.set(true);
    let _making = Making(&tags.is_making);
    let Ok(checksum) = with_timeout(TIMEOUT, checksum(mounted, file)).await else {
        tags.slow_until.set(Instant::now() + SLOW_INTERVAL);
        return None;
    };
    let checksum = checksum.ok()?;
    let checksums = &mut *tags.checksums.borrow_mut();
    if checksums.len() >= MAX_TAGS {
        checksums.clear();
    }
    checksums.insert(file.id, checksum);
    Some(tag(checksum))
}

async fn checksum(mounted: &Rc<Mounted>, file: File) -> Result<u64, FileSystemError> {
    let mut checksum = Checksum::default();
    let mut buffer = fallible_buffer(READ_BYTES)?;
    if file.size <= MAX_WHOLE_BYTES {
        let mut reader = FileReader::new(mounted.clone(), file, 0..file.size);
        reader.read_all(&mut buffer, |part| checksum.add(part)).await?;
        return Ok(checksum.finish());
    }
    for sample in 0..SAMPLES {
        let start = (file.size - SAMPLE_BYTES) / (SAMPLES - 1) * sample;
        let mut reader = FileReader::new(mounted.clone(), file, start..start + SAMPLE_BYTES);
        reader.read_all(&mut buffer, |part| checksum.add(part)).await?;
    }
    for number in [mounted.tags.mount, file.id, file.modified.unwrap_or(0)] {
        checksum.add(&number.to_le_bytes());
    }
    Ok(checksum.finish())
}

/// A checksum of 64 bits, of which every bit of the content changes half. It is no protection from those who look for two
/// contents with the same one.
#[derive(Debug)]
struct Checksum {
    state: u64,
    /// The bytes of an incomplete word, and their number.
    word: [u8; 8],
    filled: usize,
    length: u64,
}

impl Default for Checksum {
    fn default() -> Self {
        Self { state: 0x243f_6a88_85a3_08d3, word: [0; 8], filled: 0, length: 0 }
    }
}

impl Checksum {
    /// Adds bytes. How they are divided into parts does not matter.
    fn add(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len() as u64;
        if self.filled > 0 {
            let taken = bytes.len().min(8 - self.filled);
            self.word[self.filled..self.filled + taken].copy_from_slice(&bytes[..taken]);
            self.filled += taken;
            bytes = &bytes[taken..];
            if self.filled < 8 {
                return;
            }
            self.mix(u64::from_le_bytes(self.word));
            self.filled = 0;
        }
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        self.word[..rest.len()].copy_from_slice(rest);
        self.filled = rest.len();
    }

    /// Both steps can be undone, so that two contents that differ in one word never have the same checksum.
    const fn mix(&mut self, word: u64) {
        self.state = (self.state ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }

    fn finish(mut self) -> u64 {
        self.word[self.filled..].fill(0);
        self.mix(u64::from_le_bytes(self.word));
        self.mix(self.length);
        self.mix(self.state >> 32);
        self.mix(0);
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checksum(parts: &[&[u8]]) -> u64 {
        let mut checksum = Checksum::default();
        parts.iter().for_each(|part| checksum.add(part));
        checksum.finish()
    }

    #[test]
    fn parts_do_not_matter_and_every_byte_does() {
        let content: [u8; 100] = core::array::from_fn(|index| index.to_le_bytes()[0]);
        let whole = checksum(&[&content]);
        for at in 0..100 {
            assert_eq!(checksum(&[&content[..at], &content[at..]]), whole);
            let mut other = content;
            other[at] ^= 1;
            assert_ne!(checksum(&[&other]), whole);
        }
        assert_ne!(checksum(&[b""]), checksum(&[b"\0"]), "the length counts");
    }
}
