//! The cases about virtio's own capabilities: the driver refuses them before it touches a register.

use switchboard::driver::{Driver, ProbeError};
use switchboard_drivers::virtio::VirtioNet;
use switchboard_tests::proxy::{Expect, HostileCase};

use crate::catalogue::{cases, functions, target};
use crate::reasons::judgement;
use crate::trial::Trial;

/// What the driver says. The registers read zero, so one that gets as far as them has no use for the features.
fn refusal(case: &HostileCase, trial: &Trial) -> ProbeError {
    trial.set_dead(false);
    let function = trial.offer(functions(case, |_| false), target(case)).expect("offered");
    let refusal = VirtioNet::probe(function).map(|_| ()).expect_err("registers that are all zero");
    trial.clear();
    refusal
}

#[test]
fn the_driver_refuses_what_is_not_where_it_can_be() {
    let Some(cases) = cases() else { return };
    let trial = Trial::begin();
    let mut wrong = Vec::new();
    for case in cases.iter().filter(|case| case.name.contains("virtio")) {
        let said = refusal(case, &trial).to_string();
        // It has read a register, which is what comes after everything that a case is about.
        let class = if said.contains("virtio features") { Expect::Ok } else { Expect::Reject };
        let wanted = judgement(&case.name).map_or(case.expect, |judgement| judgement.ours);
        if class != wanted {
            wrong.push(format!("{}: {class:?} and not {wanted:?}: {said}; {}", case.name, case.why));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
