//! What every guest with a network card and the built disk is asked.

use crate::{Guest, mebibyte_file, sha256};

/// A file comes from the disk and over the network: registers are reached, memory is written, interrupts arrive.
///
/// # Panics
/// When it does not come, or other bytes do.
#[track_caller]
pub fn serves_the_file(guest: &Guest) {
    let file = guest.client().get("/files/1mib.bin").expect("the file");
    assert_eq!((file.status, sha256(&file.body)), (200, sha256(&mebibyte_file())));
}
