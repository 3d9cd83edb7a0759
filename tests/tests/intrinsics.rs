//! The image's `memcpy` family, on the host, against what `core` does: every size around the steps of the
//! assembly, every alignment, every kind of overlap.

#![expect(unsafe_code, reason = "C functions on raw memory")]

#[path = "../../image/boot/src/intrinsics.rs"]
mod intrinsics;

use intrinsics::{bcmp, memcmp, memcpy, memmove, memset, strlen};

/// Around the steps of 16 and 64 bytes, and a few rounds of the loop.
const LARGEST: usize = 210;
const ROOM: usize = 1024;

fn pattern() -> Vec<u8> {
    (0u8..=255).cycle().map(|byte| byte.wrapping_mul(7).wrapping_add(3)).take(ROOM).collect()
}

#[test]
fn memmove_of_every_overlap() {
    let fresh = pattern();
    for count in 0..=LARGEST {
        for from in [0, 1, 15, 16, 70] {
            for to in [0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 69, 71, 80, 86, 135, 250] {
                let (mut ours, mut theirs) = (fresh.clone(), fresh.clone());
                theirs.copy_within(from..from + count, to);
                let start = ours.as_mut_ptr();
                // SAFETY: both ranges end before `ROOM`.
                let result = unsafe { memmove(start.wrapping_add(to), start.wrapping_add(from), count) };
                assert_eq!(result.addr(), start.addr() + to);
                assert!(ours == theirs, "{count} bytes from {from} to {to}");
            }
        }
    }
}

#[test]
fn memcpy_and_memset_write_what_they_should_and_nothing_else() {
    let source = pattern();
    for count in 0..=LARGEST {
        for offset in 0..17 {
            let (mut ours, mut theirs) = (vec![0xee; ROOM], vec![0xee; ROOM]);
            theirs[offset..offset + count].copy_from_slice(&source[1..=count]);
            // SAFETY: the ranges lie in different vectors, and end before `ROOM`.
            let result = unsafe { memcpy(ours[offset..].as_mut_ptr(), source[1..].as_ptr(), count) };
            assert_eq!(result.addr(), ours.as_ptr().addr() + offset);
            assert!(ours == theirs, "memcpy of {count} to {offset}");

            theirs[offset..offset + count].fill(0x5a);
            // SAFETY: the range ends before `ROOM`. Only the low byte counts.
            unsafe { memset(ours[offset..].as_mut_ptr(), 0x105a, count) };
            assert!(ours == theirs, "memset of {count} at {offset}");
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
                let ours = unsafe { memcmp(left.as_ptr(), right.as_ptr(), count) };
                assert_eq!(ours.cmp(&0), expected, "{count} bytes, change at {different}");
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
