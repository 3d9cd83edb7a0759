//! Classifies the outcome for one function, in the classes of the catalogue.

use switchboard::config::Address;
use switchboard::function::ClaimError;
use switchboard::interrupt::{GrantError, Mode};
use switchboard_tests::proxy::Expect;

use crate::trial::Verdict;

/// Returns the class of a function's outcome, and the findings that led to it.
pub(crate) fn class(verdict: &Verdict, address: Address) -> (Expect, Vec<String>) {
    if let Some(refusal) = verdict.refusals.iter().find(|refusal| refusal.address == address) {
        return (Expect::Reject, vec![refusal.reason.to_string()]);
    }
    let Some(report) = verdict.found.iter().find(|report| report.address == address) else {
        return (Expect::Absent, Vec::new());
    };
    let mut findings: Vec<String> = report.defects.iter().map(ToString::to_string).collect();
    if let Some(driven) = verdict.driven.get(&address) {
        match &driven.claim {
            // A bridge is not claimed as an endpoint; that is no finding.
            Err(ClaimError::NotAnEndpoint { .. }) => return (class_of(&findings), findings),
            Ok(()) => {}
            Err(error) => return (Expect::Reject, vec![error.to_string()]),
        }
        // A mode that the function does not offer is no finding.
        let refused = |error: &&GrantError| !matches!(error, GrantError::NoMode { .. });
        findings.extend(driven.messages.iter().chain(&driven.line).filter(refused).map(ToString::to_string));
        let best = [Mode::Msix, Mode::Msi, Mode::Intx].into_iter().find(|mode| report.offers.has(*mode));
        if driven.mode != best {
            findings.push(format!("{best:?} offered, {:?} granted", driven.mode));
        }
        // Nor is an absent BAR, an I/O BAR, or one that holds the MSI-X table.
        let nowhere = report.bars.iter().filter_map(|bar| Some((bar.index, bar.address.err()?)));
        findings.extend(nowhere.map(|(index, reason)| format!("BAR {index}: {reason}")));
    }
    (class_of(&findings), findings)
}

fn class_of(findings: &[String]) -> Expect {
    if findings.is_empty() { Expect::Ok } else { Expect::Degraded }
}
