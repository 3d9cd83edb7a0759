//! The catalogue of hostile configuration spaces: `cases.json` and hex dumps, as its generator writes them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use super::behaviour::Behaviour;
use super::space::Space;

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
pub struct Case {
    /// Its name.
    pub name: String,
    /// What has to become of the target.
    pub expect: Expect,
    /// Why.
    pub why: String,
    /// The function that the case is about, as `00:03.0`.
    pub target: String,
    /// How much may be asked of the functions.
    pub limits: Limits,
    file: String,
    behaviour: Lies,
    #[serde(rename = "functions")]
    _functions: u32,
    #[serde(rename = "mcfg")]
    _mcfg: Option<String>,
    /// Filled in from the dump.
    #[serde(skip)]
    dumps: Vec<(String, Vec<u8>)>,
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
struct Lies {
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
    #[serde(rename = "ecam")]
    _ecam: Option<String>,
}

impl Case {
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
            case.dumps = parse(&fs::read_to_string(into.join(&case.file)).expect("a dump"));
        }
        cases
    }

    /// Whether proxied functions can be this: they are on bus 0, and have no say in ACPI tables.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !self.behaviour.mcfg && self.dumps.iter().all(|(address, _)| address.starts_with("00:"))
    }

    /// Whether every register of the target reads ones.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        !self.behaviour.bar_reads_ones.is_empty()
    }

    /// Functions that are there and must not be looked at.
    #[must_use]
    pub fn hidden(&self) -> &[String] {
        &self.behaviour.hidden
    }

    /// The functions: address, as `00:03.0`, and space.
    pub fn functions(&self) -> impl Iterator<Item = (&str, Space)> {
        self.dumps.iter().map(|(address, bytes)| (address.as_str(), self.space(address, bytes)))
    }

    fn space(&self, address: &str, bytes: &[u8]) -> Space {
        let lies = &self.behaviour;
        let mut space = Space::new(bytes);
        for (&index, readback) in lies.bar_masks.get(address).into_iter().flatten() {
            space = space.bar(index, hex(readback));
        }
        if address != self.target {
            return space;
        }
        let second = lies.second_read.iter().map(|(offset, value)| Behaviour::SecondRead {
            offset: hex(offset) as usize,
            width: value.len() / 2,
            value: hex(value),
        });
        let fixed = lies.readonly.iter().map(|offset| Behaviour::ReadOnly { offset: hex(offset) as usize });
        let reads = lies.ones_after_reads.map(Behaviour::GoneAfterReads);
        let writes = lies.ones_after_writes.map(Behaviour::GoneAfterWrites);
        second.chain(fixed).chain(reads).chain(writes).fold(space, Space::behave)
    }
}

fn hex(text: &str) -> u32 {
    u32::from_str_radix(text.trim_start_matches("0x"), 16).unwrap_or_else(|_| panic!("`{text}` is no number"))
}

/// Reads the text of `lspci -x`: a line that begins with an address, and lines of bytes after it.
fn parse(text: &str) -> Vec<(String, Vec<u8>)> {
    let mut functions: Vec<(String, Vec<u8>)> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.split_once(": ").filter(|(offset, _)| u16::from_str_radix(offset, 16).is_ok()) {
            Some((_, bytes)) => {
                let bytes = bytes.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect("a byte"));
                functions.last_mut().expect("a function").1.extend(bytes);
            }
            None => functions.push((line.split(' ').next().unwrap_or_default().to_owned(), Vec::new())),
        }
    }
    functions
}
