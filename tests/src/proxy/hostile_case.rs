//! The catalogue of hostile configuration spaces: `cases.json` and hex dumps, as its generator writes them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use super::behaviour::Behaviour;
use super::space::Space;
use crate::dump::{DumpedFunction, FunctionName, parse_dump};

/// What has to become of the function that a case is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expect {
    /// Accepted whole.
    Ok,
    /// Offered to drivers without the part that is bad.
    Degraded,
    /// Not offered to drivers.
    Reject,
    /// Not there.
    Absent,
}

/// A case.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostileCase {
    /// Its name.
    pub name: String,
    /// What has to become of the target.
    pub expect: Expect,
    /// Why.
    pub why: String,
    target: String,
    /// How much may be asked of the functions.
    pub limits: Limits,
    file: String,
    behaviour: Deviations,
    #[serde(rename = "functions")]
    _count: u32,
    #[serde(rename = "mcfg")]
    mcfg_file: Option<String>,
    /// The ACPI table that it is about.
    #[serde(skip)]
    pub mcfg: Option<Vec<u8>>,
    /// Filled in from the dump.
    #[serde(skip)]
    functions: Vec<DumpedFunction>,
}

/// How much may be asked of a function.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Reads of its configuration space.
    pub reads: usize,
}

/// What hex cannot say. Numbers are hexadecimal, some with `0x`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Deviations {
    bar_masks: BTreeMap<String, BTreeMap<usize, String>>,
    ones_after_reads: Option<u32>,
    ones_after_writes: Option<u32>,
    second_read: BTreeMap<String, String>,
    readonly: Vec<String>,
    bar_reads_ones: Vec<usize>,
    hidden: Vec<String>,
    #[serde(rename = "stuck_crs")]
    _stuck_crs: bool,
    mcfg: bool,
    ecam: Option<String>,
}

impl HostileCase {
    /// Has the generator write the catalogue into a folder, and reads it.
    ///
    /// # Panics
    /// When it cannot be run, or writes something else.
    #[must_use]
    pub fn generate(generator: &Path, into: &Path) -> Vec<Self> {
        let output = Command::new("python3").arg(generator).arg(into).output().expect("python3");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let json = fs::read(into.join("cases.json")).expect("the cases");
        let mut cases: Vec<Self> = serde_json::from_slice(&json).expect("cases as documented");
        for case in &mut cases {
            let text = fs::read(into.join(&case.file)).expect("a dump");
            case.mcfg = case.mcfg_file.as_ref().map(|file| fs::read(into.join(file)).expect("a table"));
            case.functions = parse_dump(&text).unwrap_or_else(|error| panic!("{}: {error}", case.file));
        }
        cases
    }

    /// Whether proxied functions can be this: they are on bus 0 and no bridges, and have no say in ACPI tables.
    #[must_use]
    pub fn is_live(&self) -> bool {
        let is_bridge = |function: &DumpedFunction| function.bytes[0x0e] & 0x7f == 1;
        let mut functions = self.functions.iter();
        !self.behaviour.mcfg && functions.all(|function| function.name.bus == 0 && !is_bridge(function))
    }

    /// Whether it is about ACPI's MCFG table; one that has none is about a machine without.
    #[must_use]
    pub fn is_about_mcfg(&self) -> bool {
        self.behaviour.mcfg
    }

    /// Whether the memory that the MCFG tells of reads ones.
    #[must_use]
    pub fn has_dead_ecam(&self) -> bool {
        self.behaviour.ecam.is_some()
    }

    /// Whether every register of the target reads ones.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        !self.behaviour.bar_reads_ones.is_empty()
    }

    /// The function that the case is about: device and function number.
    #[must_use]
    pub fn target(&self) -> (u8, u8) {
        number(&self.target)
    }

    /// Functions that are there and must not be looked at.
    pub fn hidden(&self) -> impl Iterator<Item = (u8, u8)> {
        self.behaviour.hidden.iter().map(|address| number(address))
    }

    /// The functions: device and function number, and space.
    pub fn functions(&self) -> impl Iterator<Item = (u8, u8, Space)> {
        self.functions.iter().map(|function| (function.name.device, function.name.function, self.space(function)))
    }

    fn space(&self, function: &DumpedFunction) -> Space {
        let readbacks = self.readbacks(function).into_iter();
        let space = readbacks.fold(Space::new(&function.bytes), |space, (index, readback)| space.bar(index, readback));
        self.behaviours(function).into_iter().fold(space, Space::behave)
    }

    /// The functions as the dump has them, all of their bytes.
    #[must_use]
    pub fn dumped(&self) -> &[DumpedFunction] {
        &self.functions
    }

    /// Whether the case is about that function.
    #[must_use]
    pub fn is_target(&self, name: FunctionName) -> bool {
        let FunctionName { bus, device, function, .. } = name;
        format!("{bus:02x}:{device:02x}.{function}") == self.target
    }

    /// What each BAR register of a function reads after ones were written to it.
    #[must_use]
    pub fn readbacks(&self, function: &DumpedFunction) -> Vec<(usize, u32)> {
        let FunctionName { bus, device, function: number, .. } = function.name;
        let readbacks = self.behaviour.bar_masks.get(&format!("{bus:02x}:{device:02x}.{number}"));
        readbacks.into_iter().flatten().map(|(&index, readback)| (index, hex(readback))).collect()
    }

    /// How a function lies.
    #[must_use]
    pub fn behaviours(&self, function: &DumpedFunction) -> Vec<Behaviour> {
        let lies = &self.behaviour;
        if !self.is_target(function.name) {
            return Vec::new();
        }
        let second = lies.second_read.iter().map(|(offset, value)| Behaviour::SecondRead {
            offset: hex(offset) as usize,
            width: value.len() / 2,
            value: hex(value),
        });
        let fixed = lies.readonly.iter().map(|offset| Behaviour::ReadOnly { offset: hex(offset) as usize });
        let reads = lies.ones_after_reads.map(Behaviour::GoneAfterReads);
        let writes = lies.ones_after_writes.map(Behaviour::GoneAfterWrites);
        second.chain(fixed).chain(reads).chain(writes).collect()
    }
}

/// Device and function number of an address like `00:03.0`.
fn number(address: &str) -> (u8, u8) {
    let parts = address.split_once(':').and_then(|(_, rest)| rest.split_once('.'));
    let number = |text| u8::from_str_radix(text, 16).ok();
    let found = parts.and_then(|(device, function)| Some((number(device)?, number(function)?)));
    found.unwrap_or_else(|| panic!("`{address}` is no address"))
}

fn hex(text: &str) -> u32 {
    u32::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or_else(|_| panic!("`{text}` is no number"))
}
