//! The commands of the control queue and their responses (5.7.6.7, 5.7.6.8): words of 32 bits, behind a header of six.

use switchboard::dma::DmaBuffer;

use super::frame::Area;
use crate::virtio::queue::{Chain, Segments};

/// The words of a header: the kind, flags, a fence of two words, a context, a ring and padding. Only the kind is used.
const HEADER_WORDS: usize = 6;
/// The most words behind the header of a command of fixed length.
const BODY_WORDS: usize = 8;
/// The length of a command of fixed length.
pub(super) const COMMAND_BYTES: usize = 4 * (HEADER_WORDS + BODY_WORDS);
/// The most displays that a device has (5.7.4).
const MAX_SCANOUTS: usize = 16;
/// The words of a display in the response to [`Command::GetDisplayInfo`]: a rectangle, whether it is enabled, flags.
const DISPLAY_WORDS: usize = 6;
/// The length of the longest response: that about displays.
pub(super) const RESPONSE_BYTES: usize = 4 * (HEADER_WORDS + DISPLAY_WORDS * MAX_SCANOUTS);

/// `VIRTIO_GPU_RESP_OK_NODATA`.
pub(super) const OK: u32 = 0x1100;
/// `VIRTIO_GPU_RESP_OK_DISPLAY_INFO`.
pub(super) const OK_DISPLAY_INFO: u32 = 0x1101;
/// `VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM`: a word is `0x00RRGGBB`, in little endian.
const FORMAT: u32 = 2;
/// The only resource of the driver.
const RESOURCE: u32 = 1;

/// A command of fixed length.
#[derive(Debug, Clone, Copy)]
pub(super) enum Command {
    /// Asks for the displays that are connected, and their sizes.
    GetDisplayInfo,
    /// Makes the resource: pixels that the device has.
    Create { width: u32, height: u32 },
    /// Shows the resource on a display.
    SetScanout { scanout: u32, width: u32, height: u32 },
    /// Copies an area from memory to the resource. The offset is that of its first pixel, in bytes.
    Transfer { area: Area, offset: u64 },
    /// Shows an area of the resource.
    Flush { area: Area },
}

impl Command {
    /// Writes the command. Returns its length.
    pub(super) fn write(self, bytes: &mut [u8]) -> usize {
        let (kind, body): (u32, &[u32]) = match self {
            Self::GetDisplayInfo => (0x0100, &[]),
            Self::Create { width, height } => (0x0101, &[RESOURCE, FORMAT, width, height]),
            Self::SetScanout { scanout, width, height } => (0x0103, &[0, 0, width, height, scanout, RESOURCE]),
            Self::Flush { area: Area { x, y, width, height } } => (0x0104, &[x, y, width, height, RESOURCE, 0]),
            Self::Transfer { area: Area { x, y, width, height }, offset } => {
                let [a, b, c, d, e, f, g, h] = offset.to_le_bytes();
                let (low, high) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
                (0x0105, &[x, y, width, height, low, high, RESOURCE, 0])
            }
        };
        write_words(bytes, kind, body)
    }
}

/// Writes the head of `VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING`, which `entries` entries follow. Returns its length.
pub(super) fn write_attach(bytes: &mut [u8], entries: u32) -> usize {
    write_words(bytes, 0x0106, &[RESOURCE, entries])
}

/// Writes a header and what follows. Returns the length.
fn write_words(bytes: &mut [u8], kind: u32, body: &[u32]) -> usize {
    let words = [kind].into_iter().chain([0; HEADER_WORDS - 1]).chain(body.iter().copied());
    bytes.chunks_exact_mut(4).zip(words).for_each(|(place, word)| place.copy_from_slice(&word.to_le_bytes()));
    4 * (HEADER_WORDS + body.len())
}

/// A command with room for its response.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) command: DmaBuffer,
    pub(super) length: usize,
    pub(super) response: DmaBuffer,
}

impl Request {
    /// Returns the kind of the response, of which the device has written `length` bytes. `None` when it is shorter than a header.
    pub(super) fn response(&self, length: u32) -> Option<u32> {
        let kind = self.response.first_chunk().filter(|_| length as usize >= 4 * HEADER_WORDS)?;
        Some(u32::from_le_bytes(*kind))
    }

    /// Returns the first display that is connected, with its width and height.
    pub(super) fn first_display(&self) -> Option<(u32, (u32, u32))> {
        let words = |bytes: &[u8], index: usize| {
            let word = bytes[4 * index..].first_chunk().copied().unwrap_or_default();
            u32::from_le_bytes(word)
        };
        let displays = self.response[4 * HEADER_WORDS..].chunks_exact(4 * DISPLAY_WORDS);
        let mut displays = (0..).zip(displays);
        displays.find_map(|(scanout, display)| {
            let [width, height, is_enabled] = [2, 3, 4].map(|index| words(display, index));
            (is_enabled != 0).then_some((scanout, (width, height)))
        })
    }
}

impl Chain for Request {
    fn describe(&self, segments: &mut Segments) {
        segments.readable(&self.command, 0..self.length);
        segments.writable(&self.response, 0..RESPONSE_BYTES);
    }
}
