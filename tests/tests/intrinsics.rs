//! Compares the image's `memcpy` family on the host with `core`'s operations, for every size around the steps of the
//! assembly, every alignment, and every kind of overlap.

#![expect(unsafe_code, reason = "C functions on raw memory")]

#[path = "../../image/boot/src/intrinsics/mod.rs"]
mod intrinsics;

use intrinsics::compare::{bcmp, memcmp, strlen};
use intrinsics::copy::{memcpy, memmove, memset};

/// Covers the steps of 16 and 64 bytes, and several iterations of the loop.
const LARGEST: usize = 210;
const ROOM: usize = 1024;

fn pattern() -> Vec<u8> {
    (0u8..=255).cycle().map(|byte| byte.wrapping_mul(7).wrapping_add(3)).take(ROOM).collect()
}

#[test]
fn memmove_handles_every_overlap() {
    let fresh = pattern();
    for count in 0..=LARGEST {
        for from in [0, 1, 15, 16, 70] {
            for to in [0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 69, 71, 80, 86, 135, 250] {
                let (mut actual, mut reference) = (fresh.clone(), fresh.clone());
                reference.copy_within(from..from + count, to);
                let start = actual.as_mut_ptr();
                // SAFETY: both ranges end before `ROOM`.
                let result = unsafe { memmove(start.wrapping_add(to), start.wrapping_add(from), count) };
                assert_eq!(result.addr(), start.addr() + to);
                assert!(actual == reference, "{count} bytes from {from} to {to}");
            }
        }
    }
}

#[test]
fn memcpy_and_memset_write_their_range_only() {
    let source = pattern();
    for count in 0..=LARGEST {
        for offset in 0..17 {
            let (mut actual, mut reference) = (vec![0xee; ROOM], vec![0xee; ROOM]);
            reference[offset..offset + count].copy_from_slice(&source[1..=count]);
            // SAFETY: the ranges are in different vectors, and end before `ROOM`.
            let result = unsafe { memcpy(actual[offset..].as_mut_ptr(), source[1..].as_ptr(), count) };
            assert_eq!(result.addr(), actual.as_ptr().addr() + offset);
            assert!(actual == reference, "memcpy of {count} to {offset}");

            reference[offset..offset + count].fill(0x5a);
            // SAFETY: the range ends before `ROOM`. Only the low byte counts.
            unsafe { memset(actual[offset..].as_mut_ptr(), 0x105a, count) };
            assert!(actual == reference, "memset of {count} at {offset}");
        }
    }
}

#[test]
fn memcmp_and_bcmp_find_the_first_difference() {
    let left = pattern();
    for count in 0..=LARGEST {
        for different in 0..=count {
            for change in [1, 0x80, 0xff] {
                let mut right = left.clone();
                right[different] = right[different].wrapping_add(change);
                let expected = left[..count].cmp(&right[..count]);
                // SAFETY: both are longer than `count`.
                let result = unsafe { memcmp(left.as_ptr(), right.as_ptr(), count) };
                assert_eq!(result.cmp(&0), expected, "{count} bytes, change at {different}");
                // SAFETY: as above.
                assert_eq!(unsafe { bcmp(left.as_ptr(), right.as_ptr(), count) } == 0, expected.is_eq());
            }
        }
    }
}

#[test]
fn strlen_stops_at_the_first_nul() {
    for text in [c"", c"a", c"sixteen bytes ok", c"console=ttyS0 irq=msix"] {
        // SAFETY: a C string ends with a NUL.
        assert_eq!(unsafe { strlen(text.as_ptr()) }, text.count_bytes());
    }
}
