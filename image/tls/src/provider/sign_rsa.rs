//! Private keys of RSA, which have a signature scheme for each padding and hash.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use rsa::pkcs1::EncodeRsaPublicKey;
use rsa::signature::{RandomizedSigner, SignatureEncoding};
use rsa::traits::PublicKeyParts;
use rsa::{PrivateKey, pkcs1v15, pss};
use rustls::pki_types::{SubjectPublicKeyInfoDer, alg_id};
use rustls::sign::{Signer, SigningKey, public_key_to_spki};
use rustls::{Error, SignatureAlgorithm, SignatureScheme};
use sha2::{Sha256, Sha384, Sha512};
use switchboard_runtime::entropy::SystemRng;

/// The schemes, in order of preference: the cheap hash first, since each is as strong as the key.
const SCHEMES: [SignatureScheme; 6] = [
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
];

/// The sizes of keys in bytes. Below, they can be broken; above, a handshake would stop the machine for too long.
const KEY_BYTES: core::ops::RangeInclusive<usize> = 256..=512;

/// A private key.
pub(super) struct RsaKey {
    key: Arc<PrivateKey>,
    spki: SubjectPublicKeyInfoDer<'static>,
}

impl RsaKey {
    /// Takes a key of an allowed size.
    pub(super) fn load(key: PrivateKey) -> Result<Arc<dyn SigningKey>, ()> {
        if !KEY_BYTES.contains(&key.size()) {
            return Err(());
        }
        let public = key.to_public_key().to_pkcs1_der().map_err(|_| ())?;
        let spki = public_key_to_spki(&alg_id::RSA_ENCRYPTION, public.as_bytes());
        Ok(Arc::new(Self { key: Arc::new(key), spki }))
    }
}

impl SigningKey for RsaKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let scheme = *SCHEMES.iter().find(|scheme| offered.contains(scheme))?;
        Some(Box::new(RsaSigner { key: self.key.clone(), scheme }))
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(self.spki.clone())
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::RSA
    }
}

/// A key for one signature.
struct RsaSigner {
    key: Arc<PrivateKey>,
    scheme: SignatureScheme,
}

impl RsaSigner {
    fn try_sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let key = PrivateKey::clone(&self.key);
        match self.scheme {
            SignatureScheme::RSA_PSS_SHA256 => randomized(&pss::SigningKey::<Sha256>::new(key), message),
            SignatureScheme::RSA_PSS_SHA384 => randomized(&pss::SigningKey::<Sha384>::new(key), message),
            SignatureScheme::RSA_PSS_SHA512 => randomized(&pss::SigningKey::<Sha512>::new(key), message),
            SignatureScheme::RSA_PKCS1_SHA256 => randomized(&pkcs1v15::SigningKey::<Sha256>::new(key), message),
            SignatureScheme::RSA_PKCS1_SHA384 => randomized(&pkcs1v15::SigningKey::<Sha384>::new(key), message),
            SignatureScheme::RSA_PKCS1_SHA512 => randomized(&pkcs1v15::SigningKey::<Sha512>::new(key), message),
            _ => None,
        }
    }
}

/// Signs with the exponentiation blinded by random numbers, so that its time does not depend on the key.
fn randomized<S: SignatureEncoding>(key: &impl RandomizedSigner<S>, message: &[u8]) -> Option<Vec<u8>> {
    Some(key.try_sign_with_rng(&mut SystemRng, message).ok()?.to_vec())
}

impl Signer for RsaSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.try_sign(message).ok_or_else(|| Error::General("the signature failed".into()))
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

// Keys are not printed.
impl fmt::Debug for RsaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RSA key")
    }
}

impl fmt::Debug for RsaSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} key", self.scheme)
    }
}
