//! TLS 1.2 and 1.3 over any byte stream: rustls, with the cryptography of RustCrypto, without C code.
//!
//! A server makes a [`TlsStream`] of each connection by a [`TlsAcceptor`], a client by a [`TlsConnector`]. Transport and
//! stream are `embedded_io_async` `Read` and `Write`, so that TLS goes over TCP, and any protocol over TLS.
//!
//! | | |
//! |---|---|
//! | versions | TLS 1.3 (RFC 8446) and 1.2 (RFC 5246) with forward secrecy |
//! | key exchange | X25519, P-256, P-384 |
//! | ciphers | AES-128-GCM, AES-256-GCM, ChaCha20-Poly1305 |
//! | certificates | ECDSA P-256 and P-384, Ed25519, RSA of 2,048 to 4,096 bits |
//! | further | ALPN, session tickets of both versions; no 0-RTT, no renegotiation, no compression |
//!
//! Random numbers are those of [`switchboard_runtime::entropy`]: nothing starts while they are unfit for keys, unless it is
//! asked to. Certificates are verified by the date of [`switchboard_runtime::wall_clock`].
//!
//! AES and GHASH use the CPU's instructions where it has them (AES-NI, PCLMULQDQ). Without, they are computed without
//! tables, in constant time. RSA signatures are blinded; the crate `rsa` does not claim more.
//!
//! # Features
//!
//! - `http`: `TlsAcceptor::accept_http`, the server of `switchboard-http` above TLS.
//! - `webpki-roots`: `Roots::mozilla`, the authorities that browsers trust (the data's licence is
//!   CDLA-Permissive-2.0).
//!
//! # Dependencies in the public interface
//!
//! `rustls` 0.23, re-exported, whose configurations and errors this crate takes and returns; `embedded-io-async` 0.7;
//! `switchboard-runtime`.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod acceptor;
mod buffers;
mod clock;
mod connector;
mod error;
#[cfg(feature = "http")]
mod https;
mod identity;
mod provider;
mod session;
mod sessions;
mod stream;
mod tickets;

pub use acceptor::{ServerOptions, TlsAcceptor};
pub use connector::{Roots, TlsConnector};
pub use error::{SetupError, TlsError};
#[cfg(feature = "http")]
pub use https::TlsTransport;
pub use identity::Identity;
pub use provider::crypto_provider;
pub use rustls;
pub use sessions::client_sessions;
pub use stream::{HANDSHAKE_TIMEOUT, TlsStream};
pub use tickets::session_tickets;
