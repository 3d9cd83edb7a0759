//! What became of one function, in the words of the catalogue.

use switchboard::config::Address;
use switchboard::function::ClaimError;
use switchboard::interrupt::{GrantError, Mode};
use switchboard_tests::proxy::Expect;

use crate::trial::Verdict;

/// The class of a function's outcome, and what there is to say of it.
pub(crate) fn class(verdict: &Verdict, address: Address) -> (Expect, Vec<String>) {
    if let Some(refusal) = verdict.refusals.iter().find(|refusal| refusal.address == address) {
        return (Expect::Reject, vec![refusal.reason.to_string()]);
    }
    let Some(report) = verdict.found.iter().find(|report| report.address == address) else {
        return (Expect::Absent, Vec::new());
    };
    let mut remarks: Vec<String> = report.defects.iter().map(ToString::to_string).collect();
    if let Some(driven) = verdict.driven.get(&address) {
        match &driven.claim {
            // Bridges are not claimed as endpoints are; that is nothing to remark.
            Err(ClaimError::NotAnEndpoint { .. }) => return (by(&remarks), remarks),
            Ok(()) => {}
            Err(error) => return (Expect::Reject, vec![error.to_string()]),
        }
        // What is not offered is nothing to remark.
        let refused = |error: &&GrantError| !matches!(error, GrantError::NoMode { .. });
        remarks.extend(driven.messages.iter().chain(&driven.line).filter(refused).map(ToString::to_string));
        let best = [Mode::Msix, Mode::Msi, Mode::Intx].into_iter().find(|mode| report.offers.has(*mode));
        if driven.mode != best {
            remarks.push(format!("{best:?} offered, {:?} granted", driven.mode));
        }
        // Nor is a BAR that is not there, one of ports, or one that holds the MSI-X table.
        let nowhere = report.bars.iter().filter_map(|bar| Some((bar.index, bar.address.err()?)));
        remarks.extend(nowhere.map(|(index, reason)| format!("BAR {index}: {reason}")));
    }
    (by(&remarks), remarks)
}

fn by(remarks: &[String]) -> Expect {
    if remarks.is_empty() { Expect::Ok } else { Expect::Degraded }
}
