//! The cases about virtio's own capabilities: the driver refuses them before its first register access.

use switchboard::driver::{Driver, ProbeError};
use switchboard_drivers::virtio::VirtioNet;
use switchboard_tests::proxy::{Expect, HostileCase};

use crate::catalogue::{cases, functions, target};
use crate::exceptions::exception;
use crate::trial::Trial;

/// Returns the driver's error. All registers read zero, so a probe that reads them fails on the feature bits.
fn refusal(case: &HostileCase, trial: &Trial) -> ProbeError {
    trial.set_dead(false);
    let function = trial.offer(functions(case, |_| false), target(case)).expect("offered");
    let refusal = VirtioNet::probe(function).map(|_| ()).expect_err("registers that are all zero");
    trial.clear();
    refusal
}

#[test]
fn invalid_structure_locations_are_refused() {
    let Some(cases) = cases() else { return };
    let trial = Trial::begin();
    let mut wrong = Vec::new();
    for case in cases.iter().filter(|case| case.name.contains("virtio")) {
        let error = refusal(case, &trial).to_string();
        // The driver has read a register: everything that a case is about was accepted before.
        let class = if error.contains("virtio features") { Expect::Ok } else { Expect::Reject };
        let expected = exception(&case.name).map_or(case.expect, |exception| exception.outcome);
        if class != expected {
            wrong.push(format!("{}: {class:?} and not {expected:?}: {error}; {}", case.name, case.why));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
