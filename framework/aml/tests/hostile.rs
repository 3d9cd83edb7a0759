//! Tables of firmware that is broken or hostile: every evaluation ends, with an error that has the place.

mod support;

use proptest::prelude::*;
use support::{Fields, NoFields, routes};
use switchboard_aml::{Function, PciRouting, Place, Reason, pci_routing};

/// The stack of the image has 384 KiB. Frames of a debug build are several times as large as those of the image.
const STACK_BYTES: usize = if cfg!(debug_assertions) { 1 << 20 } else { 128 << 10 };

fn dsdt(code: &[u8]) -> Vec<u8> {
    [&b"DSDT"[..], &[0; 4], &[2], &[0; 27], code].concat()
}

/// Encodes a `PkgLength` before its content, in four bytes.
fn package(content: &[u8]) -> Vec<u8> {
    let length = content.len() + 4;
    let [low, b, c, d] = (u32::try_from(length).expect("a short table") << 4).to_le_bytes();
    [&[0xc0 | low >> 4, b, c, d], content].concat()
}

/// Encodes a root bridge with these objects.
fn bridge(name: &[u8; 4], objects: &[u8]) -> Vec<u8> {
    let content = [&name[..], b"\x08_HID\x0c\x41\xd0\x0a\x03", objects].concat();
    [&[0x5b, 0x82], &package(&content)[..]].concat()
}

fn method(name: &[u8; 4], arguments: u8, code: &[u8]) -> Vec<u8> {
    [&[0x14], &package(&[&name[..], &[arguments], code].concat())[..]].concat()
}

/// Evaluates on a stack of that size.
fn evaluate(code: &[u8]) -> PciRouting {
    let table = dsdt(code);
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
    let evaluated = thread.spawn(move || pci_routing(&[&table], &NoFields)).expect("a thread");
    evaluated.join().expect("no panic")
}

fn reasons(code: &[u8]) -> Vec<Reason> {
    evaluate(code).errors.into_iter().map(|error| error.reason).collect()
}

fn is_too_deep(reason: &Reason) -> bool {
    matches!(reason, Reason::TooDeep(_))
}

#[test]
fn a_method_that_calls_itself_ends() {
    let reasons = reasons(&bridge(b"PCI0", &method(b"_PRT", 0, b"\xa4_PRT")));
    assert!(matches!(&reasons[..], [reason] if is_too_deep(reason)), "{reasons:?}");
}

#[test]
fn a_loop_without_an_end_ends() {
    // While (One) {}
    let reasons = reasons(&bridge(b"PCI0", &method(b"_PRT", 0, b"\xa2\x02\x01")));
    assert!(matches!(reasons[..], [Reason::TooLong(_)]), "{reasons:?}");
}

#[test]
fn terms_within_terms_end() {
    let nots = [vec![0x92; 100_000], vec![0x01]].concat();
    let reasons = reasons(&bridge(b"PCI0", &method(b"_PRT", 0, &[&[0xa4], &nots[..]].concat())));
    assert!(matches!(&reasons[..], [reason] if is_too_deep(reason)), "{reasons:?}");
}

#[test]
fn packages_within_packages_end() {
    // While (One) { Store (PKGE, Index (PKGE, 0)) }: each copy has the one before within it.
    let package =
        [b"\x08PKGE\x12\x04\x02\x00\x00".to_vec(), method(b"_PRT", 0, b"\xa2\x0e\x01\x70PKGE\x88PKGE\x00\x00")];
    let reasons = reasons(&bridge(b"PCI0", &package.concat()));
    assert!(matches!(&reasons[..], [reason] if is_too_deep(reason)), "{reasons:?}");
}

#[test]
fn memory_is_limited() {
    // While (One) { Local0 = Buffer (0xffff) {} }, and a buffer of 4 GiB.
    let repeated = bridge(b"PCI0", &method(b"_PRT", 0, b"\xa2\x09\x01\x70\x11\x04\x0b\xff\xff\x60"));
    let huge = bridge(b"PCI1", &method(b"_PRT", 0, b"\xa4\x11\x06\x0c\xff\xff\xff\xff"));
    let reasons = reasons(&[repeated, huge].concat());
    assert!(matches!(reasons[..], [Reason::TooLarge(_), Reason::TooLarge(_)]), "{reasons:?}");
}

/// The error names opcode and offset; what stands beside the scope with the error is evaluated.
#[test]
fn an_opcode_that_is_not_evaluated_is_named_and_ends_only_its_device() {
    let broken = bridge(b"PCI0", b"\x08GOOD\x01\x5b\x20");
    let whole = bridge(b"PCI1", b"\x08_PRT\x12\x0e\x01\x12\x0b\x04\x0c\xff\xff\x03\x00\x01\x00\x0a\x11");
    let routing = evaluate(&[broken.clone(), whole].concat());
    assert_eq!(routes(&routing), [(0, 0, 3, 1, 17)]);
    let place = Place { table: *b"DSDT", offset: 36 + broken.len() - 2, opcode: 0x5b20 };
    let errors: Vec<_> = routing.errors.iter().map(|error| (error.reason.clone(), error.place)).collect();
    assert_eq!(errors, [(Reason::Opcode, Some(place))]);
    assert_eq!(
        routing.errors[0].to_string(),
        format!("this opcode is not evaluated (opcode 0x5b20 at {:#x} of DSDT)", place.offset)
    );
}

#[test]
fn references_to_what_is_gone_are_errors() {
    // Method (MADE) { Name (TEMP, 1) Return (RefOf (TEMP)) } Method (_PRT) { Return (DerefOf (MADE ())) }
    let made = method(b"MADE", 0, b"\x08TEMP\x01\xa4\x71TEMP");
    let routing = evaluate(&bridge(b"PCI0", &[made, method(b"_PRT", 0, b"\xa4\x83MADE")].concat()));
    assert_eq!(routing.routes, []);
    assert_eq!(routing.errors.len(), 1, "{:?}", routing.errors);
}

#[test]
fn no_more_errors_are_kept_than_are_read() {
    let entries = [&[0xff][..], &[0x01; 255]].concat();
    let table = [&b"\x08_PRT\x12"[..], &package(&entries)].concat();
    assert_eq!(reasons(&bridge(b"PCI0", &table)), vec![Reason::Entry; 16]);
}

#[test]
fn tables_without_code_have_no_routes() {
    for table in [&b""[..], b"DSDT", &dsdt(b"")] {
        assert_eq!(pci_routing(&[table], &NoFields), PciRouting::default());
    }
    assert_eq!(pci_routing(&[], &NoFields), PciRouting::default());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_code_ends(code in proptest::collection::vec(any::<u8>(), 0..512)) {
        drop(pci_routing(&[&dsdt(&code)], &Fields::default()));
    }

    /// Whole tables with some bytes changed, which reach further than arbitrary ones.
    #[test]
    fn changed_tables_end(
        which in 0..3_usize,
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let tables: [&[u8]; 3] = [
            include_bytes!("tables/modes.aml"),
            include_bytes!("tables/links.aml"),
            include_bytes!("tables/operators.aml"),
        ];
        let mut table = tables[which].to_vec();
        for (index, byte) in changes {
            let at = 36 + index.index(table.len() - 36);
            table[at] = byte;
        }
        let lpc = Function { device: 0x1f, ..Function::default() };
        drop(pci_routing(&[&table], &Fields::default().config(lpc, 0x60, &[11, 10, 9, 5]).memory(0x7000, &[0; 16])));
    }
}
