//! Hostile functions: the guest makes only permitted accesses to them, and everything else works.

use core::ops::Range;
use std::path::Path;
use std::{env, fs, process};

use switchboard_tests::FunctionReport;
use switchboard_tests::proxy::{
    Access, ConfigBuilder, ConfigWrite, Expect, HostileCase, Ones, Proxy, Registers, Space, Stored,
};

use super::{MEMORY, SLOTS, machine, serves, start};

/// Returns the cases that can be booted; `None` where the generator is absent.
fn cases() -> Option<Vec<HostileCase>> {
    let generator = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/tools/hostile.py");
    if !generator.is_file() {
        println!("skipped: there is no ../shared/tools/hostile.py");
        return None;
    }
    let folder = env::temp_dir().join(format!("switchboard-{}-hostile", process::id()));
    let cases = HostileCase::generate(&generator, &folder);
    fs::remove_dir_all(&folder).expect("the folder was made");
    Some(cases.into_iter().filter(HostileCase::is_live).collect())
}

/// A case in a slot of its own.
struct BootedCase<'a> {
    case: &'a HostileCase,
    /// Offset of its slots from those in the catalogue.
    shift: u8,
    functions: Vec<(String, Proxy)>,
}

impl BootedCase<'_> {
    fn address(&self, (device, function): (u8, u8)) -> String {
        format!("0000:00:{:02x}.{function}", device + self.shift)
    }

    /// Returns whether the function stays in the list, although it is not offered whole.
    fn is_listed(&self) -> bool {
        match self.case.name.as_str() {
            // Keeps the ids of the second read, which match no driver.
            "ids-change-between-reads" => true,
            // Its BAR is moved to a free range; all BARs of the machine are checked for that.
            "bar-on-ram" | "bar-on-lapic" | "bar-on-ioapic" | "bar-on-ecam" => true,
            // A bridge, which no driver of a device can claim.
            "header-cardbus" => true,
            // Invalid for its driver only.
            name => name.starts_with("virtio-"),
        }
    }

    /// Returns whether the invalid part is not offered, as far as that is found before a driver uses the function.
    fn is_without_the_invalid_part(&self, report: &FunctionReport) -> bool {
        let has_bar = |index: u32| report.bars.iter().any(|bar| bar.index == index);
        match self.case.name.as_str() {
            // Found when the messages are granted.
            "msix-table-reads-ones" | "msix-count-changes" | "msi-control-readonly" => true,
            "bar-size-zero" | "bar-mask-holes" | "bar-readonly" => !has_bar(1) && report.offers.msix == 0,
            "bar64-size-2-64" | "bar64-size-2-63" => !has_bar(4),
            "bar5-64bit" => !has_bar(5),
            "io-bar-64k" => !has_bar(0),
            name if name.starts_with("msix-") => report.offers.msix == 0,
            name if name.starts_with("msi") => report.offers.msi == 0,
            name if name.starts_with("pin-") => report.offers.intx.is_none(),
            _ => true,
        }
    }

    fn check(&self, reports: &[FunctionReport]) -> Vec<String> {
        let mut failures = Vec::new();
        let find = |place| reports.iter().find(|report| report.address == self.address(place));
        let target = find(self.case.target());
        let is_right = match self.case.expect {
            Expect::Absent => target.is_none(),
            Expect::Reject => target.is_none_or(|report| self.is_listed() && report.driver.is_none()),
            Expect::Degraded => target.is_some_and(|report| self.is_without_the_invalid_part(report)),
            Expect::Ok => target.is_some(),
        };
        if !is_right {
            failures.push(format!("{:?} wanted: {target:?}", self.case.expect));
        }
        failures.extend(self.case.hidden().filter_map(find).map(|seen| format!("{seen:?}")));
        for (address, proxy) in &self.functions {
            let accesses = proxy.accesses();
            let reads = accesses.iter().filter(|access| matches!(access, Access::ConfigRead { .. })).count();
            if reads > self.case.limits.reads {
                failures.push(format!("{address}: {reads} reads"));
            }
            let writes = proxy.config_writes();
            if let Some(first) = stray(&proxy.space(), &writes).next() {
                let all = writes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                failures.push(format!("{address}: {first} in {all}"));
            }
        }
        failures.into_iter().map(|failure| format!("{}: {failure}", self.case.name)).collect()
    }
}

/// Returns the writes that are not permitted: those to registers other than Command, the BARs with decoding off, those
/// that enable MSI and MSI-X, and the bus numbers of a CardBus bridge.
fn stray(space: &Space, writes: &[ConfigWrite]) -> impl Iterator<Item = ConfigWrite> {
    let mut decodes = true;
    writes.iter().copied().filter(move |write| {
        let is_fine = match (write.offset, write.width) {
            (0x04, 2) => {
                decodes = write.value & 3 != 0;
                true
            }
            (0x18, 4) if space.bytes()[0x0e] & 0x7f == 2 => true,
            (0x10..0x28 | 0x30, 4) => !decodes,
            (0x40.., 2) => matches!(space.bytes()[write.offset - 2], 0x05 | 0x11),
            _ => false,
        };
        !is_fine
    })
}

