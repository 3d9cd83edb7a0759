//! The jitter of the CPU's timing.

use super::generator::KEY_BYTES;
use super::health::{HealthTest, Limits};

/// The measurements of one collection.
const SAMPLES: usize = 128;

/// What was collected.
#[derive(Debug)]
pub(super) struct Jitter {
    /// All measurements, folded.
    pub(super) mixed: [u8; KEY_BYTES],
    /// Whether they passed the health test. In an emulator that counts instructions as time they do not.
    pub(super) has_passed: bool,
}

/// Measures how long work takes by `read_cycles`: caches, interrupts and the host's other work change that.
pub(super) fn collect(mut read_cycles: impl FnMut() -> u64) -> Jitter {
    let mut health = HealthTest::new(Limits::JITTER);
    let mut mixed = [0_u64; KEY_BYTES / 8];
    let mut before = read_cycles();
    for index in 0..SAMPLES {
        let word = &mut mixed[index % (KEY_BYTES / 8)];
        // Work that depends on the measurements so far, so that no iteration is like another.
        for _ in 0..(*word & 7) {
            *word = word.rotate_left(13).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        let now = read_cycles();
        let duration = now.wrapping_sub(before);
        before = now;
        health.test(duration);
        *word = word.rotate_left(7) ^ duration ^ now.rotate_left(32);
    }
    let mut bytes = [0; KEY_BYTES];
    bytes.chunks_exact_mut(8).zip(mixed).for_each(|(bytes, word)| bytes.copy_from_slice(&word.to_le_bytes()));
    Jitter { mixed: bytes, has_passed: !health.has_failed() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_stands_still_fails() {
        assert!(!collect(|| 7).has_passed);
    }

    #[test]
    fn a_clock_that_jitters_passes() {
        let mut now = 0_u64;
        let jitter = collect(|| {
            now += 40 + now.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 9;
            now
        });
        assert!(jitter.has_passed);
        assert_ne!(jitter.mixed, [0; KEY_BYTES]);
    }
}
