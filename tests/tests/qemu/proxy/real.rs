//! Real functions, as many as there are slots: the guest reports them correctly, and makes no write to them that is not
//! permitted.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use switchboard_tests::proxy::{ConfigBuilder, ConfigWrite, Proxy, Space};
use switchboard_tests::{FunctionReport, parse_dump};

use super::{SLOTS, boot, machine, serves};

/// The device of the tests' own driver for shared memory.
const INSTRUMENT: &str = "1af4:1110";

/// Returns ids and classes that the image has drivers for, as `1af4:1041` and `class 0108.02`: those of the README's table, which
/// is compared with the drivers by a test.
fn driven() -> &'static [String] {
    static DRIVEN: LazyLock<Vec<String>> = LazyLock::new(|| {
        let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).expect("the README");
        let (_, table) = readme.split_once("<!-- devices: by `make devices` -->").expect("the table of devices");
        let (table, _) = table.split_once("<!-- end of devices -->").expect("the end of the table");
        let ids = table.lines().skip(3).filter_map(|row| row.split('|').nth(3));
        let ids = ids.flat_map(|ids| ids.split(',')).map(|id| id.trim().to_owned());
        ids.chain([INSTRUMENT.to_owned()]).collect()
    });
    assert!(DRIVEN.len() > 20, "{DRIVEN:?}");
    &DRIVEN
}

/// A function's bytes, decoded by simple code independent of the framework.
#[derive(Debug)]
struct Facts {
    bytes: Vec<u8>,
}

impl Facts {
    fn word(&self, at: usize) -> u16 {
        u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]])
    }

    fn long(&self, at: usize) -> u32 {
        u32::from(self.word(at)) | u32::from(self.word(at + 2)) << 16
    }

    fn is_driven(&self) -> bool {
        let id = format!("{:04x}:{:04x}", self.word(0), self.word(2));
        let class = format!("class {:04x}.{:02x}", self.word(0xa), self.bytes[9]);
        driven().iter().any(|driven| *driven == id || *driven == class)
    }

    /// Returns the offset of a capability. Lists of real functions end.
    fn find(&self, id: u8) -> Option<usize> {
        let mut at = if self.bytes[6] & 0x10 == 0 { 0 } else { usize::from(self.bytes[0x34] & !3) };
        while at != 0 && self.bytes[at] != id {
            at = usize::from(self.bytes[at + 1] & !3);
        }
        (at != 0).then_some(at)
    }

    fn msi(&self) -> u32 {
        self.find(0x05).map_or(0, |at| 1 << (self.word(at + 2) >> 1 & 7))
    }

    fn msix(&self) -> u32 {
        // Not usable if the table is in no BAR, as Enhanced Allocation may place it elsewhere; some functions have
        // pending bits that overlap their table.
        let is_usable = |at: &usize| {
            let (table, pending) = (self.long(at + 4), self.long(at + 8));
            let is_there = self.bars().iter().any(|bar| bar.index == table as usize & 7);
            is_there && (table & 7 != pending & 7 || pending >= table + self.entries(*at) * 16 || pending + 8 <= table)
        };
        self.find(0x11).filter(is_usable).map_or(0, |at| self.entries(at))
    }

    /// Returns the number of MSI-X table entries that the capability reports.
    fn entries(&self, at: usize) -> u32 {
        u32::from(self.word(at + 2) & 0x7ff) + 1
    }

    /// Returns type and size of the BARs, from their addresses in the dump.
    fn bars(&self) -> Vec<Bar> {
        let mut bars = Vec::new();
        let mut index = 0;
        while index < 6 {
            let value = self.long(0x10 + 4 * index);
            let is_64bit = value & 7 == 4;
            let kind = if value & 1 != 0 {
                "io"
            } else if is_64bit {
                "mem64"
            } else {
                "mem32"
            };
            let flags = if value & 1 != 0 { 3 } else { 0xf };
            if value != 0 {
                // A dump does not contain the size. Assumes the alignment of the address, limited such that all of them
                // fit.
                let address = value & !flags;
                let aligned = if address == 0 { u32::MAX } else { address & address.wrapping_neg() };
                let most = if value & 1 != 0 { 0x100 } else { 0x1_0000 };
                let size = aligned.min(most).max(0x10).max(self.msix_end(index));
                bars.push(Bar { index, kind, size, type_bits: value & flags });
            }
            index += if is_64bit { 2 } else { 1 };
        }
        bars
    }

    /// Returns the minimum size of a BAR for its MSI-X structures.
    fn msix_end(&self, bar: usize) -> u32 {
        let Some(at) = self.find(0x11) else { return 0 };
        let end = |register: usize, length: u32| {
            let place = self.long(at + register);
            if place as usize & 7 == bar { (place & !7) + length } else { 0 }
        };
        let entries = self.entries(at);
        end(4, entries * 16).max(end(8, entries.div_ceil(64) * 8)).next_power_of_two()
    }

    fn space(&self) -> Space {
        let space = Space::new(&self.bytes);
        let space = if self.long(0x30) == 0 { space } else { space.rom(0x1_0000) };
        self.bars().into_iter().fold(space, |space, bar| {
            let space = space.bar(bar.index, !(bar.size - 1) | bar.type_bits);
            if bar.kind == "mem64" { space.bar(bar.index + 1, u32::MAX) } else { space }
        })
    }
}

