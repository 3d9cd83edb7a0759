//! Routing by tables that were compiled from the sources beside them, with `iasl -oa -of`.

mod support;

use support::{Fields, NoFields, routes};
use switchboard_aml::{Function, Reason, pci_routing};

const BRIDGES: &[u8] = include_bytes!("tables/bridges.aml");
const MODES: &[u8] = include_bytes!("tables/modes.aml");
const LINKS: &[u8] = include_bytes!("tables/links.aml");
const OPERATORS: &[u8] = include_bytes!("tables/operators.aml");

/// With I/O APICs in use, `_PIC` chooses the second table; an absent root bridge has no routes.
#[test]
fn the_table_of_apic_mode_is_taken_and_each_root_bridge_has_its_own() {
    let routing = pci_routing(&[MODES], &NoFields);
    let expected = [
        (0, 0, 1, 0, 16),
        (0, 0, 1, 1, 17),
        (0, 0, 31, 2, 18),
        (0, 0, 31, 3, 10),
        (0, 0, 2, 0, 22),
        (1, 0x80, 7, 3, 40),
    ];
    assert_eq!(routes(&routing), expected);
    let reasons: Vec<_> = routing.errors.iter().map(|error| error.reason.clone()).collect();
    assert_eq!(reasons, [Reason::Link("LNKD".into()), Reason::Entry, Reason::Entry]);
}

#[test]
fn links_read_configuration_space_and_memory_and_no_ports() {
    let lpc = Function { device: 0x1f, ..Function::default() };
    let bridge = Function { device: 0x1e, function: 1, ..Function::default() };
    let card = Function { bus: 5, device: 2, function: 3, ..Function::default() };
    let fields = Fields::default()
        .config(lpc, 0x60, &[0x8b, 0x0a, 0xf9, 0])
        .config(bridge, 0x18, &[0, 5, 5, 0])
        .config(card, 0x40, &[0x7f, 0x01])
        .memory(0x7000, &[0, 0, 0, 0, 0x2c, 0x01, 0, 0]);
    let routing = pci_routing(&[LINKS], &fields);
    // PIRC has four bits, LINE has 12 bits from bit 4 on, and `TEMP` takes numbers below 0x80 alone.
    assert_eq!(routes(&routing), [(0, 0, 1, 0, 11), (0, 0, 1, 1, 10), (0, 0, 1, 3, 0x17)]);
    let reasons: Vec<_> = routing.errors.iter().map(ToString::to_string).collect();
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    assert_eq!(reasons[0], "the link LNKC is not connected");
    assert_eq!(reasons[1], "the link LNKE is not connected");
    assert!(
        reasons[2].starts_with("the region of a field, in address space 0x1, is not read at 0xc01 (opcode"),
        "{}",
        reasons[2]
    );
}

#[test]
fn a_method_may_make_the_table() {
    let routing = pci_routing(&[OPERATORS], &NoFields);
    assert_eq!(routing.errors, []);
    assert_eq!(
        routes(&routing),
        [(0, 0, 3, 0, 16), (0, 0, 3, 1, 17), (0, 0, 3, 2, 18), (0, 0, 3, 3, 19), (0, 0, 31, 0, 23)]
    );
}

/// The compiled tables are those of the sources.
#[test]
fn sources_and_tables_agree() {
    let directory = std::env::temp_dir().join(format!("switchboard-aml-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    let hotplug = include_bytes!("tables/hotplug.aml");
    for (name, table) in
        [("modes", MODES), ("links", LINKS), ("operators", OPERATORS), ("bridges", BRIDGES), ("hotplug", hotplug)]
    {
        let source = format!("{}/tests/tables/{name}.asl", env!("CARGO_MANIFEST_DIR"));
        let mut iasl = std::process::Command::new("iasl");
        iasl.args(["-oa", "-of", "-p", name, &source]).current_dir(&directory);
        let Ok(output) = iasl.output() else {
            eprintln!("skipped: iasl is not installed");
            return;
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let compiled = std::fs::read(directory.join(format!("{name}.aml"))).expect("iasl wrote it");
        // The version of the compiler is in the header, and in its checksum.
        assert_eq!(compiled[36..], table[36..], "{name}");
    }
    std::fs::remove_dir_all(&directory).expect("it is there");
}

/// A bridge that is there routes the bus behind it by its own table (ACPI 6.5, 6.2.13).
#[test]
fn bridges_have_routes_of_their_own() {
    let port = Function { device: 3, ..Function::default() };
    let nested = Function { bus: 7, device: 1, ..Function::default() };
    let fields = Fields::default().config(port, 0x0e, &[0x81, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 9]).config(
        nested,
        0x0e,
        &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 8],
    );
    let routing = pci_routing(&[BRIDGES], &fields);
    assert_eq!(routing.errors, []);
    let expected = [(0, 0, 3, 0, 16), (0, 0, 4, 0, 17), (0, 7, 0, 0, 20), (0, 7, 0, 1, 21), (0, 8, 2, 3, 23)];
    assert_eq!(routes(&routing), expected);
}
