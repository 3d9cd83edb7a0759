//! The cryptography of rustls, by the crates of RustCrypto and dalek.

mod aead;
mod hash;
mod hmac;
mod key_exchange;
mod sign;
mod sign_rsa;
mod suites;
mod tls12;
mod tls13;
mod verify;

use alloc::sync::Arc;

use rustls::crypto::{CryptoProvider, GetRandomFailed, SecureRandom};
use switchboard_runtime::entropy;

pub(crate) use self::aead::TicketCipher;

/// Returns the cryptography of this crate, for a configuration of rustls that an app makes by itself.
///
/// ```
/// let provider = switchboard_tls::crypto_provider();
/// assert_eq!(provider.cipher_suites.len(), 9);
/// ```
#[must_use]
pub fn crypto_provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: suites::ALL.to_vec(),
        kx_groups: key_exchange::ALL.to_vec(),
        signature_verification_algorithms: verify::ALGORITHMS,
        secure_random: &SystemRandom,
        key_provider: &sign::Keys,
    })
}

/// The machine's entropy source.
#[derive(Debug)]
struct SystemRandom;

impl SecureRandom for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        entropy::fill(bytes);
        Ok(())
    }
}
