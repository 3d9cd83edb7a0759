//! Builds a tar archive for a disk that belongs to one test.

/// Size in bytes of a header; file content is padded to a multiple of it.
const BLOCK: usize = 512;

/// Returns an archive with one file, as the bytes of a disk.
///
/// # Panics
/// Panics when the name is too long for a plain ustar header (100 bytes).
#[must_use]
pub fn archive(name: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; BLOCK];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    assert!(name.len() < 100, "a long name: {name}");
    put(0, name);
    put(100, "0000644\0");
    put(124, &format!("{:011o}\0", content.len()));
    put(136, "00000000000\0");
    // The checksum counts its own field as blanks.
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());

    let mut bytes = header.to_vec();
    bytes.extend_from_slice(content);
    // Two blocks of zeros end an archive.
    bytes.resize(bytes.len().next_multiple_of(BLOCK) + 2 * BLOCK, 0);
    bytes
}
