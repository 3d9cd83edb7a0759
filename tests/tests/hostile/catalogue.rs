//! Checks that each case of the catalogue has its class, or a documented reason for another one.

use std::fs;
use std::path::Path;

use switchboard::config::Address;
use switchboard_tests::ScratchPath;
use switchboard_tests::proxy::{Expect, HostileCase};

use crate::exceptions::{Exception, exception};
use crate::space::Function;
use crate::trial::{Trial, Verdict};
use crate::verdict::class;

/// Returns the cases; `None` where the generator is absent.
pub(crate) fn cases() -> Option<Vec<HostileCase>> {
    let generator = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/tools/hostile.py");
    if !generator.is_file() {
        eprintln!("skipped: there is no ../shared/tools/hostile.py");
        return None;
    }
    let folder = ScratchPath::new("hostile");
    let cases = HostileCase::generate(&generator, folder.path());
    fs::remove_dir_all(folder.path()).expect("the folder was made");
    Some(cases)
}

/// Returns the functions of a case, except those for which `is_left_out`.
pub(crate) fn functions(case: &HostileCase, is_left_out: impl Fn(bool) -> bool) -> Vec<(Address, Function)> {
    let functions = case.dumped().iter().filter(|function| !is_left_out(case.is_target(function.name)));
    let place = |function: &switchboard_tests::DumpedFunction| {
        let name = function.name;
        let readbacks = case.readbacks(function).into_iter();
        let mut space = Function::new(function.bytes.clone());
        space.readbacks = readbacks.map(|(index, mask)| (u16::try_from(index).expect("0 to 5"), mask)).collect();
        space.behaviours = case.behaviours(function);
        (Address::new(0, name.bus, name.device, name.function), space)
    };
    functions.map(place).collect()
}

pub(crate) fn target(case: &HostileCase) -> Address {
    let name = case.dumped().iter().map(|function| function.name).find(|name| case.is_target(*name)).expect("a target");
    Address::new(0, name.bus, name.device, name.function)
}

/// Describes the other functions on the target's bus.
fn neighbours(verdict: &Verdict, target: Address) -> Vec<String> {
    let is_beside = |address: Address| address != target && address.bus() == target.bus();
    let found = verdict.found.iter().filter(|report| is_beside(report.address));
    found
        .map(|report| format!("{} {:?} {:x?} {:?}", report.address, report.offers, report.bars, report.defects))
        .collect()
}

fn check(case: &HostileCase, trial: &Trial) -> Result<(), String> {
    trial.set_dead(case.is_dead());
    let target = target(case);
    let verdict = trial.run(functions(case, |_| false));
    let mut failures = verdict.violations.clone();
    let reads = verdict.accesses.values().map(|accesses| accesses.reads).max().unwrap_or(0);
    if reads > case.limits.reads {
        failures.push(format!("{reads} reads, at most {} are allowed", case.limits.reads));
    }
    let is_hidden = |report: &&switchboard::function::FunctionReport| {
        case.hidden()
            .any(|(device, function)| (report.address.device(), report.address.function()) == (device, function))
    };
    failures.extend(verdict.found.iter().filter(is_hidden).map(|report| format!("{} was found", report.address)));
    let alone = trial.run(functions(case, |is_target| is_target));
    // Without function 0 the others are not found; and of overlapping BARs, one is assigned first.
    let is_apart = target.function() != 0
        || case
            .dumped()
            .iter()
            .all(|function| function.name.device != target.device() || case.is_target(function.name));
    if is_apart && neighbours(&verdict, target) != neighbours(&alone, target) {
        failures.push(format!(
            "{:?} without the target, {:?} with it",
            neighbours(&alone, target),
            neighbours(&verdict, target)
        ));
    }
    let (class, findings) = class(&verdict, target);
    match exception(&case.name) {
        Some(Exception { outcome, .. }) if outcome == class => {}
        None if case.expect == class => {}
        other => failures.push(format!(
            "{class:?} ({}); expected {:?}: {}",
            findings.join("; "),
            other.map_or(case.expect, |exception| exception.outcome),
            case.why
        )),
    }
    if failures.is_empty() { Ok(()) } else { Err(format!("{}: {}", case.name, failures.join("; "))) }
}

#[test]
fn each_case_has_its_class() {
    let Some(cases) = cases() else { return };
    let trial = Trial::begin();
    let is_checked = |case: &&HostileCase| !case.is_about_mcfg() && !case.name.contains("virtio");
    let checked: Vec<_> = cases.iter().filter(is_checked).map(|case| check(case, &trial)).collect();
    let wrong: Vec<_> = checked.iter().filter_map(|result| result.as_ref().err()).collect();
    eprintln!(
        "{} cases, {} with another class than the catalogue",
        checked.len(),
        cases.iter().filter(|case| exception(&case.name).is_some()).count()
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(cases.iter().any(|case| case.expect == Expect::Reject) && checked.len() > 100);
}

/// An exception for an unknown case, or one that agrees with the catalogue, is out of date.
#[test]
fn exceptions_name_cases_of_the_catalogue() {
    let Some(cases) = cases() else { return };
    for Exception { case: name, outcome, .. } in crate::exceptions::EXCEPTIONS {
        let case = cases.iter().find(|case| case.name == *name);
        assert!(case.is_some_and(|case| case.expect != *outcome), "{name}");
    }
}
