//! What the tests share: identities, both ends, and transports.
#![allow(dead_code, clippy::allow_attributes, reason = "each test uses a part of it")]

pub(crate) mod pipe;
pub(crate) mod tcp;

use std::sync::Arc;
use std::time::SystemTime;

use switchboard_net_testing as _;
use switchboard_runtime::wall_clock::{self, UnixTime};
use switchboard_tls::rustls::client::Resumption;
use switchboard_tls::rustls::pki_types::pem::PemObject;
use switchboard_tls::rustls::pki_types::{CertificateDer, UnixTime as TlsTime};
use switchboard_tls::rustls::time_provider::TimeProvider;
use switchboard_tls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use switchboard_tls::{Identity, Roots, ServerOptions, TlsAcceptor, TlsConnector, client_sessions, crypto_provider};

/// The name in the certificates.
pub(crate) const NAME: &str = "switchboard.test";
/// The kinds of keys, which are the names of files.
pub(crate) const KEYS: [&str; 4] = ["p256", "p384", "ed25519", "rsa"];
/// The versions of TLS.
pub(crate) const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

/// Returns the path of a test file.
pub(crate) fn path(file: &str) -> String {
    format!("{}/tests/data/{file}", env!("CARGO_MANIFEST_DIR"))
}

/// Returns the contents of a test file.
pub(crate) fn read(file: &str) -> Vec<u8> {
    std::fs::read(path(file)).expect("the file is part of the tests")
}

/// Returns a certificate and a key.
pub(crate) fn identity(key: &str) -> Identity {
    Identity::from_pem(&read(&format!("{key}.pem")), &read(&format!("{key}.key"))).expect("valid files")
}

/// Returns a server with a certificate.
pub(crate) fn acceptor(key: &str) -> TlsAcceptor {
    let options = ServerOptions { allow_unfit_entropy: true, ..ServerOptions::default() };
    TlsAcceptor::new(identity(key), &options).expect("valid files")
}

/// Sets the wall clock of this process to the real time.
pub(crate) fn set_clock() {
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    wall_clock::set(UnixTime::from_seconds(now));
}

/// Returns a client that trusts a server's certificate.
pub(crate) fn connector(key: &str) -> TlsConnector {
    set_clock();
    let roots = Roots::from_pem(&read(&format!("{key}.pem"))).expect("a valid file");
    TlsConnector::with_unfit_entropy(roots, &[b"http/1.1"]).expect("a valid configuration")
}

/// A clock that a test sets.
#[derive(Debug)]
pub(crate) struct FixedClock(pub(crate) u64);

impl TimeProvider for FixedClock {
    fn current_time(&self) -> Option<TlsTime> {
        Some(TlsTime::since_unix_epoch(core::time::Duration::from_secs(self.0)))
    }
}

/// Returns a client that speaks one version, offers one application protocol, and has a clock of its own.
pub(crate) fn connector_with(
    key: &str,
    version: &'static SupportedProtocolVersion,
    protocol: &[u8],
    seconds: Option<u64>,
) -> TlsConnector {
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_secs();
    let clock = FixedClock(seconds.unwrap_or(now));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&read(&format!("{key}.pem"))) {
        roots.add(certificate.expect("a valid file")).expect("a valid certificate");
    }
    let builder = ClientConfig::builder_with_details(crypto_provider(), Arc::new(clock));
    let builder = builder.with_protocol_versions(&[version]).expect("a version");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    config.resumption = Resumption::store(client_sessions());
    TlsConnector::from_config(Arc::new(config))
}
