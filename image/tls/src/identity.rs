//! The certificates and the key that an end proves its name with.

use alloc::vec::Vec;
use core::fmt;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::SetupError;

/// A chain of certificates, that of the server first, and the key of the first.
///
/// ```
/// use switchboard_tls::{Identity, SetupError};
///
/// # let (cert, key) = (include_bytes!("../tests/data/p256.pem"), include_bytes!("../tests/data/p256.key"));
/// let identity = Identity::from_pem(cert, key)?;
/// assert_eq!(identity.certificates().len(), 1);
/// assert_eq!(Identity::from_pem(b"", key).unwrap_err(), SetupError::NoCertificate);
/// # Ok::<_, SetupError>(())
/// ```
pub struct Identity {
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Identity {
    /// Reads certificates and a key from PEM, as `openssl req -x509` and ACME clients write them. Both may be in one
    /// text; keys are PKCS#8, SEC1 or PKCS#1, without a passphrase.
    ///
    /// # Errors
    /// [`SetupError`] when one is missing or malformed. Whether they match is checked when they are used.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, SetupError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates).collect();
        let certificates = chain.ok().filter(|chain| !chain.is_empty()).ok_or(SetupError::NoCertificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| SetupError::NoKey)?;
        Ok(Self { certificates, key })
    }

    /// Returns the certificates, as DER.
    #[must_use]
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self { certificates: self.certificates.clone(), key: self.key.clone_key() }
    }
}

// The key is not printed.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} certificates and a key", self.certificates.len())
    }
}
