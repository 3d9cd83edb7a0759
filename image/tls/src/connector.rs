//! The client's end.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

use embedded_io_async::{Read, Write};
use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use switchboard_runtime::entropy::{self, Entropy};

use crate::clock::WallClock;
use crate::error::{SetupError, TlsError};
use crate::provider;
use crate::session::End;
use crate::sessions;
use crate::stream::TlsStream;

/// The root certificates that a client trusts.
///
/// ```
/// use switchboard_tls::Roots;
///
/// # let pem = include_bytes!("../tests/data/p256.pem");
/// let roots = Roots::from_pem(pem)?;
/// assert_eq!(roots.len(), 1);
/// # Ok::<_, switchboard_tls::SetupError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Roots(RootCertStore);

impl Roots {
    /// Reads certificates from PEM: of an authority, or a server's own that it has signed itself.
    ///
    /// # Errors
    /// [`SetupError`] when there is none, or one is malformed.
    pub fn from_pem(certificates: &[u8]) -> Result<Self, SetupError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(certificates) {
            roots.add(certificate.map_err(|_| SetupError::NoCertificate)?)?;
        }
        if roots.is_empty() { Err(SetupError::NoCertificate) } else { Ok(Self(roots)) }
    }

    /// Returns the authorities that Mozilla's browsers trust, as of the version of the crate `webpki-roots`.
    #[cfg(feature = "webpki-roots")]
    #[must_use]
    pub fn mozilla() -> Self {
        Self(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
    }

    /// Returns their number.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// Makes TLS connections to servers, and remembers sessions of the last sixteen. Cheap to clone.
///
/// A server's certificate is verified by the roots, its name, and the date: without a
/// [wall clock](switchboard_runtime::wall_clock), every connection fails.
///
/// ```no_run
/// use embedded_io_async::{Read, Write};
/// use switchboard_tls::{Roots, SetupError, TlsConnector, TlsError};
///
/// /// Sends a request, and returns the number of bytes of the answer.
/// async fn get<T: Read + Write>(connector: &TlsConnector, transport: T) -> Result<usize, TlsError<T::Error>> {
///     let mut stream = connector.connect("example.org", transport).await?;
///     stream.write_all(b"GET / HTTP/1.0\r\nHost: example.org\r\n\r\n").await?;
///     let (mut length, mut buffer) = (0, [0; 512]);
///     loop {
///         match stream.read(&mut buffer).await? {
///             0 => return Ok(length),
///             count => length += count,
///         }
///     }
/// }
///
/// # let pem = include_bytes!("../tests/data/p256.pem");
/// let error = TlsConnector::new(Roots::from_pem(pem)?, &[b"http/1.1"]).unwrap_err();
/// assert!(matches!(error, SetupError::Entropy(_)), "a test has no entropy");
/// # Ok::<_, SetupError>(())
/// ```
#[derive(Clone)]
pub struct TlsConnector {
    config: Arc<ClientConfig>,
}

impl TlsConnector {
    /// Makes a connector of TLS 1.2 and 1.3 that trusts `roots`, and offers the application protocols (ALPN) in order of
    /// preference; none of them for any.
    ///
    /// # Errors
    /// [`SetupError::Entropy`] when random numbers are unfit for keys.
    pub fn new(roots: Roots, protocols: &[&[u8]]) -> Result<Self, SetupError> {
        if let Entropy::Unfit(reason) = entropy::state() {
            return Err(reason.into());
        }
        Self::with_unfit_entropy(roots, protocols)
    }

    /// As [`new`](Self::new), although random numbers may be unfit for keys: for tests.
    ///
    /// # Errors
    /// [`SetupError::Invalid`] when rustls refuses the configuration.
    pub fn with_unfit_entropy(roots: Roots, protocols: &[&[u8]]) -> Result<Self, SetupError> {
        let builder = ClientConfig::builder_with_details(provider::crypto_provider(), Arc::new(WallClock));
        let builder = builder.with_safe_default_protocol_versions()?.with_root_certificates(roots.0);
        let mut config = builder.with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        config.resumption = Resumption::store(sessions::client_sessions());
        Ok(Self { config: Arc::new(config) })
    }

    /// Makes a connector of a configuration of rustls: with a client certificate, or a verifier of its own.
    /// [`crypto_provider`](crate::crypto_provider) has the cryptography for it.
    #[must_use]
    pub fn from_config(config: Arc<ClientConfig>) -> Self {
        Self { config }
    }

    /// Connects to the server of this name, a DNS name or an address, over a transport that leads to it: returns when the
    /// handshake is complete.
    ///
    /// # Errors
    /// [`TlsError`] when the server's certificate is refused, it violates the protocol, or does not answer within
    /// [`HANDSHAKE_TIMEOUT`](crate::HANDSHAKE_TIMEOUT).
    pub async fn connect<T: Read + Write>(
        &self,
        server: &str,
        transport: T,
    ) -> Result<TlsStream<T>, TlsError<T::Error>> {
        let name = ServerName::try_from(String::from(server));
        let name = name.map_err(|_| rustls::Error::General("the server's name is not valid".into()))?;
        let connection = UnbufferedClientConnection::new(self.config.clone(), name)?;
        TlsStream::start(transport, End::Client(connection)).await
    }
}

impl fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConnector").finish_non_exhaustive()
    }
}
