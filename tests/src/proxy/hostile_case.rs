//! The catalogue of hostile configuration spaces: `cases.json` and hex dumps, as its generator writes them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use super::behaviour::Behaviour;
use super::space::Space;
use crate::dump::{DumpedFunction, FunctionName, parse_dump};

/// Required outcome for the target function of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expect {
    /// Accepted without restriction.
    Ok,
    /// Offered to drivers without the invalid part.
    Degraded,
    /// Not offered to drivers.
    Reject,
    /// Not found.
    Absent,
}

/// One case of the catalogue.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostileCase {
    /// Name of the case.
    pub name: String,
    /// Required outcome for the target.
    pub expect: Expect,
    /// Reason for that outcome.
    pub why: String,
    target: String,
    /// Limits for the accesses to the functions.
    pub limits: Limits,
    file: String,
    behaviour: Deviations,
    #[serde(rename = "functions")]
    _count: u32,
    #[serde(rename = "mcfg")]
    mcfg_file: Option<String>,
    /// The MCFG table of the case.
    #[serde(skip)]
    pub mcfg: Option<Vec<u8>>,
    /// Filled in from the dump.
    #[serde(skip)]
    functions: Vec<DumpedFunction>,
}

/// Limits for the accesses to a function.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Maximum number of reads of its configuration space.
    pub reads: usize,
}

/// Behaviour that a hex dump cannot describe. Numbers are hexadecimal, some with `0x`.
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
    /// Runs the generator and reads the catalogue that it writes into a folder.
    ///
    /// # Panics
    /// Panics when the generator cannot be run, or its output has another format.
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

    /// Returns whether proxied functions can behave so: they are on bus 0, are no bridges, and cannot change ACPI
    /// tables.
    #[must_use]
    pub fn is_live(&self) -> bool {
        let is_bridge = |function: &DumpedFunction| function.bytes[0x0e] & 0x7f == 1;
        let mut functions = self.functions.iter();
        !self.behaviour.mcfg && functions.all(|function| function.name.bus == 0 && !is_bridge(function))
    }

    /// Returns whether the case is about ACPI's MCFG table, or about a machine without one.
    #[must_use]
    pub fn is_about_mcfg(&self) -> bool {
        self.behaviour.mcfg
    }

    /// Returns whether the ECAM region that the MCFG describes reads all ones.
    #[must_use]
    pub fn has_dead_ecam(&self) -> bool {
        self.behaviour.ecam.is_some()
    }

    /// Returns whether every register behind the target's BARs reads ones.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        !self.behaviour.bar_reads_ones.is_empty()
    }

    /// Returns device and function number of the target.
    #[must_use]
    pub fn target(&self) -> (u8, u8) {
        number(&self.target)
    }

    /// Returns the functions that exist and must not be found.
    pub fn hidden(&self) -> impl Iterator<Item = (u8, u8)> {
        self.behaviour.hidden.iter().map(|address| number(address))
    }

    /// Returns the functions: device and function number, and configuration space.
    pub fn functions(&self) -> impl Iterator<Item = (u8, u8, Space)> {
        self.functions.iter().map(|function| (function.name.device, function.name.function, self.space(function)))
    }

    fn space(&self, function: &DumpedFunction) -> Space {
        let readbacks = self.readbacks(function).into_iter();
        let space = readbacks.fold(Space::new(&function.bytes), |space, (index, readback)| space.bar(index, readback));
        self.behaviours(function).into_iter().fold(space, Space::deviation)
    }

    /// Returns the functions of the dump, with all of their bytes.
    #[must_use]
    pub fn dumped(&self) -> &[DumpedFunction] {
        &self.functions
    }

    /// Returns whether the function is the target.
    #[must_use]
    pub fn is_target(&self, name: FunctionName) -> bool {
        let FunctionName { bus, device, function, .. } = name;
        format!("{bus:02x}:{device:02x}.{function}") == self.target
    }

    /// Returns what each BAR register of a function reads after all ones were written to it.
    #[must_use]
    pub fn readbacks(&self, function: &DumpedFunction) -> Vec<(usize, u32)> {
        let FunctionName { bus, device, function: number, .. } = function.name;
        let readbacks = self.behaviour.bar_masks.get(&format!("{bus:02x}:{device:02x}.{number}"));
        readbacks.into_iter().flatten().map(|(&index, readback)| (index, hex(readback))).collect()
    }

    /// Returns the deviations of a function.
    #[must_use]
    pub fn behaviours(&self, function: &DumpedFunction) -> Vec<Behaviour> {
        let deviations = &self.behaviour;
        if !self.is_target(function.name) {
            return Vec::new();
        }
        let second = deviations.second_read.iter().map(|(offset, value)| Behaviour::SecondRead {
            offset: hex(offset) as usize,
            width: value.len() / 2,
            value: hex(value),
        });
        let fixed = deviations.readonly.iter().map(|offset| Behaviour::ReadOnly { offset: hex(offset) as usize });
        let reads = deviations.ones_after_reads.map(Behaviour::GoneAfterReads);
        let writes = deviations.ones_after_writes.map(Behaviour::GoneAfterWrites);
        second.chain(fixed).chain(reads).chain(writes).collect()
    }
}

/// Parses device and function number of an address like `00:03.0`.
fn number(address: &str) -> (u8, u8) {
    let parts = address.split_once(':').and_then(|(_, rest)| rest.split_once('.'));
    let number = |text| u8::from_str_radix(text, 16).ok();
    let found = parts.and_then(|(device, function)| Some((number(device)?, number(function)?)));
    found.unwrap_or_else(|| panic!("`{address}` is no address"))
}

fn hex(text: &str) -> u32 {
    u32::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or_else(|_| panic!("`{text}` is no number"))
}
