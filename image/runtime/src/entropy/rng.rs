//! The generator by the traits of `rand_core`, of each version that crates use.

use core::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};

/// The machine's generator, for crates that take one: of `rand_core` 0.10 (`rand` 0.10, RustCrypto) and 0.6
/// (`embedded-tls`).
///
/// It is the same as [`fill`](super::fill): check [`state`](super::state) before keys are made of it.
///
/// ```
/// use switchboard_runtime::entropy::SystemRng;
///
/// fn key(rng: &mut impl rand_core::CryptoRng) -> [u8; 32] {
///     let mut key = [0; 32];
///     rng.fill_bytes(&mut key);
///     key
/// }
///
/// assert_ne!(key(&mut SystemRng), [0; 32]);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRng;

impl TryRng for SystemRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(super::random_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        super::fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for SystemRng {}

impl rand_core_06::RngCore for SystemRng {
    fn next_u32(&mut self) -> u32 {
        next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        super::random_u64()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        super::fill(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core_06::Error> {
        super::fill(bytes);
        Ok(())
    }
}

impl rand_core_06::CryptoRng for SystemRng {}

fn next_u32() -> u32 {
    let mut bytes = [0; 4];
    super::fill(&mut bytes);
    u32::from_le_bytes(bytes)
}