#[derive(Debug)]
struct Bar {
    index: usize,
    kind: &'static str,
    size: u32,
    type_bits: u32,
}

/// Returns the BARs that the guest must report; none for a host bridge, which may decode memory by its own rules.
fn reported_bars(facts: &Facts) -> Vec<Bar> {
    if facts.word(0x0a) == 0x0600 { Vec::new() } else { facts.bars() }
}

/// Compares the guest's report with the function.
fn check(report: &FunctionReport, facts: &Facts) {
    let class = facts.long(8) >> 8;
    assert_eq!(report.vendor, format!("{:04x}", facts.word(0)), "{report:?}");
    assert_eq!(report.device, format!("{:04x}", facts.word(2)), "{report:?}");
    assert_eq!(report.class, format!("{class:06x}"), "{report:?}");
    // Its registers are not those of the device: the probe must fail, or leave it alone.
    if facts.is_driven() {
        let has_reason = ["failed: ", "left alone: "].iter().any(|state| report.state.starts_with(state));
        assert!(report.driver.is_none() && has_reason, "{report:?}");
    } else {
        assert_eq!(report.state, "unclaimed", "{report:?}");
    }
    let pin = [None, Some("A"), Some("B"), Some("C"), Some("D")].get(usize::from(facts.bytes[0x3d])).copied().flatten();
    assert_eq!(report.offers.intx.as_deref(), pin, "{report:?}");
    assert_eq!((report.offers.msi, report.offers.msix), (facts.msi(), facts.msix()), "{report:?}");
    let bars: Vec<_> = report.bars.iter().map(|bar| (bar.index as usize, bar.kind.as_str(), bar.size)).collect();
    let known: Vec<_> = reported_bars(facts).iter().map(|bar| (bar.index, bar.kind, u64::from(bar.size))).collect();
    assert_eq!(bars, known, "{report:?}");
}

/// Returns whether a write is permitted: Command, the BARs and the ROM register, and the enable bits of MSI and MSI-X.
fn is_allowed(write: ConfigWrite, facts: &Facts) -> bool {
    let control = |id| facts.find(id).is_some_and(|at| write.offset == at + 2 && write.width == 2);
    match write.offset {
        0x04 => write.width == 2,
        0x10..0x28 | 0x30 => write.width == 4 && write.offset.is_multiple_of(4),
        _ => control(0x05) || control(0x11),
    }
}

