//! The cipher suites, in order of preference.

use rustls::crypto::cipher::{Tls12AeadAlgorithm, Tls13AeadAlgorithm};
use rustls::crypto::hash::Hash;
use rustls::crypto::hmac::Hmac;
use rustls::crypto::tls12::PrfUsingHmac;
use rustls::crypto::tls13::HkdfUsingHmac;
use rustls::crypto::{CipherSuiteCommon, KeyExchangeAlgorithm};
use rustls::{CipherSuite, SignatureScheme, SupportedCipherSuite, Tls12CipherSuite, Tls13CipherSuite};

use super::aead::{Aes128Gcm, Aes256Gcm, ChaCha20Poly1305};
use super::hash::{SHA256, SHA384};
use super::hmac::{HMAC_SHA256, HMAC_SHA384};
use super::{tls12, tls13};

/// The records that may be encrypted with one key of AES-GCM (RFC 8446, 5.5).
const AES_GCM_LIMIT: u64 = 1 << 24;

/// Those of TLS 1.3 first, then ECDSA before RSA. AES is first: the CPU has instructions for it.
pub(super) static ALL: [SupportedCipherSuite; 9] = [
    SupportedCipherSuite::Tls13(&TLS13_AES_128_GCM_SHA256),
    SupportedCipherSuite::Tls13(&TLS13_AES_256_GCM_SHA384),
    SupportedCipherSuite::Tls13(&TLS13_CHACHA20_POLY1305_SHA256),
    SupportedCipherSuite::Tls12(&TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    SupportedCipherSuite::Tls12(&TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    SupportedCipherSuite::Tls12(&TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    SupportedCipherSuite::Tls12(&TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    SupportedCipherSuite::Tls12(&TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    SupportedCipherSuite::Tls12(&TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];

static TLS13_AES_128_GCM_SHA256: Tls13CipherSuite =
    tls13(CipherSuite::TLS13_AES_128_GCM_SHA256, &SHA256, &HkdfUsingHmac(&HMAC_SHA256), &AES128_TLS13, AES_GCM_LIMIT);
static TLS13_AES_256_GCM_SHA384: Tls13CipherSuite =
    tls13(CipherSuite::TLS13_AES_256_GCM_SHA384, &SHA384, &HkdfUsingHmac(&HMAC_SHA384), &AES256_TLS13, AES_GCM_LIMIT);
static TLS13_CHACHA20_POLY1305_SHA256: Tls13CipherSuite =
    tls13(CipherSuite::TLS13_CHACHA20_POLY1305_SHA256, &SHA256, &HkdfUsingHmac(&HMAC_SHA256), &CHACHA_TLS13, u64::MAX);

static AES128_TLS13: tls13::Records<Aes128Gcm> = tls13::Records::new(16);
static AES256_TLS13: tls13::Records<Aes256Gcm> = tls13::Records::new(32);
static CHACHA_TLS13: tls13::Records<ChaCha20Poly1305> = tls13::Records::new(32);

static AES128_TLS12: tls12::Records<Aes128Gcm> = tls12::Records::new(16, 8);
static AES256_TLS12: tls12::Records<Aes256Gcm> = tls12::Records::new(32, 8);
static CHACHA_TLS12: tls12::Records<ChaCha20Poly1305> = tls12::Records::new(32, 0);

static TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: Tls12CipherSuite =
    tls12(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, &Sha2::BITS_256, ECDSA, &AES128_TLS12, AES_GCM_LIMIT);
static TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: Tls12CipherSuite =
    tls12(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, &Sha2::BITS_384, ECDSA, &AES256_TLS12, AES_GCM_LIMIT);
static TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: Tls12CipherSuite =
    tls12(CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, &Sha2::BITS_256, ECDSA, &CHACHA_TLS12, u64::MAX);
static TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: Tls12CipherSuite =
    tls12(CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, &Sha2::BITS_256, RSA, &AES128_TLS12, AES_GCM_LIMIT);
static TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: Tls12CipherSuite =
    tls12(CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, &Sha2::BITS_384, RSA, &AES256_TLS12, AES_GCM_LIMIT);
static TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: Tls12CipherSuite =
    tls12(CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, &Sha2::BITS_256, RSA, &CHACHA_TLS12, u64::MAX);

static ECDSA: &[SignatureScheme] =
    &[SignatureScheme::ED25519, SignatureScheme::ECDSA_NISTP384_SHA384, SignatureScheme::ECDSA_NISTP256_SHA256];
static RSA: &[SignatureScheme] = &[
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PKCS1_SHA512,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA256,
];

const fn tls13(
    suite: CipherSuite,
    hash_provider: &'static dyn Hash,
    hkdf_provider: &'static HkdfUsingHmac<'static>,
    aead_alg: &'static dyn Tls13AeadAlgorithm,
    confidentiality_limit: u64,
) -> Tls13CipherSuite {
    let common = CipherSuiteCommon { suite, hash_provider, confidentiality_limit };
    Tls13CipherSuite { common, hkdf_provider, aead_alg, quic: None }
}

/// A hash function, and what TLS 1.2 derives keys with.
struct Sha2 {
    hash: &'static dyn Hash,
    prf: PrfUsingHmac<'static>,
}

impl Sha2 {
    const BITS_256: Self = Self::new(&SHA256, &HMAC_SHA256);
    const BITS_384: Self = Self::new(&SHA384, &HMAC_SHA384);

    const fn new(hash: &'static dyn Hash, hmac: &'static dyn Hmac) -> Self {
        Self { hash, prf: PrfUsingHmac(hmac) }
    }
}

const fn tls12(
    suite: CipherSuite,
    sha2: &'static Sha2,
    sign: &'static [SignatureScheme],
    aead_alg: &'static dyn Tls12AeadAlgorithm,
    confidentiality_limit: u64,
) -> Tls12CipherSuite {
    let common = CipherSuiteCommon { suite, hash_provider: sha2.hash, confidentiality_limit };
    Tls12CipherSuite { common, prf_provider: &sha2.prf, kx: KeyExchangeAlgorithm::ECDHE, sign, aead_alg }
}
