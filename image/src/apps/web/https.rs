//! HTTPS on port 443, beside HTTP: feature `tls`.
//!
//! Certificate and key are files of QEMU's `-fw_cfg`: those of a disk are served to everybody, and a key must not be.

use alloc::vec::Vec;

use switchboard_runtime::{hal, say};
use switchboard_tls::{Identity, ServerOptions, TlsAcceptor};

/// The longest file: a chain of certificates.
const MAX_BYTES: usize = 64 * 1024;
/// The files of `-fw_cfg name=NAME,file=FILE`.
const CERTIFICATE: &str = "opt/switchboard/tls/cert";
const KEY: &str = "opt/switchboard/tls/key";

/// Returns the server's end of TLS; prints the reason if there is none.
pub(super) fn acceptor() -> Option<TlsAcceptor> {
    let read = |name| -> Option<Vec<u8>> { hal::firmware_file(name, MAX_BYTES) };
    let (Some(certificate), Some(key)) = (read(CERTIFICATE), read(KEY)) else {
        say!("no https: -fw_cfg name={CERTIFICATE},file=CERT.PEM -fw_cfg name={KEY},file=KEY.PEM give the certificate");
        return None;
    };
    let identity = Identity::from_pem(&certificate, &key);
    match identity.and_then(|identity| TlsAcceptor::new(identity, &ServerOptions::default())) {
        Ok(acceptor) => {
            say!("https on port 443");
            Some(acceptor)
        }
        Err(error) => {
            say!("no https: {error}");
            None
        }
    }
}
