//! A TLS connection without its transport: bytes of the peer in, records for the peer and decrypted data out.

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus};
use rustls::{CommonState, Error};

use crate::buffers::{Buffers, OutOfMemory, Output};

/// Bytes of text in a record of ours: a part of a large write, so that the peer can begin to decrypt.
pub(crate) const MAX_TEXT_BYTES: usize = 8 * 1024;
/// Bytes that encryption adds to a record at most, with its header.
const RECORD_OVERHEAD_BYTES: usize = 5 + 8 + 1 + 16;
/// Bytes of an alert's record.
const ALERT_BYTES: usize = 2 + RECORD_OVERHEAD_BYTES;

/// Bytes that are reserved for the state of a connection while its handshake runs, beside its buffers.
///
/// Measured by the heap in `/metrics`: a connection whose handshake waits for the peer uses 6.9 KiB (TLS 1.3) and 4.2 KiB
/// (TLS 1.2) more than one without TLS. The rest is for the messages that are processed meanwhile, an estimate.
pub(crate) const HANDSHAKE_BYTES: usize = 12 * 1024;
/// Bytes that are reserved after the handshake, beside the buffers.
///
/// Measured in the same way: 8.3 KiB (TLS 1.3) and 7.9 KiB (TLS 1.2) with the buffer of 1 KiB that an idle connection has.
pub(crate) const ESTABLISHED_BYTES: usize = 8 * 1024;

/// One end of a connection.
pub(crate) enum End {
    /// The server.
    Server(UnbufferedServerConnection),
    /// The client.
    Client(UnbufferedClientConnection),
}

/// A connection, its buffers, and how far it is.
pub(crate) struct Session {
    end: End,
    pub(crate) buffers: Buffers,
    /// Application data may be written.
    pub(crate) is_established: bool,
    /// The peer has ended TLS: all its data was received.
    pub(crate) is_ended: bool,
    /// This end has ended TLS.
    pub(crate) is_closed: bool,
}

/// The error of a session.
#[derive(Debug)]
pub(crate) enum Failure {
    OutOfMemory,
    Protocol(Error),
}

impl From<OutOfMemory> for Failure {
    fn from(OutOfMemory: OutOfMemory) -> Self {
        Self::OutOfMemory
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Protocol(error)
    }
}

/// What a session does next.
enum Next {
    /// There may be more to process.
    Continue,
    /// The peer has ended TLS.
    Ended,
    /// The handshake waits for the peer.
    Wait,
    /// The handshake is complete; what the argument asked for is done.
    Established,
}

/// What to do when application data may be written.
#[derive(Clone, Copy)]
enum Action<'a> {
    Nothing,
    Write(&'a [u8]),
    Close,
}

impl Session {
    /// Starts a session.
    pub(crate) fn new(end: End) -> Result<Self, Failure> {
        // The messages of a client fit a record, and a server's certificates have four of the longest at most.
        let max_records = if matches!(end, End::Server(_)) { 2 } else { 5 };
        let buffers = Buffers::new(HANDSHAKE_BYTES, max_records)?;
        Ok(Self { end, buffers, is_established: false, is_ended: false, is_closed: false })
    }

    /// Returns what rustls has negotiated.
    pub(crate) fn common(&self) -> &CommonState {
        match &self.end {
            End::Server(connection) => connection,
            End::Client(connection) => connection,
        }
    }

    /// Processes what was received. On an error, an alert for the peer is among the records to send.
    pub(crate) fn process(&mut self) -> Result<(), Failure> {
        self.run(Action::Nothing)
    }

    /// Encrypts a record of up to [`MAX_TEXT_BYTES`].
    pub(crate) fn write(&mut self, text: &[u8]) -> Result<(), Failure> {
        self.run(Action::Write(text))
    }

    /// Ends TLS: the last record of this end.
    pub(crate) fn close(&mut self) -> Result<(), Failure> {
        if core::mem::replace(&mut self.is_closed, true) || !self.is_established {
            return Ok(());
        }
        self.run(Action::Close)
    }

