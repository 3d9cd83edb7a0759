//! The 8259 pair, which is masked for good: the I/O APICs replace it.

#![expect(unsafe_code, reason = "the ports of the 8259 pair")]

use x86_64::instructions::port::PortWriteOnly;

/// The vectors of their spurious interrupts: among the machine's own vectors, whose entry recognises spurious ones.
const VECTORS: [u8; 2] = [0xf0, 0xf8];

/// Moves both away from the vectors of exceptions, where firmware left them, and masks all their inputs.
pub(crate) fn mask_all() {
    // The second hangs on input 2 of the first (8259A, "Initialization command words").
    for ((command, data), (vectors, cascade)) in
        [(0x20, 0x21), (0xa0, 0xa1)].into_iter().zip(VECTORS.into_iter().zip([4, 2]))
    {
        // Begin, in cascade, edge-triggered; vectors; cascade; 8086 mode; all masked.
        for (port, value) in [(command, 0x11), (data, vectors), (data, cascade), (data, 0x01), (data, 0xff)] {
            // SAFETY: the ports of an 8259, or unused ones; once masked it raises nothing.
            unsafe { PortWriteOnly::<u8>::new(port).write(value) };
        }
    }
}
