//! Random numbers of the CPU: its instructions, and the counter whose jitter is measured.
//!
//! These are raw sources. `switchboard_runtime::entropy` tests and mixes them.

#![expect(unsafe_code, reason = "the RDSEED instruction")]

use core::arch::x86_64::_rdseed64_step;

use x86_64::instructions::random::RdRand;

use super::{clock, cpu};

/// Attempts to get a number. The instruction may have no entropy for a moment (SDM vol. 1, 7.3.17).
const RETRIES: u32 = 10;

/// Returns 64 bits of RDRAND; `None` if the CPU does not have it, or had no entropy in ten attempts.
///
/// ```
/// let word = switchboard_x86_64::random::rdrand();
/// assert!(word.is_none() || word != switchboard_x86_64::random::rdrand());
/// ```
#[must_use]
pub fn rdrand() -> Option<u64> {
    RdRand::new().and_then(|generator| (0..RETRIES).find_map(|_| generator.get_u64()))
}

/// Returns 64 bits of RDSEED; `None` if the CPU does not have it, or had no entropy in ten attempts.
#[must_use]
pub fn rdseed() -> Option<u64> {
    if !cpu::has_rdseed() {
        return None;
    }
    // SAFETY: the CPU has the instruction.
    (0..RETRIES).find_map(|_| unsafe { rdseed_once() })
}

#[target_feature(enable = "rdseed")]
fn rdseed_once() -> Option<u64> {
    let mut word = 0;
    (_rdseed64_step(&mut word) == 1).then_some(word)
}

/// Reads the counter of the CPU's cycles (TSC).
#[must_use]
pub fn cycle_count() -> u64 {
    clock::read_tsc()
}
