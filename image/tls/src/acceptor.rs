//! The server's end.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use embedded_io_async::{Read, Write};
use rustls::ServerConfig;
use rustls::server::UnbufferedServerConnection;
use switchboard_runtime::entropy::{self, Entropy};

use crate::clock::ServerClock;
use crate::error::{SetupError, TlsError};
use crate::identity::Identity;
use crate::provider;
use crate::session::End;
use crate::stream::TlsStream;
use crate::tickets;

/// What a server agrees to.
#[derive(Debug, Clone, Copy)]
pub struct ServerOptions<'a> {
    /// The application protocols, in order of preference (ALPN); a client that offers others alone is refused. Empty: any.
    pub protocols: &'a [&'a [u8]],
    /// Starts although random numbers are unfit for keys: for tests. Every key can then be guessed.
    pub allow_unfit_entropy: bool,
}

impl Default for ServerOptions<'_> {
    fn default() -> Self {
        Self { protocols: &[b"http/1.1"], allow_unfit_entropy: false }
    }
}

/// Makes TLS connections of those that a server accepts. Cheap to clone.
///
/// ```
/// # use switchboard_net_testing as _;
/// use embedded_io_async::{Read, Write};
/// use switchboard_tls::{Identity, ServerOptions, SetupError, TlsAcceptor, TlsError};
///
/// /// Answers one line.
/// async fn greet<T: Read + Write>(acceptor: &TlsAcceptor, transport: T) -> Result<(), TlsError<T::Error>> {
///     let mut stream = acceptor.accept(transport).await?;
///     stream.write_all(b"hello\n").await?;
///     stream.close().await
/// }
///
/// # let (cert, key) = (include_bytes!("../tests/data/p256.pem"), include_bytes!("../tests/data/p256.key"));
/// let identity = Identity::from_pem(cert, key)?;
/// let error = TlsAcceptor::new(identity.clone(), &ServerOptions::default()).unwrap_err();
/// assert!(matches!(error, SetupError::Entropy(_)), "a test has no entropy");
/// let acceptor = TlsAcceptor::new(identity, &ServerOptions { allow_unfit_entropy: true, ..ServerOptions::default() })?;
/// # Ok::<_, SetupError>(())
/// ```
#[derive(Clone)]
pub struct TlsAcceptor {
    pub(crate) config: Arc<ServerConfig>,
    /// Where text of responses is written before it is encrypted.
    #[cfg(feature = "http")]
    pub(crate) scratch: alloc::rc::Rc<core::cell::RefCell<Vec<u8>>>,
}

impl TlsAcceptor {
    /// Makes an acceptor of TLS 1.2 and 1.3, with session tickets.
    ///
    /// # Errors
    /// [`SetupError`] when the key is not usable or not that of the certificate, or random numbers are unfit for keys.
    pub fn new(identity: Identity, options: &ServerOptions<'_>) -> Result<Self, SetupError> {
        if let (Entropy::Unfit(reason), false) = (entropy::state(), options.allow_unfit_entropy) {
            return Err(reason.into());
        }
        let builder = ServerConfig::builder_with_details(provider::crypto_provider(), Arc::new(ServerClock));
        let builder = builder.with_safe_default_protocol_versions()?.with_no_client_auth();
        let mut config = builder.with_single_cert(identity.certificates, identity.key)?;
        config.alpn_protocols = options.protocols.iter().map(|protocol| protocol.to_vec()).collect::<Vec<_>>();
        config.ticketer = tickets::session_tickets();
        // One is enough for a client that opens its next connection after this one.
        config.send_tls13_tickets = 1;
        Ok(Self::from_config(Arc::new(config)))
    }

    /// Makes an acceptor of a configuration of rustls: with client certificates, several names, or other suites.
    /// [`crypto_provider`](crate::crypto_provider) has the cryptography for it.
    #[must_use]
    pub fn from_config(config: Arc<ServerConfig>) -> Self {
        Self {
            config,
            #[cfg(feature = "http")]
            scratch: alloc::rc::Rc::default(),
        }
    }

    /// Accepts a connection: returns when the handshake is complete.
    ///
    /// # Errors
    /// [`TlsError`] when the client is refused, violates the protocol, or does not answer within
    /// [`HANDSHAKE_TIMEOUT`](crate::HANDSHAKE_TIMEOUT).
    pub async fn accept<T: Read + Write>(&self, transport: T) -> Result<TlsStream<T>, TlsError<T::Error>> {
        let connection = UnbufferedServerConnection::new(self.config.clone())?;
        TlsStream::start(transport, End::Server(connection)).await
    }
}

impl fmt::Debug for TlsAcceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsAcceptor").finish_non_exhaustive()
    }
}
