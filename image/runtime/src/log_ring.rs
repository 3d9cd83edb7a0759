//! The last lines of the console, kept in memory for those who look later, and for other consoles.

use core::future::poll_fn;
use core::task::Poll;

use embassy_sync::waitqueue::MultiWakerRegistration;
use switchboard::sync::IrqLock;

/// The bytes that are kept.
const RING_BYTES: usize = 16 << 10;

static RING: IrqLock<Ring> = IrqLock::new(Ring { bytes: [0; RING_BYTES], written: 0 });
/// The tasks that wait for what is printed next: those of consoles. With more of them, each wakes the others now and then.
static FOLLOWERS: IrqLock<MultiWakerRegistration<4>> = IrqLock::new(MultiWakerRegistration::new());

struct Ring {
    bytes: [u8; RING_BYTES],
    /// All bytes ever written.
    written: u64,
}

impl Ring {
    fn write(&mut self, bytes: &[u8]) {
        // Of more bytes than there is room for, only the last would be left.
        let kept = &bytes[bytes.len().saturating_sub(RING_BYTES)..];
        let start = place(self.written + (bytes.len() - kept.len()) as u64);
        let (first, second) = kept.split_at(kept.len().min(RING_BYTES - start));
        self.bytes[start..start + first.len()].copy_from_slice(first);
        self.bytes[..second.len()].copy_from_slice(second);
        self.written += bytes.len() as u64;
    }

    fn read(&self, cursor: &mut Cursor, bytes: &mut [u8]) -> usize {
        let oldest = self.written.saturating_sub(RING_BYTES as u64);
        let from = cursor.0.clamp(oldest, self.written);
        let start = place(from);
        let available = usize::try_from(self.written - from).unwrap_or(RING_BYTES);
        let count = bytes.len().min(available).min(RING_BYTES - start);
        bytes[..count].copy_from_slice(&self.bytes[start..start + count]);
        cursor.0 = from + count as u64;
        count
    }
}

/// Returns where a byte is in the ring.
fn place(position: u64) -> usize {
    usize::try_from(position % RING_BYTES as u64).unwrap_or_default()
}

/// Keeps what was printed; `switchboard-boot` has the console call it, if its feature `log-ring` is on. ISRs may call it.
///
/// ```
/// use switchboard_runtime::log_ring::{self, Cursor};
///
/// log_ring::record("[   0.001] INFO  an example\n");
/// let (mut cursor, mut bytes) = (Cursor::default(), [0; 64]);
/// let count = log_ring::read(&mut cursor, &mut bytes);
/// assert!(bytes[..count].ends_with(b"an example\n"));
/// assert_eq!(log_ring::read(&mut cursor, &mut bytes), 0);
/// ```
pub fn record(text: &str) {
    RING.lock().write(text.as_bytes());
    FOLLOWERS.lock().wake();
}

/// A place in what was printed. The default is the oldest byte that is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cursor(u64);

/// Copies what was printed from the cursor on, and moves the cursor; what is not kept any more is left out. Returns 0 at the end.
pub fn read(cursor: &mut Cursor, bytes: &mut [u8]) -> usize {
    RING.lock().read(cursor, bytes)
}

/// As [`read`], but waits at the end for what is printed next.
pub async fn read_next(cursor: &mut Cursor, bytes: &mut [u8]) -> usize {
    poll_fn(|context| {
        FOLLOWERS.lock().register(context.waker());
        match read(cursor, bytes) {
            0 => Poll::Pending,
            count => Poll::Ready(count),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::boxed::Box;
    use alloc::vec::Vec;

    #[test]
    fn the_last_bytes_are_kept() {
        let mut ring = Box::new(Ring { bytes: [0; RING_BYTES], written: 0 });
        let all: Vec<u8> = (0..=u8::MAX).cycle().take(3 * RING_BYTES + 7).collect();
        let mut cursor = Cursor::default();
        for part in all.chunks(1000) {
            ring.write(part);
        }
        ring.write(&all);
        let (mut read, mut bytes) = (Vec::new(), [0; 300]);
        loop {
            match ring.read(&mut cursor, &mut bytes) {
                0 => break,
                count => read.extend_from_slice(&bytes[..count]),
            }
        }
        assert!(read == all[all.len() - RING_BYTES..]);
        ring.write(b"more");
        assert_eq!(ring.read(&mut cursor, &mut bytes), 4);
        // A cursor that is ahead, as after another ring, is at the end.
        assert_eq!(ring.read(&mut Cursor(u64::MAX), &mut bytes), 0);
    }
}
