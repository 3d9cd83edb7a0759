//! Private keys, and what they sign: ECDSA on P-256 and P-384, and Ed25519.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use ed25519_dalek::pkcs8::DecodePrivateKey;
use p256::ecdsa::signature::Signer as _;
use p256::elliptic_curve::sec1::ToSec1Point;
use rustls::crypto::KeyProvider;
use rustls::pki_types::{AlgorithmIdentifier, PrivateKeyDer, SubjectPublicKeyInfoDer, alg_id};
use rustls::sign::{Signer, SigningKey, public_key_to_spki};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};

use super::sign_rsa::RsaKey;

/// The private keys that can be loaded: PKCS#8, SEC1 and PKCS#1.
#[derive(Debug)]
pub(super) struct Keys;

impl KeyProvider for Keys {
    fn load_private_key(&self, key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        match &key {
            PrivateKeyDer::Pkcs8(der) => {
                let der = der.secret_pkcs8_der();
                if let Ok(key) = p256::SecretKey::from_pkcs8_der(der) {
                    return Ok(p256(&key));
                }
                if let Ok(key) = p384::SecretKey::from_pkcs8_der(der) {
                    return Ok(p384(&key));
                }
                if let Ok(key) = ed25519_dalek::SigningKey::from_pkcs8_der(der) {
                    return Ok(ed25519(key));
                }
                rsa::PrivateKey::from_pkcs8_der(der).map_err(|_| ()).and_then(RsaKey::load)
            }
            PrivateKeyDer::Sec1(der) => {
                let der = der.secret_sec1_der();
                if let Ok(key) = p256::SecretKey::from_sec1_der(der) {
                    return Ok(p256(&key));
                }
                p384::SecretKey::from_sec1_der(der).map(|key| p384(&key)).map_err(|_| ())
            }
            PrivateKeyDer::Pkcs1(der) => {
                use rsa::pkcs1::DecodeRsaPrivateKey;
                rsa::PrivateKey::from_pkcs1_der(der.secret_pkcs1_der()).map_err(|_| ()).and_then(RsaKey::load)
            }
            _ => Err(()),
        }
        .map_err(|()| {
            Error::General("the key is not of ECDSA (P-256, P-384), Ed25519 or RSA (2048 to 4096 bits)".into())
        })
    }
}

/// A private key that has one signature scheme.
struct SingleScheme<K> {
    key: Arc<K>,
    scheme: SignatureScheme,
    algorithm: SignatureAlgorithm,
    spki: SubjectPublicKeyInfoDer<'static>,
}

/// A key of one scheme that signs.
trait Sign: Send + Sync + 'static {
    /// Returns the signature, as TLS encodes it.
    fn sign(&self, message: &[u8]) -> Option<Vec<u8>>;
}

impl Sign for p256::ecdsa::SigningKey {
    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let signature: p256::ecdsa::DerSignature = self.try_sign(message).ok()?;
        Some(signature.as_bytes().to_vec())
    }
}

impl Sign for p384::ecdsa::SigningKey {
    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let signature: p384::ecdsa::DerSignature = self.try_sign(message).ok()?;
        Some(signature.as_bytes().to_vec())
    }
}

impl Sign for ed25519_dalek::SigningKey {
    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        Some(self.try_sign(message).ok()?.to_bytes().to_vec())
    }
}

fn p256(key: &p256::SecretKey) -> Arc<dyn SigningKey> {
    let point = key.public_key().to_sec1_point(false);
    ecdsa(
        p256::ecdsa::SigningKey::from(key),
        SignatureScheme::ECDSA_NISTP256_SHA256,
        &alg_id::ECDSA_P256,
        point.as_bytes(),
    )
}

fn p384(key: &p384::SecretKey) -> Arc<dyn SigningKey> {
    let point = key.public_key().to_sec1_point(false);
    ecdsa(
        p384::ecdsa::SigningKey::from(key),
        SignatureScheme::ECDSA_NISTP384_SHA384,
        &alg_id::ECDSA_P384,
        point.as_bytes(),
    )
}

fn ecdsa<K: Sign>(key: K, scheme: SignatureScheme, id: &AlgorithmIdentifier, point: &[u8]) -> Arc<dyn SigningKey> {
    let (algorithm, spki) = (SignatureAlgorithm::ECDSA, public_key_to_spki(id, point));
    Arc::new(SingleScheme { key: Arc::new(key), scheme, algorithm, spki })
}

fn ed25519(key: ed25519_dalek::SigningKey) -> Arc<dyn SigningKey> {
    let spki = public_key_to_spki(&alg_id::ED25519, key.verifying_key().as_bytes());
    let (scheme, algorithm) = (SignatureScheme::ED25519, SignatureAlgorithm::ED25519);
    Arc::new(SingleScheme { key: Arc::new(key), scheme, algorithm, spki })
}

impl<K: Sign> SigningKey for SingleScheme<K> {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered
            .contains(&self.scheme)
            .then(|| -> Box<dyn Signer> { Box::new(SingleSchemeSigner { key: self.key.clone(), scheme: self.scheme }) })
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(self.spki.clone())
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }
}

/// A key for one signature.
struct SingleSchemeSigner<K> {
    key: Arc<K>,
    scheme: SignatureScheme,
}

impl<K: Sign> Signer for SingleSchemeSigner<K> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.key.sign(message).ok_or_else(|| Error::General("the signature failed".into()))
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

// Keys are not printed.
impl<K> core::fmt::Debug for SingleScheme<K> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?} key", self.scheme)
    }
}

impl<K> core::fmt::Debug for SingleSchemeSigner<K> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?} key", self.scheme)
    }
}
