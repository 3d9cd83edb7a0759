//! What this CPU can do, and what it runs on.

#![expect(unsafe_code, reason = "the halt instruction")]

use raw_cpuid::{CpuId, CpuIdReaderNative, Hypervisor};
use x86_64::instructions::random::RdRand;

use super::clock;

fn cpuid() -> CpuId<CpuIdReaderNative> {
    CpuId::new()
}

pub(super) fn has_local_apic() -> bool {
    cpuid().get_feature_info().is_some_and(|features| features.has_apic())
}

pub(super) fn has_x2apic() -> bool {
    cpuid().get_feature_info().is_some_and(|features| features.has_x2apic())
}

pub(super) fn has_tsc_deadline() -> bool {
    cpuid().get_feature_info().is_some_and(|features| features.has_tsc_deadline())
}

/// How wide physical addresses are, in bits (SDM vol. 2, CPUID leaf 0x8000_0008); 36 for a CPU that does not say.
pub(super) fn address_bits() -> u8 {
    cpuid().get_processor_capacity_feature_info().map_or(36, |info| info.physical_address_bits())
}

/// Whether QEMU's own code generator runs this CPU, rather than hardware: it signs CPUID leaf 0x40000000 with
/// "TCGTCGTCGTCG".
pub(super) fn is_tcg() -> bool {
    cpuid().get_hypervisor_info().is_some_and(|info| info.identify() == Hypervisor::QEMU)
}

/// The TSC's frequency in Hz, where the CPU or the hypervisor knows it.
pub(super) fn tsc_frequency() -> Option<u64> {
    let by_crystal = cpuid().get_tsc_info().and_then(|info| info.tsc_frequency());
    let by_hypervisor = || cpuid().get_hypervisor_info()?.tsc_frequency().map(|khz| u64::from(khz) * 1_000);
    by_crystal.filter(|hertz| *hertz > 0).or_else(by_hypervisor).filter(|hertz| *hertz > 0)
}

/// The CPU's name for itself, written by `print`; nothing when it has none.
pub(super) fn with_name<R>(print: impl FnOnce(&str) -> R) -> R {
    match cpuid().get_processor_brand_string() {
        Some(brand) => print(brand.as_str().trim()),
        None => print("unnamed CPU"),
    }
}

/// A number to seed a generator with: from the CPU's random number generator, or else from the time stamp
/// counter, which no attacker should find hard to guess.
#[must_use]
pub fn random_seed() -> u64 {
    // The instruction may run dry for a moment; ten tries are the manual's advice (SDM vol. 1, 7.3.17).
    let hardware = RdRand::new().and_then(|generator| (0..10).find_map(|_| generator.get_u64()));
    hardware.unwrap_or_else(|| {
        // SplitMix64's finaliser spreads what changes in the low bits.
        let mut seed = clock::read_tsc().wrapping_add(0x9e37_79b9_7f4a_7c15);
        seed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        seed = (seed ^ (seed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        seed ^ (seed >> 31)
    })
}

/// Sleeps until the next interrupt has been served. Called with interrupts off, so that none can slip in
/// between the caller's last look for work and the sleep; returns with them on.
pub fn halt_until_interrupt() {
    // SAFETY: `sti` holds interrupts off for one more instruction, so the `hlt` is reached before any of them. Unlike
    // the `x86_64` crate's version this one may change memory: whatever the handlers change.
    unsafe { core::arch::asm!("sti", "hlt", options(nostack)) };
}
