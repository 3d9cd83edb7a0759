//! A hundred thousand random functions: real ones with changed bytes, partly valid ones, and noise.
//!
//! They are the same in every run: a failure names the seed of its machine.

use std::fs;
use std::path::Path;

use switchboard::config::Address;
use switchboard_tests::parse_dump;
use switchboard_tests::proxy::Behaviour;

use crate::space::Function;
use crate::trial::Trial;

const MACHINES: u64 = 10_000;
const FUNCTIONS: u64 = 10;
/// Maximum number of reads of a function: the longest extended list, read once by the scan and once by bus numbering.
const MAX_READS: usize = 2_500;

/// A generator of random numbers (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Returns a number below `end`.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("less than a usize")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }
}

/// Returns the functions that mutants are made from: those of the project's dumps, and of further ones if present.
fn originals() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [root.join("dumps"), root.join("../../shared/config-dumps")];
    let entries = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a folder's entry").path()).collect();
    paths.sort();
    let texts = paths.iter().filter(|path| path.extension().is_some_and(|kind| kind == "txt"));
    let functions = texts.flat_map(|path| parse_dump(&fs::read(path).expect("a dump")).expect("a dump"));
    functions.map(|function| function.bytes).collect()
}

/// Returns a function with all supported capabilities.
fn full() -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    bytes[..16].copy_from_slice(&[0xf4, 0x1a, 0x41, 0x10, 6, 1, 0x10, 0, 1, 0, 0, 2, 0, 0, 0, 0]);
    bytes[0x34] = 0x40;
    bytes[0x3c..0x3e].copy_from_slice(&[11, 1]);
    bytes[0x10..0x14].copy_from_slice(&0xc001_u32.to_le_bytes());
    bytes[0x14..0x18].copy_from_slice(&0xfebd_1000_u32.to_le_bytes());
    bytes[0x20..0x24].copy_from_slice(&0xfe00_000c_u32.to_le_bytes());
    for (offset, capability) in [
        (0x40, &[1, 0x50, 3, 0, 8, 0][..]),
        (0x50, &[5, 0x70, 0x80, 1]),
        (0x70, &[0x11, 0x90, 3, 0, 1, 0, 0, 0, 1, 8]),
        (0x90, &[0x10, 0, 2, 0, 1, 0x80]),
        (0x100, &[1, 0, 1, 0x14]),
        (0x140, &[3, 0, 1, 0]),
    ] {
        bytes[offset..offset + capability.len()].copy_from_slice(capability);
    }
    bytes
}

fn function(random: &mut Random, originals: &[Vec<u8>]) -> Function {
    let mut bytes = match random.below(8) {
        0 => (0..4096).map(|_| random.byte()).collect(),
        1 | 2 => full(),
        _ => originals[random.below(originals.len())].clone(),
    };
    if random.one_in(8) {
        bytes.truncate(256);
    }
    for _ in 0..[0, 1, 1, 2, 4, 16][random.below(6)] {
        // Mostly in parsed places: the header, the start of the list, and its pointers.
        let address = match random.below(6) {
            0 => [0x04, 0x06, 0x0e, 0x34, 0x3d, 0x18, 0x19, 0x1a][random.below(8)],
            1 => 0x10 + random.below(24),
            2 => 0x100 + random.below(0x80),
            _ => 0x40 + random.below(0xc0),
        };
        let Some(byte) = bytes.get_mut(address) else { continue };
        *byte = match random.below(4) {
            0 => 0,
            1 => 0xff,
            2 => *byte ^ 1 << random.below(8),
            _ => [0x40, 0x50, 0x70, 0x90, 0xfc, 5, 0x11, 0x10, 9][random.below(9)],
        };
    }
    let mut function = Function::new(bytes);
    for register in 0..6 {
        // Mostly a valid size, with the register's flags.
        let flags = u32::from(function.byte(0x10 + 4 * usize::from(register)) & 0xf);
        let readback = match random.below(12) {
            0 => 0,
            1 => u32::MAX,
            2 => (random.next() & 0xffff_ffff) as u32,
            shift => u32::MAX << (shift * 2) | flags,
        };
        function.readbacks.insert(register, readback);
    }
    function.behaviours = match random.below(16) {
        0 => vec![Behaviour::GoneAfterReads(u32::from(random.byte()))],
        1 => vec![Behaviour::GoneAfterWrites(u32::from(random.byte() % 16))],
        2 => {
            // Not Command: if that register is invalid, it is unknown whether the function decodes its BARs.
            let offset = [0, 8, 0xc, 0x10, 0x18, 0x34, 0x50, 0x70][random.below(8)];
            vec![Behaviour::SecondRead {
                offset,
                width: 2,
                value: u32::from(random.byte()) << 8 | u32::from(random.byte()),
            }]
        }
        3 => vec![Behaviour::ReadOnly { offset: [4, 0x10, 0x14, 0x52, 0x72][random.below(5)] }],
        _ => Vec::new(),
    };
    function
}

#[test]
fn a_hundred_thousand_random_functions_cause_no_violation() {
    let originals = originals();
    let trial = Trial::begin();
    trial.set_dead(false);
    let mut found = 0;
    for seed in 0..MACHINES {
        let mut random = Random(seed << 20);
        // Bus 1 too, which the first function, as a bridge, often leads to.
        let address = |random: &mut Random, number: u8| Address::new(0, random.byte() % 2, number, 0);
        let functions: Vec<_> = (0..FUNCTIONS)
            .map(|number| (address(&mut random, number.to_le_bytes()[0] + 1), function(&mut random, &originals)))
            .collect();
        let verdict = trial.run(functions);
        assert!(verdict.violations.is_empty(), "seed {seed}: {:#?}", verdict.violations);
        for (address, accesses) in &verdict.accesses {
            assert!(accesses.reads <= MAX_READS, "seed {seed}: {address}: {} reads", accesses.reads);
        }
        found += verdict.found.len();
    }
    eprintln!("{} functions, {found} of them accepted into the inventory", MACHINES * FUNCTIONS);
    // Many must be accepted, or the test would not cover claims and grants.
    assert!(found as u64 > MACHINES * FUNCTIONS / 4, "{found}");
}
