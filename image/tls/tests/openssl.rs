//! Against OpenSSL, in both directions. Skipped where `openssl` is missing.

mod support;

use core::time::Duration;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::thread;

use embassy_futures::block_on;
use embedded_io_async::{Read, Write};
use support::tcp::Tcp;
use support::{KEYS, NAME, acceptor, connector, path};

/// Returns `true` if `openssl` is installed; prints the reason why a test is skipped if not.
fn has_openssl() -> bool {
    let is_there = Command::new("openssl").arg("version").output().is_ok();
    if !is_there {
        println!("skipped: openssl is not installed");
    }
    is_there
}

/// `openssl s_server` with a certificate, on a port. It sends each line back, reversed.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(key: &str, arguments: &[&str]) -> Self {
        let (certificate, key) = (path(&format!("{key}.pem")), path(&format!("{key}.key")));
        let mut child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-cert", &certificate, "-key", &key, "-rev"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl starts");
        // It prints `ACCEPT 127.0.0.1:PORT`.
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        while !line.starts_with("ACCEPT") {
            line.clear();
            assert!(output.read_line(&mut line).expect("text") > 0, "s_server has ended");
        }
        let port = line.trim().rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        thread::spawn(move || {
            output.read_to_end(&mut Vec::new()).unwrap_or_default();
        });
        Self { child, port }
    }

    fn connect(&self) -> Tcp {
        Tcp::new(TcpStream::connect(("127.0.0.1", self.port)).expect("a connection"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).expect("it ends");
    }
}

#[test]
fn a_client_of_ours_talks_to_openssl() {
    if !has_openssl() {
        return;
    }
    for key in KEYS {
        let connector = connector(key);
        for version in ["-tls1_2", "-tls1_3"] {
            let server = Server::start(key, &[version]);
            for is_resumed in [false, true] {
                let connected = block_on(connector.connect(NAME, server.connect()));
                let mut stream = connected.unwrap_or_else(|error| panic!("{key} {version}: {error}"));
                assert_eq!(stream.is_resumed(), is_resumed, "{key} {version}");
                let mut answer = [0; 8];
                block_on(stream.write_all(b"abcdefg\n")).expect("sent");
                block_on(stream.read_exact(&mut answer)).expect("received");
                assert_eq!(&answer, b"gfedcba\n");
                block_on(stream.close()).expect("closed");
            }
        }
    }
}

#[test]
fn every_suite_and_group_works_with_openssl() {
    if !has_openssl() {
        return;
    }
    for suite in ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"] {
        exchange("p256", &["-tls1_3", "-ciphersuites", suite]);
    }
    for suite in ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"] {
        exchange("p256", &["-tls1_2", "-cipher", suite]);
    }
    for suite in ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305"] {
        exchange("rsa", &["-tls1_2", "-cipher", suite]);
    }
    for group in ["X25519", "P-256", "P-384"] {
        for version in ["-tls1_2", "-tls1_3"] {
            exchange("p256", &[version, "-groups", group]);
        }
    }
}

/// Exchanges 100 kB with a server of these options, in long lines.
fn exchange(key: &str, arguments: &[&str]) {
    let server = Server::start(key, arguments);
    let connected = block_on(connector(key).connect(NAME, server.connect()));
    let mut stream = connected.unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
    let line: Vec<u8> = (0..9_999).map(|index| b'a' + (index % 26) as u8).chain([b'\n']).collect();
    let reversed: Vec<u8> = line[..9_999].iter().rev().copied().chain([b'\n']).collect();
    for _ in 0..10 {
        let mut answer = vec![0; line.len()];
        block_on(stream.write_all(&line)).expect("sent");
        block_on(stream.read_exact(&mut answer)).expect("received");
        assert!(answer == reversed, "{arguments:?}");
    }
}

/// Serves one connection with a certificate: sends one line back. Returns the port.
fn serve(key: &str, connections: usize) -> (u16, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let acceptor = acceptor(key);
    let server = thread::spawn(move || {
        let mut errors = Vec::new();
        for _ in 0..connections {
            let (stream, _) = listener.accept().expect("a connection");
            let served = block_on(async {
                let mut stream = acceptor.accept(Tcp::new(stream)).await?;
                let mut line = [0; 6];
                stream.read_exact(&mut line).await.unwrap_or_default();
                stream.write_all(&line).await?;
                stream.close().await?;
                // Until the client has closed, too.
                while stream.read(&mut line).await.is_ok_and(|count| count > 0) {}
                Ok::<_, switchboard_tls::TlsError<_>>(())
            });
            errors.extend(served.err().map(|error| error.to_string()));
        }
        errors
    });
    (port, server)
}

/// Runs `openssl s_client` with one line of input, and ends its input when it has the answer.
fn s_client(port: u16, arguments: &[&str]) -> Output {
    let mut child = Command::new("openssl")
        .args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-servername", NAME, "-verify_return_error"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl starts");
    let mut input: ChildStdin = child.stdin.take().expect("a pipe");
    thread::spawn(move || {
        input.write_all(b"hello\n").unwrap_or_default();
        thread::sleep(Duration::from_millis(500));
    });
    child.wait_with_output().expect("it ends")
}

#[test]
fn openssl_talks_to_a_server_of_ours() {
    if !has_openssl() {
        return;
    }
    for key in KEYS {
        for version in ["-tls1_2", "-tls1_3"] {
            let (port, server) = serve(key, 1);
            let output = s_client(port, &[version, "-CAfile", &path(&format!("{key}.pem")), "-alpn", "h2,http/1.1"]);
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(text.contains("Verify return code: 0 (ok)"), "{key} {version}: {text}");
            assert!(text.contains("ALPN protocol: http/1.1"), "{key} {version}: {text}");
            assert!(text.contains("\nhello\n"), "{key} {version}: {text}");
            assert_eq!(server.join().expect("no panic"), Vec::<String>::new(), "{key} {version}");
        }
    }
}

#[test]
fn openssl_resumes_sessions_of_ours() {
    if !has_openssl() {
        return;
    }
    let session = std::env::temp_dir().join(format!("switchboard-tls-{}.session", std::process::id()));
    let file = session.to_string_lossy().into_owned();
    for version in ["-tls1_2", "-tls1_3"] {
        let (port, server) = serve("p256", 2);
        let root = path("p256.pem");
        let first = s_client(port, &[version, "-CAfile", &root, "-sess_out", &file]);
        assert!(String::from_utf8_lossy(&first.stdout).contains("New, TLSv1."), "{version}");
        let second = s_client(port, &[version, "-CAfile", &root, "-sess_in", &file]);
        let text = String::from_utf8_lossy(&second.stdout).into_owned();
        assert!(text.contains("Reused, TLSv1."), "{version}: {text}");
        assert_eq!(server.join().expect("no panic"), Vec::<String>::new(), "{version}");
    }
    std::fs::remove_file(session).expect("it was written");
}

#[test]
fn old_versions_are_refused_with_an_alert() {
    if !has_openssl() {
        return;
    }
    let (port, server) = serve("rsa", 1);
    let output = s_client(port, &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("alert"), "{text}");
    let errors = server.join().expect("no panic");
    assert!(errors.len() == 1, "{errors:?}");
}
