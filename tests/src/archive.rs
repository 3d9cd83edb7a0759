//! A tar archive made by a test, for a disk of its own.

/// Bytes of a header, and what content is rounded up to.
const BLOCK: usize = 512;

/// An archive with one file in it, as the bytes of a disk.
///
/// # Panics
/// When the name is too long for a plain header.
#[must_use]
pub fn archive(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; BLOCK];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    assert!(name.len() < 100, "a long name: {name}");
    put(0, name);
    put(100, "0000644\0");
    put(124, &format!("{:011o}\0", content.len()));
    put(136, "00000000000\0");
    // Where the sum will be, the sum counts blanks.
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());

    let mut bytes = header.to_vec();
    bytes.extend_from_slice(content);
    // Two blocks of zeros end it.
    bytes.resize(bytes.len().next_multiple_of(BLOCK) + 2 * BLOCK, 0);
    bytes
}
