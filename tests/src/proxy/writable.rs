//! Determines which bits of a configuration space are writable.

use super::space::{AFTER_BARS, FIRST_BAR, LENGTH};

/// Returns the bits that are writable in a function with this space, as far as firmware or drivers use them.
pub(super) fn writable(bytes: &[u8; LENGTH]) -> [u8; LENGTH] {
    let mut writable = [0; LENGTH];
    // Command, cache line size and latency, the BARs, Interrupt Line.
    writable[0x04..0x06].copy_from_slice(&[0xff, 0x07]);
    writable[0x0c..0x0e].fill(0xff);
    writable[FIRST_BAR..AFTER_BARS].fill(0xff);
    writable[0x3c] = 0xff;
    let mut set = |at: usize, bits: &[u8]| {
        for (byte, bits) in writable.iter_mut().skip(at).zip(bits) {
            *byte |= bits;
        }
    };
    for (id, at) in capabilities(bytes) {
        match id {
            // Power management: the state, and PME enable.
            0x01 => set(at + 4, &[0x03, 0x01]),
            // MSI: enable and granted; the address, of 32 or 64 bits; data; the optional masks.
            0x05 => {
                let control = bytes.get(at + 2).copied().unwrap_or(0);
                let is_maskable = bytes.get(at + 3).is_some_and(|byte| byte & 1 != 0);
                let registers = if control & 0x80 != 0 { 10 } else { 6 };
                set(at + 2, &[0x71]);
                set(at + 4, &[0xfc]);
                set(at + 5, &vec![0xff; registers - 1]);
                if is_maskable {
                    set(at + 4 + registers + 2, &[0xff; 4]);
                }
            }
            // PCI Express: Device Control without the function-level reset bit, which always reads zero; Link Control.
            0x10 => {
                set(at + 8, &[0xff, 0x7f]);
                set(at + 16, &[0xff, 0xff]);
            }
            // MSI-X: enable, and the function mask.
            0x11 => set(at + 3, &[0xc0]),
            _ => {}
        }
    }
    writable
}

/// Returns the capability list, each entry once, even if it loops.
fn capabilities(bytes: &[u8; LENGTH]) -> Vec<(u8, usize)> {
    let mut found: Vec<(u8, usize)> = Vec::new();
    let mut at = if bytes[0x06] & 0x10 == 0 { 0 } else { usize::from(bytes[0x34] & !3) };
    while at >= 0x40 && found.iter().all(|&(_, other)| other != at) {
        found.push((bytes[at], at));
        at = usize::from(bytes[at + 1] & !3);
    }
    found
}
