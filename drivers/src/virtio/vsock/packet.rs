//! The header of packets (virtio 1.2, 5.10.6).

/// The bytes of a header.
pub(super) const HEADER_BYTES: usize = 44;
/// The type of stream sockets.
const STREAM: u16 = 1;

/// The operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Request = 1,
    Response = 2,
    Reset = 3,
    Shutdown = 4,
    Data = 5,
    CreditUpdate = 6,
    CreditRequest = 7,
}

impl Operation {
    const ALL: [Self; 7] = [
        Self::Request,
        Self::Response,
        Self::Reset,
        Self::Shutdown,
        Self::Data,
        Self::CreditUpdate,
        Self::CreditRequest,
    ];
}

/// A flag of a shutdown: the sender receives no more.
pub(super) const NO_RECEIVE: u32 = 1;
/// A flag of a shutdown: the sender sends no more.
pub(super) const NO_SEND: u32 = 2;

/// An address: a context ID and a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct VsockAddress {
    /// The context ID; the host is [`HOST`](super::HOST).
    pub cid: u64,
    /// The port.
    pub port: u32,
}

/// A header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) source: VsockAddress,
    pub(super) destination: VsockAddress,
    pub(super) length: u32,
    /// Whether it is for a stream. Other types are refused.
    pub(super) is_stream: bool,
    /// `None` for an operation that the specification does not have.
    pub(super) operation: Option<Operation>,
    pub(super) flags: u32,
    /// The bytes of buffer that the sender has for the stream, and those that its user has taken so far, modulo 2^32.
    pub(super) buffer_bytes: u32,
    pub(super) taken: u32,
}

impl Header {
    pub(super) fn parse(bytes: &[u8; HEADER_BYTES]) -> Self {
        let field = |at: usize, width: usize| {
            bytes[at..at + width].iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte))
        };
        let word = |at| u32::try_from(field(at, 4)).unwrap_or_default();
        let operation = usize::try_from(field(30, 2)).unwrap_or_default();
        Self {
            source: VsockAddress { cid: field(0, 8), port: word(16) },
            destination: VsockAddress { cid: field(8, 8), port: word(20) },
            length: word(24),
            is_stream: field(28, 2) == u64::from(STREAM),
            operation: operation.checked_sub(1).and_then(|index| Operation::ALL.get(index).copied()),
            flags: word(32),
            buffer_bytes: word(36),
            taken: word(40),
        }
    }

    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        let operation = self.operation.map_or(0, |operation| operation as u16);
        let mut rest = bytes.as_mut_slice();
        let mut put = |field: &[u8]| {
            let (now, later) = core::mem::take(&mut rest).split_at_mut(field.len());
            now.copy_from_slice(field);
            rest = later;
        };
        put(&self.source.cid.to_le_bytes());
        put(&self.destination.cid.to_le_bytes());
        put(&self.source.port.to_le_bytes());
        put(&self.destination.port.to_le_bytes());
        put(&self.length.to_le_bytes());
        put(&STREAM.to_le_bytes());
        put(&operation.to_le_bytes());
        put(&self.flags.to_le_bytes());
        put(&self.buffer_bytes.to_le_bytes());
        put(&self.taken.to_le_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_written_and_read() {
        let header = Header {
            source: VsockAddress { cid: 3, port: 0x0102_0304 },
            destination: VsockAddress { cid: 2, port: 9 },
            length: 77,
            is_stream: true,
            operation: Some(Operation::Shutdown),
            flags: NO_RECEIVE | NO_SEND,
            buffer_bytes: 65_536,
            taken: u32::MAX,
        };
        let bytes = header.to_bytes();
        assert_eq!(bytes[16..20], [4, 3, 2, 1]);
        assert_eq!((bytes[28], bytes[30], bytes[32]), (1, 4, 3));
        assert_eq!(Header::parse(&bytes), header);
        for invalid in [0, 8, 0x104] {
            let mut bytes = bytes;
            bytes[30..32].copy_from_slice(&u16::to_le_bytes(invalid));
            assert_eq!(Header::parse(&bytes).operation, None);
        }
    }
}
