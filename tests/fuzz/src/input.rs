//! The input of a run: bytes, consumed from the front.

/// The bytes that are left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// Consumes a byte.
    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// Consumes a 16-bit integer.
    pub(crate) fn word(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// Consumes a 32-bit integer.
    pub(crate) fn dword(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Consumes `N` bytes. Missing ones are zero; `None` when all are missing.
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = self.bytes(N);
        let mut array = [0; N];
        array[..bytes.len()].copy_from_slice(bytes);
        (!bytes.is_empty()).then_some(array)
    }

    /// Consumes at most `count` bytes.
    /// Consumes a byte.
    pub(crate) fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (bytes, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        bytes
    }
}
