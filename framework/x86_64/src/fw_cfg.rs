//! Files that QEMU gives to the guest: `-fw_cfg name=opt/...,file=...` (QEMU's docs/specs/fw_cfg).

#![expect(unsafe_code, reason = "port I/O")]

use alloc::vec::Vec;

use switchboard::sync::IrqLock;
use x86_64::instructions::port::Port;

/// The port that selects an item, and begins at its first byte.
const SELECTOR: u16 = 0x510;
/// The port of the item's next byte.
const DATA: u16 = 0x511;
/// The item that reads `QEMU`.
const SIGNATURE: u16 = 0;
/// The item with the list of files.
const DIRECTORY: u16 = 0x19;
/// Files of a list before it counts as broken.
const MAX_FILES: u32 = 4096;
/// The bytes of a file's name, padded with zeros.
const NAME_BYTES: usize = 56;

/// Reads the file `name` of QEMU's `-fw_cfg`; `None` without QEMU, without the file, or when it is longer than `max_bytes`.
///
/// ```no_run
/// let greeting = switchboard_x86_64::firmware_file("opt/example/greeting", 1024);
/// ```
#[must_use]
pub fn firmware_file(name: &str, max_bytes: usize) -> Option<Vec<u8>> {
    static PORTS: IrqLock<Ports> = IrqLock::new(Ports);
    // Interrupts are off for the list or the file: a few milliseconds in an emulator.
    let found = find(&mut *PORTS.lock(), name);
    let (item, length) = found.filter(|(_, length)| *length <= max_bytes)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).ok()?;
    let ports = &mut *PORTS.lock();
    ports.select(item);
    bytes.extend((0..length).map(|_| ports.next()));
    Some(bytes)
}

/// The interface: an item is selected, and read byte by byte.
trait Items {
    fn select(&mut self, item: u16);
    fn next(&mut self) -> u8;

    fn take<const N: usize>(&mut self) -> [u8; N] {
        core::array::from_fn(|_| self.next())
    }
}

/// The ports.
struct Ports;

impl Items for Ports {
    fn select(&mut self, item: u16) {
        // SAFETY: the selection of an item has no effect on memory.
        unsafe { Port::<u16>::new(SELECTOR).write(item) };
    }

    fn next(&mut self) -> u8 {
        // SAFETY: reading an item has no effect on memory.
        unsafe { Port::<u8>::new(DATA).read() }
    }
}

/// Returns the item and the length of a file.
fn find(items: &mut impl Items, name: &str) -> Option<(u16, usize)> {
    items.select(SIGNATURE);
    if items.take() != *b"QEMU" {
        return None;
    }
    items.select(DIRECTORY);
    let count = u32::from_be_bytes(items.take());
    (0..count.min(MAX_FILES)).find_map(|_| {
        let length = u32::from_be_bytes(items.take());
        let item = u16::from_be_bytes(items.take());
        let _reserved: [u8; 2] = items.take();
        let padded: [u8; NAME_BYTES] = items.take();
        let end = padded.iter().position(|byte| *byte == 0).unwrap_or(NAME_BYTES);
        (&padded[..end] == name.as_bytes()).then_some((item, length as usize))
    })
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    /// Items in memory, of which none but two exist.
    struct Fake {
        signature: &'static [u8],
        directory: Vec<u8>,
        rest: Vec<u8>,
    }

    impl Items for Fake {
        fn select(&mut self, item: u16) {
            self.rest = match item {
                SIGNATURE => self.signature.to_vec(),
                DIRECTORY => self.directory.clone(),
                _ => Vec::new(),
            };
        }

        fn next(&mut self) -> u8 {
            if self.rest.is_empty() { 0 } else { self.rest.remove(0) }
        }
    }

    fn entry(name: &str, item: u16, length: u32) -> Vec<u8> {
        let mut entry = [&length.to_be_bytes()[..], &item.to_be_bytes(), &[0; 2], name.as_bytes()].concat();
        entry.resize(64, 0);
        entry
    }

    fn fake(signature: &'static [u8], count: u32) -> Fake {
        let entries = [entry("etc/e820", 0x20, 60), entry("opt/a", 0x21, 7), entry("opt/ab", 0x22, 8)];
        let directory = [&count.to_be_bytes()[..], entries.concat().as_slice()].concat();
        Fake { signature, directory, rest: vec![] }
    }

    #[test]
    fn a_file_is_found_by_its_whole_name() {
        let mut items = fake(b"QEMU", 3);
        assert_eq!(find(&mut items, "opt/ab"), Some((0x22, 8)));
        assert_eq!(find(&mut items, "opt/a"), Some((0x21, 7)));
        assert_eq!(find(&mut items, "opt"), None);
    }

    #[test]
    fn a_count_beyond_the_list_ends() {
        assert_eq!(find(&mut fake(b"QEMU", u32::MAX), "opt/b"), None);
    }

    #[test]
    fn other_machines_have_no_files() {
        assert_eq!(find(&mut fake(&[0xff; 4], 3), "opt/a"), None);
    }
}
