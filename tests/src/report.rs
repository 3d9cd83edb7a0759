//! The JSON of `/functions` and `/interrupts` as tools parse it: exactly the documented fields.

use std::collections::BTreeMap;

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
    /// Driver that is bound, or whose probe failed.
    pub driver: Option<String>,
    /// `live`, `failed: ...` or `unclaimed`.
    pub state: String,
    /// Interrupts that the function supports.
    pub offers: Offers,
    /// Mode granted: `msix`, `msi`, `intx` or `none`.
    pub mode: String,
    /// Route of its interrupt line, in the mode `intx`.
    pub route: Option<RouteReport>,
    /// Its BARs.
    pub bars: Vec<BarReport>,
    /// What its driver reports of the device; the field is absent when that is nothing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
    /// Its extended capabilities; the field is absent when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extended: Vec<ExtendedReport>,
    /// What is wrong at present; the field is absent when nothing is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
}

/// One extended capability of PCI Express.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtendedReport {
    /// Four hexadecimal digits.
    pub id: String,
    /// Name, for common capabilities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Version of its layout.
    pub version: u32,
    /// Offset in configuration space, as `0x100`.
    pub offset: String,
}

/// Interrupts that a function supports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offers {
    /// Interrupt pin, `A` to `D`.
    pub intx: Option<String>,
    /// Number of MSI messages.
    pub msi: u32,
    /// Number of MSI-X table entries.
    pub msix: u32,
}

/// Route of an interrupt line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteReport {
    /// Global system interrupt (GSI) of the line.
    pub gsi: u32,
    /// Where the route was read: `chipset`, `acpi` or `firmware`.
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
    /// `0x` and hexadecimal digits; `None` when unassigned.
    pub address: Option<String>,
    /// Why it has no address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unassigned: Option<String>,
    /// Size in bytes.
    pub size: u64,
}

impl BarReport {
    /// Returns the address as a number.
    ///
    /// # Panics
    /// Panics when the address is not hexadecimal.
    #[must_use]
    #[track_caller]
    pub fn address_value(&self) -> Option<u64> {
        let digits = self.address.as_ref()?.strip_prefix("0x").expect("a hexadecimal number");
        Some(u64::from_str_radix(digits, 16).expect("a hexadecimal number"))
    }
}

/// All interrupt counters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterruptsReport {
    /// Interrupts on vectors without a handler.
    pub spurious: u64,
    /// One entry for each vector of messages, and for each handler of a line.
    pub vectors: Vec<VectorReport>,
}

/// Counters of a vector, or of one handler of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VectorReport {
    /// Vector number.
    pub vector: u32,
    /// CPU that it is delivered to.
    pub cpu: u32,
    /// `msix`, `msi` or `intx`.
    pub mode: String,
    /// Address of the function.
    pub function: String,
    /// Name of the driver.
    pub driver: String,
    /// Messages that use the vector; several when folded.
    pub names: Vec<String>,
    /// GSI, for a line.
    pub gsi: Option<u32>,
    /// Number of calls of the handler.
    pub count: u64,
    /// Calls that it did not claim.
    pub unclaimed: u64,
    /// Calls that it claimed.
    pub claimed: u64,
    /// Calls for several messages at once.
    pub folded: u64,
    /// Messages that were pending when their source was unmasked.
    pub masked_while_pending: u64,
    /// Longest call in ticks of the time stamp counter.
    pub longest_ticks: u32,
    /// Calls in place of an interrupt that did not arrive.
    pub polled: u64,
}

impl InterruptsReport {
    /// Returns the entries of a driver.
    pub fn of<'a>(&'a self, driver: &'a str) -> impl Iterator<Item = &'a VectorReport> {
        self.vectors.iter().filter(move |entry| entry.driver == driver)
    }

    /// Returns the number of calls that a driver's handlers claimed.
    #[must_use]
    pub fn claimed(&self, driver: &str) -> u64 {
        self.of(driver).map(|entry| entry.claimed).sum()
    }
}

/// Parses the body of `/functions`.
///
/// # Errors
/// Returns an error when it is not JSON, or a field is missing, unknown or of another type.
pub fn parse_functions(body: &[u8]) -> serde_json::Result<Vec<FunctionReport>> {
    parse(body)
}

/// Parses the body of `/interrupts`.
///
/// # Errors
/// Returns an error when it is not JSON, or a field is missing, unknown or of another type.
pub fn parse_interrupts(body: &[u8]) -> serde_json::Result<InterruptsReport> {
    parse(body)
}

/// Parses, serializes again and compares: parsing alone would accept a missing field as `null`.
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
    fn documented_fields_are_parsed() {
        let functions = parse_functions(FUNCTION.as_bytes()).expect("the documented fields");
        assert_eq!(functions[0].offers, Offers { intx: Some("A".into()), msi: 0, msix: 4 });
        let interrupts = br#"{"spurious":0,"vectors":[{"vector":49,"cpu":0,"mode":"msix","function":"0000:00:03.0",
            "driver":"virtio-net","names":["Rx"],"gsi":null,"count":123,"unclaimed":0,
            "claimed":123,"folded":0,"masked_while_pending":0,"polled":0,"longest_ticks":4567}]}"#;
        assert_eq!(parse_interrupts(interrupts).expect("the documented fields").claimed("virtio-net"), 123);
    }

    #[test]
    fn missing_unknown_and_mistyped_fields_are_refused() {
        let missing = FUNCTION.replace(r#""driver":"virtio-net","#, "");
        assert!(parse_functions(missing.as_bytes()).is_err(), "a missing field");
        let unknown = FUNCTION.replace(r#""mode""#, r#""more":1,"mode""#);
        assert!(parse_functions(unknown.as_bytes()).is_err(), "an unknown field");
        let kind = FUNCTION.replace(r#""msix":4"#, r#""msix":"4""#);
        assert!(parse_functions(kind.as_bytes()).is_err(), "a string for a number");
    }
}
