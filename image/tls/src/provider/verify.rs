//! The verification of signatures: of peers, and of certificates.

use core::fmt;
use core::marker::PhantomData;

use p256::ecdsa::signature::Verifier;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::traits::PublicKeyParts;
use rustls::SignatureScheme;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};
use sha2::{Digest, Sha256, Sha384, Sha512};

/// What peers and certificates may be signed with.
pub(super) static ALGORITHMS: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[
        &P256_SHA256,
        &P256_SHA384,
        &P384_SHA256,
        &P384_SHA384,
        &ED25519,
        &PSS_SHA256,
        &PSS_SHA384,
        &PSS_SHA512,
        &PKCS1_SHA256,
        &PKCS1_SHA384,
        &PKCS1_SHA512,
    ],
    mapping: &[
        // TLS 1.3 takes the first of each, which has the curve of the name; TLS 1.2 names the hash alone.
        (SignatureScheme::ECDSA_NISTP256_SHA256, &[&P256_SHA256, &P384_SHA256]),
        (SignatureScheme::ECDSA_NISTP384_SHA384, &[&P384_SHA384, &P256_SHA384]),
        (SignatureScheme::ED25519, &[&ED25519]),
        (SignatureScheme::RSA_PSS_SHA256, &[&PSS_SHA256]),
        (SignatureScheme::RSA_PSS_SHA384, &[&PSS_SHA384]),
        (SignatureScheme::RSA_PSS_SHA512, &[&PSS_SHA512]),
        (SignatureScheme::RSA_PKCS1_SHA256, &[&PKCS1_SHA256]),
        (SignatureScheme::RSA_PKCS1_SHA384, &[&PKCS1_SHA384]),
        (SignatureScheme::RSA_PKCS1_SHA512, &[&PKCS1_SHA512]),
    ],
};

static P256_SHA256: Algorithm<P256<Sha256>> = Algorithm::new(alg_id::ECDSA_P256, alg_id::ECDSA_SHA256);
static P256_SHA384: Algorithm<P256<Sha384>> = Algorithm::new(alg_id::ECDSA_P256, alg_id::ECDSA_SHA384);
static P384_SHA256: Algorithm<P384<Sha256>> = Algorithm::new(alg_id::ECDSA_P384, alg_id::ECDSA_SHA256);
static P384_SHA384: Algorithm<P384<Sha384>> = Algorithm::new(alg_id::ECDSA_P384, alg_id::ECDSA_SHA384);
static ED25519: Algorithm<Ed25519> = Algorithm::new(alg_id::ED25519, alg_id::ED25519);
static PSS_SHA256: Algorithm<Pss<Sha256>> = Algorithm::new(alg_id::RSA_ENCRYPTION, alg_id::RSA_PSS_SHA256);
static PSS_SHA384: Algorithm<Pss<Sha384>> = Algorithm::new(alg_id::RSA_ENCRYPTION, alg_id::RSA_PSS_SHA384);
static PSS_SHA512: Algorithm<Pss<Sha512>> = Algorithm::new(alg_id::RSA_ENCRYPTION, alg_id::RSA_PSS_SHA512);
static PKCS1_SHA256: Algorithm<Pkcs1<Sha256>> = Algorithm::new(alg_id::RSA_ENCRYPTION, alg_id::RSA_PKCS1_SHA256);
static PKCS1_SHA384: Algorithm<Pkcs1<Sha384>> = Algorithm::new(alg_id::RSA_ENCRYPTION, alg_id::RSA_PKCS1_SHA384);
static PKCS1_SHA512: Algorithm<Pkcs1<Sha512>> = Algorithm::new(alg_id::RSA_ENCRYPTION, alg_id::RSA_PKCS1_SHA512);

/// A signature algorithm, by its two identifiers.
struct Algorithm<V> {
    key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
    verify: PhantomData<V>,
}

impl<V> Algorithm<V> {
    const fn new(key: AlgorithmIdentifier, signature: AlgorithmIdentifier) -> Self {
        Self { key, signature, verify: PhantomData }
    }
}

/// The mathematics of a signature algorithm.
trait Verify: Send + Sync {
    /// Verifies a signature; `None` if it is wrong, or it or the key is malformed.
    fn verify(key: &[u8], message: &[u8], signature: &[u8]) -> Option<()>;
}

impl<V: Verify> SignatureVerificationAlgorithm for Algorithm<V> {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        V::verify(key, message, signature).ok_or(InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.key
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }
}

impl<V> fmt::Debug for Algorithm<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Algorithm").field("signature", &self.signature).finish_non_exhaustive()
    }
}

struct P256<D>(PhantomData<D>);

impl<D: Digest + Send + Sync> Verify for P256<D> {
    fn verify(key: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(key).ok()?;
        let signature = p256::ecdsa::Signature::from_der(signature).ok()?;
        key.verify_prehash(&D::digest(message), &signature).ok()
    }
}

struct P384<D>(PhantomData<D>);

impl<D: Digest + Send + Sync> Verify for P384<D> {
    fn verify(key: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
        let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(key).ok()?;
        let signature = p384::ecdsa::Signature::from_der(signature).ok()?;
        key.verify_prehash(&D::digest(message), &signature).ok()
    }
}

struct Ed25519;

impl Verify for Ed25519 {
    fn verify(key: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
        let key = ed25519_dalek::VerifyingKey::from_bytes(key.try_into().ok()?).ok()?;
        let signature = ed25519_dalek::Signature::from_slice(signature).ok()?;
        key.verify_strict(message, &signature).ok()
    }
}

/// Returns a public key of 2,048 to 4,096 bits: the others can be broken, or take too long.
fn rsa_key(key: &[u8]) -> Option<rsa::PublicKey> {
    rsa::PublicKey::from_pkcs1_der(key).ok().filter(|key| (256..=512).contains(&key.size()))
}

/// Implements RSA with one padding for one hash.
macro_rules! rsa {
    ($name:ident, $padding:ident, $hash:ty) => {
        impl Verify for $name<$hash> {
            fn verify(key: &[u8], message: &[u8], signature: &[u8]) -> Option<()> {
                let signature = rsa::$padding::Signature::try_from(signature).ok()?;
                rsa::$padding::VerifyingKey::<$hash>::new(rsa_key(key)?).verify(message, &signature).ok()
            }
        }
    };
}

struct Pss<D>(PhantomData<D>);
struct Pkcs1<D>(PhantomData<D>);

rsa!(Pss, pss, Sha256);
rsa!(Pss, pss, Sha384);
rsa!(Pss, pss, Sha512);
rsa!(Pkcs1, pkcs1v15, Sha256);
rsa!(Pkcs1, pkcs1v15, Sha384);
rsa!(Pkcs1, pkcs1v15, Sha512);
