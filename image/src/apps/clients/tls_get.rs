//! A TLS client: sends `GET /` to a server whose certificate is verified, and prints the status line.
//!
//! `-- 10.0.2.2:4433 switchboard.test` connects to the address and expects a certificate of the name, signed by an authority
//! of `-fw_cfg name=opt/switchboard/tls/roots,file=ROOTS.PEM`.

use alloc::format;
use alloc::string::String;

use embedded_io_async::{Read, Write};
use switchboard_net::TcpStream;
use switchboard_runtime::hal::firmware_file;
use switchboard_runtime::say;
use switchboard_runtime::system::{Outcome, System};
use switchboard_tls::{Roots, TlsConnector, TlsError};

use super::{Failure, dial, first_stack};

const USAGE: &str = "a server and its name, as in `-- 10.0.2.2:4433 switchboard.test`";
const ROOTS: &str = "opt/switchboard/tls/roots";
const MAX_ROOTS_BYTES: usize = 256 * 1024;
/// What is read of a response at most.
const MAX_RESPONSE_BYTES: usize = 1 << 20;

pub(in crate::apps) async fn run(mut system: System) -> Outcome {
    let (server, name) = system.arguments.split_once(' ').ok_or(Failure::Usage(USAGE))?;
    let no_roots = || Failure::Protocol(format!("-fw_cfg name={ROOTS},file=ROOTS.PEM gives the certificates to trust"));
    let roots = Roots::from_pem(&firmware_file(ROOTS, MAX_ROOTS_BYTES).ok_or_else(no_roots)?)?;
    let connector = TlsConnector::new(roots, &[])?;
    let (_network, stack) = first_stack(&mut system).await?;
    let stream = dial(&stack, server, USAGE).await?;
    match get(&connector, name, stream).await {
        Ok((status, length)) => say!("tls {name}: {status}, {length} bytes"),
        Err(error) => say!("tls {name}: {error}"),
    }
    Ok(())
}

/// Returns the first line of a response, and the length of the whole.
async fn get(
    connector: &TlsConnector,
    name: &str,
    stream: TcpStream,
) -> Result<(String, usize), TlsError<switchboard_net::TcpError>> {
    let mut stream = connector.connect(name, stream).await?;
    stream.write_all(format!("GET / HTTP/1.0\r\nHost: {name}\r\n\r\n").as_bytes()).await?;
    stream.flush().await?;
    let (mut line, mut has_line, mut length, mut buffer) = (String::new(), false, 0, [0; 512]);
    while length < MAX_RESPONSE_BYTES {
        let count = match stream.read(&mut buffer).await {
            Ok(0) => break,
            Ok(count) => count,
            // Servers of HTTP/1.0 may close without ending TLS.
            Err(TlsError::UnexpectedEof) if length > 0 => break,
            Err(error) => return Err(error),
        };
        let bytes = buffer.get(..count).unwrap_or_default();
        length += bytes.len();
        if !has_line {
            let end = bytes.iter().position(|byte| *byte == b'\r');
            has_line = end.is_some();
            line.push_str(&String::from_utf8_lossy(bytes.get(..end.unwrap_or(count)).unwrap_or_default()));
        }
    }
    Ok((line, length))
}
