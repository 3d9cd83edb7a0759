//! A TLS client by `embedded-tls`, a crate that knows nothing of this project: `GET /`, and the status line.
//!
//! `-- 10.0.2.2:4433 switchboard.test` connects to the address and expects a certificate of the name, signed by the key of
//! the certificate in `-fw_cfg name=opt/switchboard/tls/root.der,file=ROOT.DER`.

use alloc::format;
use alloc::string::String;
use alloc::vec;

use embedded_io_async::Write;
use embedded_tls::pki::CertVerifier;
use embedded_tls::{
    Aes128GcmSha256, Certificate, CryptoProvider, CryptoRngCore, TlsClock, TlsConfig, TlsConnection, TlsContext,
    TlsError, TlsVerifier,
};
use switchboard_net::TcpStream;
use switchboard_runtime::entropy::SystemRng;
use switchboard_runtime::hal::firmware_file;
use switchboard_runtime::system::{Outcome, System};
use switchboard_runtime::{say, wall_clock};

use super::{Failure, dial, first_stack};

const USAGE: &str = "a server and its name, as in `-- 10.0.2.2:4433 switchboard.test`";
const ROOT: &str = "opt/switchboard/tls/root.der";
const MAX_ROOT_BYTES: usize = 16 * 1024;
/// The longest certificate of a server.
const CERTIFICATE_BYTES: usize = 4096;
/// A record of TLS with its header and tag (RFC 8446, 5.2).
const RECORD_BYTES: usize = 16_384 + 256 + 5;

/// The time against which certificates are checked.
struct WallClock;

impl TlsClock for WallClock {
    fn now() -> Option<u64> {
        wall_clock::now().map(|time| time.seconds())
    }
}

/// Random numbers and the check of the server's certificate.
struct Provider<'a> {
    rng: SystemRng,
    verifier: CertVerifier<'a, Aes128GcmSha256, WallClock, CERTIFICATE_BYTES>,
}

impl CryptoProvider for Provider<'_> {
    type CipherSuite = Aes128GcmSha256;
    type Signature = &'static [u8];

    fn rng(&mut self) -> impl CryptoRngCore {
        &mut self.rng
    }

    fn verifier(&mut self) -> Result<&mut impl TlsVerifier<Aes128GcmSha256>, TlsError> {
        Ok(&mut self.verifier)
    }
}

pub(in crate::apps) async fn run(mut system: System) -> Outcome {
    let (server, name) = system.arguments.split_once(' ').ok_or(Failure::Usage(USAGE))?;
    let no_root = || Failure::Protocol(format!("-fw_cfg name={ROOT},file=ROOT.DER gives the certificate to trust"));
    let root = firmware_file(ROOT, MAX_ROOT_BYTES).ok_or_else(no_root)?;
    let (_network, stack) = first_stack(&mut system).await?;
    let stream = dial(&stack, server, USAGE).await?;
    match get(&root, name, stream).await {
        Ok(line) => say!("embedded-tls {name}: {line}"),
        Err(error) => say!("embedded-tls {name}: {error:?}"),
    }
    Ok(())
}

/// Returns the first line of the response.
async fn get(root: &[u8], name: &str, stream: TcpStream) -> Result<String, TlsError> {
    let (mut incoming, mut outgoing) = (vec![0; RECORD_BYTES], vec![0; RECORD_BYTES]);
    let config = TlsConfig::new().with_server_name(name);
    let verifier = CertVerifier::new(Certificate::X509(root));
    let mut connection = TlsConnection::<_, Aes128GcmSha256>::new(stream, &mut incoming, &mut outgoing);
    connection.open(TlsContext::new(&config, Provider { rng: SystemRng, verifier })).await?;
    connection.write_all(format!("GET / HTTP/1.0\r\nHost: {name}\r\n\r\n").as_bytes()).await?;
    connection.flush().await?;
    let (mut text, mut buffer) = (vec![], [0; 512]);
    while !text.contains(&b'\r') {
        match connection.read(&mut buffer).await? {
            0 => break,
            count => text.extend_from_slice(&buffer[..count]),
        }
    }
    let line = text.split(|byte| *byte == b'\r').next().unwrap_or_default();
    Ok(String::from_utf8_lossy(line).into_owned())
}