    fn run(&mut self, action: Action<'_>) -> Result<(), Failure> {
        loop {
            match self.step(action) {
                Ok(Next::Continue) => {}
                Ok(Next::Ended) => self.is_ended = true,
                Ok(Next::Wait) if matches!(action, Action::Nothing) => break,
                Ok(Next::Wait) => return Err(Error::HandshakeNotComplete.into()),
                Ok(Next::Established) => {
                    if !self.is_established {
                        self.is_established = true;
                        self.buffers.set_base(ESTABLISHED_BYTES);
                    }
                    break;
                }
                Err(failure) => {
                    self.queue_alert();
                    return Err(failure);
                }
            }
        }
        Ok(self.buffers.reserve()?)
    }

    fn step(&mut self, action: Action<'_>) -> Result<Next, Failure> {
        let (incoming, output) = self.buffers.split();
        let (discard, next) = match &mut self.end {
            End::Server(connection) => handle(connection.process_tls_records(incoming), output, action),
            End::Client(connection) => handle(connection.process_tls_records(incoming), output, action),
        };
        self.buffers.discard(discard);
        next
    }

    /// Adds the alert of an error to the records to send, if there is one.
    fn queue_alert(&mut self) {
        // rustls returns what is to be sent before it processes more, and would find the error again.
        while self.common().wants_write() {
            if !matches!(self.step(Action::Nothing), Ok(Next::Continue)) {
                return;
            }
        }
    }
}

/// Handles one state of a connection; returns how many bytes of the peer are processed.
fn handle<D>(
    status: UnbufferedStatus<'_, '_, D>,
    mut output: Output<'_>,
    action: Action<'_>,
) -> (usize, Result<Next, Failure>) {
    let UnbufferedStatus { mut discard, state } = status;
    let next = match state {
        Ok(ConnectionState::ReadTraffic(mut traffic)) => {
            let mut next = Ok(Next::Continue);
            while let Some(record) = traffic.next_record() {
                let added = record.map_err(Failure::from).and_then(|record| {
                    discard += record.discard;
                    Ok(output.add_plaintext(record.payload)?)
                });
                if let Err(failure) = added {
                    next = Err(failure);
                    break;
                }
            }
            next
        }
        Ok(ConnectionState::EncodeTlsData(mut data)) => {
            let bytes = match data.encode(&mut []) {
                Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) => required_size,
                _ => 0,
            };
            let encode = |room: &mut [u8]| data.encode(room).map_err(|_| Failure::OutOfMemory);
            output.add_record(bytes, encode).map(|()| Next::Continue)
        }
        Ok(ConnectionState::TransmitTlsData(data)) => {
            // The records are sent in order, before anything else is.
            data.done();
            Ok(Next::Continue)
        }
        Ok(ConnectionState::PeerClosed) => Ok(Next::Ended),
        Ok(ConnectionState::Closed) => Ok(Next::Established),
        Ok(ConnectionState::WriteTraffic(mut traffic)) => match action {
            Action::Nothing => Ok(Next::Established),
            Action::Write(text) => {
                let encrypt = |room: &mut [u8]| traffic.encrypt(text, room).map_err(encrypt_failure);
                output.add_record(text.len() + 2 * RECORD_OVERHEAD_BYTES, encrypt).map(|()| Next::Established)
            }
            Action::Close => {
                let close = |room: &mut [u8]| traffic.queue_close_notify(room).map_err(encrypt_failure);
                output.add_record(ALERT_BYTES, close).map(|()| Next::Established)
            }
        },
        Ok(_) => Ok(Next::Wait),
        Err(error) => Err(error.into()),
    };
    (discard, next)
}

fn encrypt_failure(error: EncryptError) -> Failure {
    match error {
        EncryptError::InsufficientSize(_) => Failure::OutOfMemory,
        _ => Failure::Protocol(Error::EncryptError),
    }
}