/// Boots with one function in each slot, and compares.
fn enumerated(all: &[Facts]) {
    assert!(all.len() <= SLOTS.count(), "more functions than slots");
    let addressed = SLOTS.zip(all).map(|(slot, facts)| (format!("addr={slot:#x}"), facts.space()));
    let (guest, proxies): (_, Vec<Proxy>) = boot(machine(), addressed);
    serves(&guest);
    let reports = guest.functions();
    for ((slot, facts), proxy) in SLOTS.zip(all).zip(&proxies) {
        let address = format!("0000:00:{slot:02x}.0");
        let report = reports.iter().find(|report| report.address == address);
        check(report.unwrap_or_else(|| panic!("nothing at {address}: {facts:x?}")), facts);
        let writes = proxy.config_writes();
        let (right, stray): (Vec<_>, Vec<_>) = writes.into_iter().partition(|&write| is_allowed(write, facts));
        assert!(stray.is_empty(), "{address}: {stray:x?}");
        // Each BAR register is written twice, to size and to restore it; fewer writes would mean that the test saw
        // nothing.
        let sized = reported_bars(facts).iter().map(|bar| if bar.kind == "mem64" { 4 } else { 2 }).sum();
        assert!(right.len() >= sized, "{address}: {right:x?}");
        // Sizing turned decoding off, and restored it: the firmware had left it on.
        assert_eq!(proxy.space().bytes()[4] & 3, 3, "{address}: Command");
    }
}

#[test]
fn functions_of_every_type_are_reported_correctly() {
    if !Proxy::is_supported() {
        return;
    }
    let made = [
        ConfigBuilder::new(0x10ec, 0x8139, 0x02_00_00).ports(0, 0x100).memory(1, 0x100),
        ConfigBuilder::new(0x8086, 0x2922, 0x01_06_01).ports(4, 0x20).memory(5, 0x1000).msi(1),
        ConfigBuilder::new(0x15b3, 0x1003, 0x02_00_00)
            .memory64(0, 0x10_0000)
            .memory64(2, 0x80_0000)
            .msix(128, 0, 0x1000)
            .express(),
        ConfigBuilder::new(0x1912, 0x0015, 0x0c_03_30).memory64(0, 0x2000).msi(8).msix(8, 0, 0x1080),
        ConfigBuilder::new(0x144d, 0xa808, 0x01_08_02).memory64(0, 0x4000).msi(32).express().msix(33, 0, 0x2000),
        ConfigBuilder::new(0x1af4, 0xffff, 0xff_00_00),
    ];
    enumerated(&made.map(|sketch| Facts { bytes: sketch.bytes().to_vec() }));
}

/// Returns every distinct endpoint of the dumps, in the order of the file names.
fn dumped() -> Option<Vec<Facts>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/config-dumps");
    let mut files: Vec<_> = fs::read_dir(&folder).ok()?.map(|entry| entry.expect("a file").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    let mut seen = BTreeSet::new();
    let read = |path| parse_dump(&fs::read(path).expect("a file")).unwrap_or_else(|error| panic!("{error}"));
    let functions = files.iter().flat_map(read);
    let endpoint = |facts: &Facts| facts.bytes.len() >= 256 && facts.bytes[0x0e] & 0x7f == 0 && facts.word(0) != 0xffff;
    Some(
        functions
            .map(|function| Facts { bytes: function.bytes })
            .filter(endpoint)
            .filter(|facts| seen.insert(facts.long(0)))
            .collect(),
    )
}

#[test]
fn functions_of_real_machines_are_reported_correctly() {
    if !Proxy::is_supported() {
        return;
    }
    let Some(all) = dumped() else {
        return println!("skipped: no dumps in ../shared/config-dumps");
    };
    println!("{} functions", all.len());
    for (round, some) in all.chunks(SLOTS.count()).enumerate() {
        println!("round {round}: {}", some.len());
        enumerated(some);
    }
}
