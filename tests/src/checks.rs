//! Checks that every guest with a network card and the built disk must pass.

use crate::{Guest, mebibyte_file, sha256};

/// Checks that a file of 1 MiB comes from the disk over the network: MMIO, DMA and interrupts all work.
///
/// # Panics
/// Panics when the request fails or the content differs.
#[track_caller]
pub fn serves_the_file(guest: &Guest) {
    let file = guest.client().get("/files/1mib.bin").expect("the file");
    assert_eq!((file.status, sha256(&file.body)), (200, sha256(&mebibyte_file())));
}
