//! The chipset configuration registers of the ICH9, which are memory-mapped (ICH9, 10.1).

#![expect(unsafe_code, reason = "the chipset's registers")]

use crate::memory::MachineMemory;

/// The offsets of the 16-bit interrupt route registers of devices 25 to 31: D25IR to D31IR.
const OFFSETS: [u16; 7] = [0x3150, 0x314c, 0x3148, 0x3146, 0x3144, 0x3142, 0x3140];
const LENGTH: u64 = 0x4000;

/// The route registers at reset: INTA to PIRQA, INTB to PIRQB, and so on.
pub(super) const ROUTES_AT_RESET: [u16; 7] = [0x3210; 7];

/// Reads the route registers of devices 25 to 31. Returns `None` when they cannot be mapped or read as ones.
pub(super) fn routes(base: u64) -> Option<[u16; 7]> {
    let registers =
        MachineMemory::map(base, LENGTH).inspect_err(|error| log::warn!("no chipset registers: {error}")).ok()?;
    let routes = OFFSETS.map(|offset| {
        // SAFETY: an offset inside the mapping.
        let register = unsafe { registers.add(usize::from(offset)) }.cast::<u16>();
        // SAFETY: mapped permanently, aligned to two; any bits are a valid `u16`, and reading has no side effect.
        unsafe { register.read_volatile() }
    });
    // The highest bit of each is reserved and reads zero.
    routes.iter().all(|route| *route != u16::MAX).then_some(routes)
}
