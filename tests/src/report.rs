//! The JSON of `/functions` and `/interrupts`, as tools rely on it: these fields, no other, none missing.

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Serialize};

/// One PCI function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionReport {
    /// `0000:00:03.0`.
    pub address: String,
    /// Four hexadecimal digits.
    pub vendor: String,
    /// Four hexadecimal digits.
    pub device: String,
    /// Class, subclass and programming interface: six hexadecimal digits.
    pub class: String,
    /// The driver that has it, or that tried.
    pub driver: Option<String>,
    /// `live`, `failed: ...` or `unclaimed`.
    pub state: String,
    /// The interrupts it is able to give.
    pub offers: Offers,
    /// The mode granted: `msix`, `msi`, `intx` or `none`.
    pub mode: String,
    /// Where its line leads, when that is the mode.
    pub route: Option<RouteReport>,
    /// Its BARs.
    pub bars: Vec<BarReport>,
    /// Its extended capabilities; the field is missing where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extended: Vec<ExtendedReport>,
}

/// One extended capability of PCI Express.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtendedReport {
    /// Four hexadecimal digits.
    pub id: String,
    /// What it is, if that is widespread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Version of its layout.
    pub version: u32,
    /// Where it is in configuration space, `0x100`.
    pub offset: String,
}

/// The interrupts that a function offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offers {
    /// The pin, `A` to `D`.
    pub intx: Option<String>,
    /// How many MSI messages.
    pub msi: u32,
    /// How many MSI-X entries.
    pub msix: u32,
}

/// Where a line leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteReport {
    /// The line's number.
    pub gsi: u32,
    /// Who knew it: `chipset` or `firmware`.
    pub source: String,
}

/// One BAR.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BarReport {
    /// 0 to 5.
    pub index: u32,
    /// `mem32`, `mem64` or `io`.
    pub kind: String,
    /// `0x` and hexadecimal digits; nothing for one that is nowhere.
    pub address: Option<String>,
    /// Why it is nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unassigned: Option<String>,
    /// Bytes.
    pub size: u64,
}

impl BarReport {
    /// Where it is.
    ///
    /// # Panics
    /// When the report is not as documented.
    #[must_use]
    #[track_caller]
    pub fn place(&self) -> Option<u64> {
        let digits = self.address.as_ref()?.strip_prefix("0x").expect("a hexadecimal number");
        Some(u64::from_str_radix(digits, 16).expect("a hexadecimal number"))
    }
}

/// All interrupt counters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterruptsReport {
    /// Interrupts that nobody was there to serve.
    pub spurious: u64,
    /// One row for each vector of messages, and for each handler of a line.
    pub vectors: Vec<VectorReport>,
}

/// One vector's counters, or one line handler's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VectorReport {
    /// The CPU's number for it.
    pub vector: u32,
    /// Where it is delivered.
    pub cpu: u32,
    /// `msix`, `msi` or `intx`.
    pub mode: String,
    /// The function's address.
    pub function: String,
    /// The driver.
    pub driver: String,
    /// The messages that it carries; several when folded.
    pub names: Vec<String>,
    /// The line's number, for a line.
    pub gsi: Option<u32>,
    /// Calls of the handler.
    pub count: u64,
    /// Those of them that it did not claim.
    pub unclaimed: u64,
    /// Those of them that it did.
    pub claimed: u64,
    /// Those of them for several messages at once.
    pub folded: u64,
    /// Messages found pending when their source was unmasked.
    pub masked_while_pending: u64,
    /// The longest call, in ticks of the CPU's time stamp counter.
    pub longest_ticks: u32,
}

impl InterruptsReport {
    /// The rows of a driver.
    pub fn of<'a>(&'a self, driver: &'a str) -> impl Iterator<Item = &'a VectorReport> {
        self.vectors.iter().filter(move |row| row.driver == driver)
    }

    /// How many interrupts were a driver's own.
    #[must_use]
    pub fn claimed(&self, driver: &str) -> u64 {
        self.of(driver).map(|row| row.claimed).sum()
    }
}

/// Reads the body of `/functions`.
///
/// # Errors
/// When it is not JSON, or a field is missing, unknown or of another kind.
pub fn parse_functions(body: &[u8]) -> serde_json::Result<Vec<FunctionReport>> {
    parse(body)
}

/// Reads the body of `/interrupts`.
///
/// # Errors
/// When it is not JSON, or a field is missing, unknown or of another kind.
pub fn parse_interrupts(body: &[u8]) -> serde_json::Result<InterruptsReport> {
    parse(body)
}

/// Parsing alone takes a missing field for `null`; writing it again and comparing does not.
fn parse<T: DeserializeOwned + Serialize>(body: &[u8]) -> serde_json::Result<T> {
    let value: serde_json::Value = serde_json::from_slice(body)?;
    let parsed: T = serde_json::from_value(value.clone())?;
    let again = serde_json::to_value(&parsed)?;
    if again == value { Ok(parsed) } else { Err(Error::custom(format!("fields are missing; expected like {again}"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FUNCTION: &str = r#"[{"address":"0000:00:03.0","vendor":"1af4","device":"1041","class":"020000",
        "driver":"virtio-net","state":"live","offers":{"intx":"A","msi":0,"msix":4},"mode":"msix","route":null,
        "bars":[{"index":4,"kind":"mem64","address":"0xfe000000","size":16384}]}]"#;

    #[test]
    fn the_documented_shape_is_read() {
        let functions = parse_functions(FUNCTION.as_bytes()).expect("the documented shape");
        assert_eq!(functions[0].offers, Offers { intx: Some("A".into()), msi: 0, msix: 4 });
        let interrupts = br#"{"spurious":0,"vectors":[{"vector":49,"cpu":0,"mode":"msix","function":"0000:00:03.0",
            "driver":"virtio-net","names":["Rx"],"gsi":null,"count":123,"unclaimed":0,
            "claimed":123,"folded":0,"masked_while_pending":0,"longest_ticks":4567}]}"#;
        assert_eq!(parse_interrupts(interrupts).expect("the documented shape").claimed("virtio-net"), 123);
    }

    #[test]
    fn another_shape_is_refused() {
        let missing = FUNCTION.replace(r#""driver":"virtio-net","#, "");
        assert!(parse_functions(missing.as_bytes()).is_err(), "a missing field");
        let unknown = FUNCTION.replace(r#""mode""#, r#""more":1,"mode""#);
        assert!(parse_functions(unknown.as_bytes()).is_err(), "an unknown field");
        let kind = FUNCTION.replace(r#""msix":4"#, r#""msix":"4""#);
        assert!(parse_functions(kind.as_bytes()).is_err(), "a string for a number");
    }
}
