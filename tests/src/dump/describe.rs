//! Describes a function in the terms of `lspci`, as JSON.

use serde_json::{Map, Value, json};
use switchboard::config::{
    Address, BarEncoding, BarRegister, ChainEnd, ConfigAccess, Facts, Header, HeaderKind, MemoryType, MsiCapability,
    MsixCapability, Width,
};
use switchboard::function::RefusalReason;

use super::DumpAccess;

const COMMAND_IO: u16 = 1;
const COMMAND_MEMORY: u16 = 2;

/// Decodes one function of a dump.
#[must_use]
pub fn describe(access: &'static DumpAccess, address: Address, name: &str) -> Value {
    let facts = Facts::decode(access, address);
    let header = &facts.header;
    let [base, sub, interface] = [header.class.base, header.class.sub, header.class.interface];
    let read_u8 = |offset| access.read(address, offset, Width::Byte);
    let layout = read_u8(0x0e) & 0x7f;
    let (pin, line) = interrupt(header.kind, read_u8(0x3d), read_u8(0x3c));
    let buses = match header.kind {
        HeaderKind::Bridge(bridge) => Some(bridge.buses),
        HeaderKind::CardBus(buses) => Some(buses),
        _ => None,
    };
    let subsystem = facts.subsystem.filter(|(vendor, _)| !matches!(vendor, 0 | 0xffff));
    let capabilities = facts.capabilities.entries.iter().map(|entry| json!({ "id": entry.id, "off": entry.offset }));
    let extended = facts.extended.entries.iter();
    json!({
        "bdf": name,
        "vendor": format!("{:04x}", header.vendor),
        "device": format!("{:04x}", header.device),
        "cls": format!("{base:02x}{sub:02x}"),
        "progif": format!("{interface:02x}"),
        "rev": format!("{:02x}", header.revision),
        "header": layout,
        "multifunction": header.is_multifunction,
        "subsystem": subsystem.map(|(vendor, device)| format!("{vendor:04x}:{device:04x}")),
        "pin": pin,
        "line": line,
        "bus": buses.map(|buses| [buses.primary, buses.secondary, buses.subordinate]),
        "caps": capabilities.collect::<Value>(),
        "ecaps": extended.map(|entry| json!({ "id": entry.id, "off": entry.offset, "ver": entry.version })).collect::<Value>(),
        "chain": chain(facts.capabilities.end),
        "echain": extended_chain(facts.extended.end),
        "msi": facts.msi.map(|msi| message(access, address, msi)),
        "msix": facts.msix.map(|msix| table(access, address, msix)),
        "bars": facts.bars.iter().map(|bar| bar_value(*bar, facts.command)).collect::<Value>(),
        "rom": facts.rom.map(|rom| json!({ "addr": rom.address, "off": !rom.is_enabled })),
        "bytes": access.size(address),
        // "defects": parts that are ignored as invalid; "errors": why the whole function is.
        "defects": facts.defects.iter().map(|defect| Value::from(defect.to_string())).collect::<Value>(),
        "errors": error(header).into_iter().collect::<Vec<_>>(),
    })
}

/// Returns why a whole function is refused, if it is. An empty slot is no error.
fn error(header: &Header) -> Option<String> {
    match header.kind {
        HeaderKind::Unknown(layout) if header.vendor != 0xffff => Some(RefusalReason::Layout { layout }.to_string()),
        _ => None,
    }
}

/// Returns pin and line; `None` for both where the registers name neither. Only known header layouts have a pin.
fn interrupt(kind: HeaderKind, pin: u32, line: u32) -> (Option<u32>, Option<u32>) {
    let pin = if matches!(kind, HeaderKind::Unknown(_)) { 0 } else { pin };
    let is_silent = pin == 0 && line == 0;
    (Some(pin).filter(|pin| !matches!(pin, 0 | 0xff)), (!is_silent).then_some(line))
}

fn chain(end: ChainEnd) -> Option<&'static str> {
    match end {
        ChainEnd::Complete => None,
        ChainEnd::Looped(_) => Some("looped"),
        ChainEnd::Broken(_) => Some("broken"),
        ChainEnd::Unreadable(_) => Some("unreadable"),
        ChainEnd::Outside(_) => Some("outside"),
    }
}

/// Treats an extended list that leads to no capability as ended, as `lspci` does.
fn extended_chain(end: ChainEnd) -> Option<&'static str> {
    match end {
        ChainEnd::Broken(_) | ChainEnd::Unreadable(_) => None,
        other => chain(other),
    }
}

/// Returns the MSI registers; those behind the control register only if the dump contains them.
fn message(access: &DumpAccess, address: Address, msi: MsiCapability) -> Value {
    let mut fields = Map::from_iter([
        ("off".to_owned(), json!(msi.offset)),
        ("enabled".to_owned(), json!(msi.is_enabled)),
        ("granted".to_owned(), json!(msi.granted)),
        ("capable".to_owned(), json!(msi.count)),
        ("maskable".to_owned(), json!(msi.is_maskable)),
        ("b64".to_owned(), json!(msi.is_64bit)),
    ]);
    let reaches = |end: u16| end <= access.size(address);
    let read = |offset, width| u64::from(access.read(address, offset, width));
    if reaches(msi.data() + 2) {
        let upper = if msi.is_64bit { read(msi.offset + 8, Width::Dword) } else { 0 };
        fields.insert("addr".to_owned(), json!(upper << 32 | read(msi.offset + 4, Width::Dword)));
        fields.insert("data".to_owned(), json!(read(msi.data(), Width::Word)));
    }
    if let Some(mask) = msi.mask().filter(|mask| reaches(mask + 8)) {
        fields.insert("mask".to_owned(), json!(read(mask, Width::Dword)));
        fields.insert("pending".to_owned(), json!(read(mask + 4, Width::Dword)));
    }
    fields.into()
}

fn table(access: &DumpAccess, address: Address, msix: MsixCapability) -> Value {
    let mut fields = Map::from_iter([
        ("off".to_owned(), json!(msix.offset)),
        ("enabled".to_owned(), json!(msix.is_enabled)),
        ("masked".to_owned(), json!(msix.is_masked)),
        ("count".to_owned(), json!(msix.count)),
    ]);
    if msix.offset + 12 <= access.size(address) {
        fields.insert("table".to_owned(), json!([u32::from(msix.table.bar), msix.table.offset]));
        fields.insert("pba".to_owned(), json!([u32::from(msix.pending.bar), msix.pending.offset]));
    }
    fields.into()
}

fn bar_value(bar: BarRegister, command: u16) -> Value {
    match bar.encoding {
        BarEncoding::Io => json!({
            "i": bar.index, "kind": "io", "addr": bar.address, "off": command & COMMAND_IO == 0,
        }),
        BarEncoding::Memory { memory_type, is_prefetchable } => {
            let (bits, address) = match memory_type {
                MemoryType::Bits32 => (json!(32), bar.address),
                MemoryType::Below1Mib => (json!(20), bar.address),
                MemoryType::Bits64 => (json!(64), bar.address),
                // One half of an address is not an address.
                MemoryType::Bits64NoUpperHalf => (json!(64), 0),
                MemoryType::Reserved => (json!("type 3"), bar.address),
            };
            let is_off = command & COMMAND_MEMORY == 0;
            json!({ "i": bar.index, "kind": "mem", "addr": address, "bits": bits, "pref": is_prefetchable, "off": is_off })
        }
    }
}
