//! The text of responses.

use alloc::vec::Vec;

use itoa::Buffer;

use super::date::CommonHeaders;
use super::{Response, StatusCode};
use crate::request::Framing;

impl Response {
    /// Writes the head, and a body that is at hand, into `out`. Returns the number of bytes; `None` if there is too little
    /// room.
    #[inline]
    pub(crate) fn compose(&self, framing: Framing, common: &CommonHeaders, out: &mut [u8]) -> Option<usize> {
        let mut writer = SliceWriter { out, written: 0 };
        self.compose_head(framing, common, &mut |piece| writer.push(piece))?;
        writer.push(self.immediate_body(framing))?;
        Some(writer.written)
    }

    /// Returns the head, as [`compose`](Self::compose) writes it; `None` without memory for it.
    pub(crate) fn head_bytes(&self, framing: Framing, common: &CommonHeaders) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.compose_head(framing, common, &mut |piece| {
            bytes.try_reserve(piece.len()).ok()?;
            bytes.extend_from_slice(piece);
            Some(())
        })?;
        Some(bytes)
    }

    /// Returns the body, if it is at hand and belongs into the response.
    pub(crate) fn immediate_body(&self, framing: Framing) -> &[u8] {
        if framing.is_head || self.status.has_no_content() { &[] } else { self.body.bytes().unwrap_or_default() }
    }

    #[inline]
    fn compose_head(
        &self,
        framing: Framing,
        common: &CommonHeaders,
        push: &mut impl FnMut(&[u8]) -> Option<()>,
    ) -> Option<()> {
        const OK: &[u8; 31] = b"HTTP/1.1 200 OK\r\nContent-Type: ";
        match self.status.begin() {
            // As a constant, which is copied by few instructions.
            _ if self.status == StatusCode::OK && !self.content_type.is_empty() => {
                push(OK)?;
                push(self.content_type.as_bytes())?;
            }
            Some(begin) if !self.content_type.is_empty() => {
                push(begin.as_bytes())?;
                push(self.content_type.as_bytes())?;
            }
            _ => self.compose_status(push)?,
        }
        if !self.status.has_no_content() {
            if let Some(length) = self.body.length() {
                push(b"\r\nContent-Length: ")?;
                push(Buffer::new().format(length).as_bytes())?;
            } else if !framing.is_http_1_0 {
                push(b"\r\nTransfer-Encoding: chunked")?;
            }
        }
        common.compose(push)?;
        for (name, value) in &self.headers {
            push(b"\r\n")?;
            push(name.as_bytes())?;
            push(b": ")?;
            push(value.as_bytes())?;
        }
        push(match framing {
            _ if self.status == StatusCode::SWITCHING_PROTOCOLS => b"\r\nConnection: Upgrade\r\n\r\n",
            Framing { keeps_alive: false, .. } => b"\r\nConnection: close\r\n\r\n",
            Framing { is_http_1_0: true, .. } => b"\r\nConnection: keep-alive\r\n\r\n",
            _ => b"\r\n\r\n",
        })
    }

    /// Writes a status line of any code, and the content type, if there is one.
    #[cold]
    fn compose_status(&self, push: &mut impl FnMut(&[u8]) -> Option<()>) -> Option<()> {
        push(b"HTTP/1.1 ")?;
        push(Buffer::new().format(self.status.code()).as_bytes())?;
        push(b" ")?;
        push(self.status.reason().as_bytes())?;
        if !self.content_type.is_empty() && !self.status.has_no_content() {
            push(b"\r\nContent-Type: ")?;
            push(self.content_type.as_bytes())?;
        }
        Some(())
    }
}

/// A buffer that is filled piece by piece.
struct SliceWriter<'a> {
    out: &'a mut [u8],
    written: usize,
}

impl SliceWriter<'_> {
    #[inline]
    fn push(&mut self, piece: &[u8]) -> Option<()> {
        let end = self.written + piece.len();
        self.out.get_mut(self.written..end)?.copy_from_slice(piece);
        self.written = end;
        Some(())
    }
}
