//! The messages of 9P2000.L, as Linux and QEMU speak it: a size, a type, a tag, and fields in little-endian order.
//!
//! Sources: the manual of Plan 9, section 5, for the base; the protocol's description in diod for the `.L` messages.

use alloc::string::String;
use alloc::vec::Vec;

use crate::filesystem::FileSystemError;

/// The types of requests. A reply has the next number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Operation {
    Open = 12,
    Create = 14,
    ReadLink = 22,
    GetAttributes = 24,
    SetAttributes = 26,
    ReadDirectory = 40,
    Sync = 50,
    CreateDirectory = 72,
    Rename = 74,
    Unlink = 76,
    Version = 100,
    Attach = 104,
    Walk = 110,
    Read = 116,
    Write = 118,
    Clunk = 120,
}

/// The type of a reply with an error (`Rlerror`).
const ERROR: u8 = 7;
/// The bytes of size, type and tag.
pub(super) const HEAD_BYTES: usize = 7;
/// The tag of the request for a version, and no file number.
const NO_TAG: u16 = 0xffff;
pub(super) const NO_FID: u32 = 0xffff_ffff;
/// The most names of one walk.
pub(super) const MAX_WALK: usize = 16;
/// The bytes of the identity of a file (`qid`).
pub(super) const QID_BYTES: usize = 13;

/// A request that is being put together.
#[derive(Debug)]
pub(super) struct Message {
    bytes: Vec<u8>,
    operation: Operation,
}

impl Message {
    pub(super) fn new(operation: Operation) -> Self {
        let tag = if operation == Operation::Version { NO_TAG } else { 0 };
        let [low, high] = tag.to_le_bytes();
        Self { bytes: [0, 0, 0, 0, operation as u8, low, high].into(), operation }
    }

    pub(super) fn u16(mut self, value: u16) -> Self {
        self.bytes.extend(value.to_le_bytes());
        self
    }

    pub(super) fn u32(mut self, value: u32) -> Self {
        self.bytes.extend(value.to_le_bytes());
        self
    }

    pub(super) fn u64(mut self, value: u64) -> Self {
        self.bytes.extend(value.to_le_bytes());
        self
    }

    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Adds a string, which is cut at 65,535 bytes; no path is that long.
    pub(super) fn string(self, value: &str) -> Self {
        let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
        let mut this = self.u16(length);
        this.bytes.extend_from_slice(&value.as_bytes()[..length.into()]);
        this
    }

    /// Returns the type of the request, and its bytes with their size.
    pub(super) fn finish(mut self) -> (Operation, Vec<u8>) {
        let size = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        self.bytes[..4].copy_from_slice(&size.to_le_bytes());
        (self.operation, self.bytes)
    }
}

/// The fields of a reply, which are taken from the front.
#[derive(Debug)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// Returns the fields of a reply to a request of type `operation`, or the server's error.
    pub(super) fn of_reply(reply: &'a [u8], operation: Operation) -> Result<Self, FileSystemError> {
        let mut fields = Self(reply);
        let size = fields.u32()?;
        let kind = fields.u8()?;
        let _tag = fields.u16()?;
        if size as usize != reply.len() {
            return Err(FileSystemError::Protocol("a 9P reply whose size is another one"));
        }
        match kind {
            ERROR => Err(FileSystemError::Server { code: fields.u32()? }),
            kind if kind == operation as u8 + 1 => Ok(fields),
            _ => Err(FileSystemError::Protocol("a 9P reply to another request")),
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], FileSystemError> {
        let (bytes, rest) =
            self.0.split_at_checked(count).ok_or(FileSystemError::Protocol("a 9P reply is too short"))?;
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FileSystemError> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, FileSystemError> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(super) fn u16(&mut self) -> Result<u16, FileSystemError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, FileSystemError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, FileSystemError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Returns a string; `None` for one that is not UTF-8.
    pub(super) fn string(&mut self) -> Result<Option<String>, FileSystemError> {
        let length = self.u16()?;
        let bytes = self.bytes(length.into())?;
        Ok(core::str::from_utf8(bytes).ok().map(Into::into))
    }

    /// Returns the identity of a file.
    pub(super) fn qid(&mut self) -> Result<Qid, FileSystemError> {
        let kind = self.u8()?;
        let _version = self.u32()?;
        Ok(Qid { kind, path: self.u64()? })
    }
}

/// The identity of a file: its kind, and a number that no other file of the server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Qid {
    kind: u8,
    pub(super) path: u64,
}

impl Qid {
    pub(super) const fn is_symlink(self) -> bool {
        self.kind & 0x02 != 0
    }
}