/// The slot of a valid function, behind all others.
const BYSTANDER: u8 = *SLOTS.end();

/// Boots with all these cases, and returns the failures.
fn booted(cases: &[&HostileCase]) -> Vec<String> {
    let valid = ConfigBuilder::new(0x144d, 0xa808, 0x01_80_00).memory64(0, 0x2000).msi(8).msix(8, 0, 0x1080);
    let place = format!("addr={BYSTANDER:#x}");
    let (bystander, mut qemu) = Proxy::attach(machine(), &place, valid.space(), Box::new(Ones));
    let mut slot = *SLOTS.start();
    let mut placed = Vec::new();
    for &case in cases {
        let devices = || case.functions().map(|(device, ..)| device);
        let shift = slot - devices().min().expect("a function");
        slot = devices().max().expect("a function") + shift + 1;
        assert!(slot <= BYSTANDER, "more cases than slots");
        let mut here = BootedCase { case, shift, functions: Vec::new() };
        for (device, function, space) in case.functions() {
            let registers: Box<dyn Registers> =
                if case.is_dead() { Box::new(Ones) } else { Box::new(Stored::default()) };
            let place = format!("addr={:#x}.{function},multifunction=on", device + shift);
            // The firmware would loop endlessly on a looping list.
            let (proxy, with) = Proxy::attach(qemu, &place, space.hidden(), registers);
            here.functions.push((here.address((device, function)), proxy));
            qemu = with;
        }
        placed.push(here);
    }
    let hostile = placed.iter().flat_map(|placed| placed.functions.iter().map(|(_, proxy)| proxy));
    let guest = start(qemu, hostile.chain([&bystander]));
    serves(&guest);
    let reports = guest.functions();
    let mut failures: Vec<_> = placed.iter().flat_map(|placed| placed.check(&reports)).collect();
    let address = format!("0000:00:{BYSTANDER:02x}.0");
    let unhurt = reports.iter().find(|report| report.address == address).is_some_and(|report| {
        let bars = report.bars.iter().map(|bar| (bar.index, bar.size));
        report.state == "unclaimed" && (report.offers.msi, report.offers.msix) == (8, 8) && bars.eq([(0, 0x2000)])
    });
    if !unhurt || stray(&bystander.space(), &bystander.config_writes()).next().is_some() {
        failures.push(format!("the bystander was affected: {reports:#?}"));
    }
    failures.extend(collisions(&reports));
    failures
}

/// Returns the BARs that overlap memory, interrupt controllers, configuration space, or another BAR.
fn collisions(reports: &[FunctionReport]) -> Vec<String> {
    let number = |address: &str| u64::from_str_radix(address.trim_start_matches("0x"), 16).expect("an address");
    let mut taken: Vec<(String, Range<u64>)> = [
        ("memory", 0..MEMORY << 20),
        ("configuration space", 0xb000_0000..0xc000_0000),
        ("the I/O APIC", 0xfec0_0000..0xfec0_1000),
        ("the local APIC", 0xfee0_0000..0xfee0_1000),
    ]
    .map(|(name, range)| (name.to_owned(), range))
    .into();
    let mut collisions = Vec::new();
    for report in reports {
        for bar in report.bars.iter().filter(|bar| bar.kind != "io") {
            let Some(start) = bar.address.as_deref().map(number) else { continue };
            let (name, range) = (format!("BAR {} of {}", bar.index, report.address), start..start + bar.size);
            let met = taken.iter().filter(|(_, other)| range.start < other.end && other.start < range.end);
            collisions.extend(met.map(|(other, _)| format!("{name} at {start:#x} overlaps {other}")));
            taken.push((name, range));
        }
    }
    collisions
}

/// Boots all cases, `at_once` at a time, and fails with every failure.
fn all_booted(cases: &[HostileCase], at_once: usize) {
    let cases: Vec<&HostileCase> = cases.iter().collect();
    let failures: Vec<String> = cases.chunks(at_once).flat_map(booted).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn hostile_functions_affect_neither_the_machine_nor_others() {
    if !Proxy::is_supported() {
        return;
    }
    let Some(cases) = cases() else { return };
    println!("{} cases", cases.len());
    // One slot is the bystander's, and some cases take two.
    all_booted(&cases, SLOTS.count() - 3);
}

#[test]
#[ignore = "long: run by `make test-load`"]
fn each_hostile_function_alone() {
    if !Proxy::is_supported() {
        return;
    }
    let Some(cases) = cases() else { return };
    println!("{} cases", cases.len());
    all_booted(&cases, 1);
}
