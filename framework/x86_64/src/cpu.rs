//! Features of this CPU, and instructions that need no state.

#![expect(unsafe_code, reason = "the halt instruction")]

use core::sync::atomic::Ordering;

use raw_cpuid::{CpuId, CpuIdReaderNative, Hypervisor};
use x86_64::registers::model_specific::{Efer, EferFlags};

use super::{clock, cpus};

fn cpuid() -> CpuId<CpuIdReaderNative> {
    CpuId::new()
}

/// Returns whether the CPU has a local APIC.
pub(super) fn has_local_apic() -> bool {
    cpuid().get_feature_info().is_some_and(|features| features.has_apic())
}

/// Returns whether the local APIC has the x2APIC mode.
pub(super) fn has_x2apic() -> bool {
    cpuid().get_feature_info().is_some_and(|features| features.has_x2apic())
}

/// Returns whether the local APIC timer has the TSC-deadline mode.
pub(super) fn has_tsc_deadline() -> bool {
    cpuid().get_feature_info().is_some_and(|features| features.has_tsc_deadline())
}

/// Returns whether page tables can forbid execution: the entry code has enabled the NX bit, which the CPU has.
pub(super) fn has_no_execute() -> bool {
    Efer::read().contains(EferFlags::NO_EXECUTE_ENABLE)
}

/// Returns whether the CPU has RDSEED.
pub(super) fn has_rdseed() -> bool {
    cpuid().get_extended_feature_info().is_some_and(|features| features.has_rdseed())
}

/// Returns the width of physical addresses in bits (SDM vol. 2, CPUID leaf 0x8000_0008), or 36 for a CPU without that
/// leaf.
pub(super) fn address_bits() -> u8 {
    cpuid().get_processor_capacity_feature_info().map_or(36, |info| info.physical_address_bits())
}

/// Returns whether the CPU is emulated by QEMU's TCG, whose signature in CPUID leaf 0x4000_0000 is "TCGTCGTCGTCG".
pub(super) fn is_tcg() -> bool {
    cpuid().get_hypervisor_info().is_some_and(|info| info.identify() == Hypervisor::QEMU)
}

/// Returns whether the local APIC timer runs at 1 GHz, as that of QEMU and that of KVM.
pub(super) fn has_known_apic_timer() -> bool {
    let hypervisor = cpuid().get_hypervisor_info().map(|info| info.identify());
    matches!(hypervisor, Some(Hypervisor::QEMU | Hypervisor::KVM))
}

/// Returns whether the machine is a guest of Xen's.
pub(super) fn is_xen() -> bool {
    cpuid().get_hypervisor_info().is_some_and(|info| info.identify() == Hypervisor::Xen)
}

/// Returns whether the CPU is one of AMD, or of Hygon, which has the same instructions for virtual machines.
pub(super) fn is_amd() -> bool {
    cpuid().get_vendor_info().is_some_and(|vendor| matches!(vendor.as_str(), "AuthenticAMD" | "HygonGenuine"))
}

/// Returns the frequency of the TSC in Hz, where the CPU or the hypervisor reports it: by the crystal's frequency (leaf
/// 0x15), by the hypervisor, or by the base frequency of a CPU with that leaf which does not report its crystal's (leaf
/// 0x16; SDM vol. 3, 20.7.3).
pub(super) fn tsc_frequency() -> Option<u64> {
    let known = |hertz: &u64| *hertz > 0;
    let tsc = cpuid().get_tsc_info();
    let by_crystal = tsc.as_ref().and_then(raw_cpuid::TscInfo::tsc_frequency).filter(known);
    let by_hypervisor = || cpuid().get_hypervisor_info()?.tsc_frequency().map(|khz| u64::from(khz) * 1_000);
    let by_base = || {
        tsc.as_ref().filter(|info| info.numerator() > 0 && info.denominator() > 0)?;
        let megahertz = cpuid().get_processor_frequency_info()?.processor_base_frequency();
        Some(u64::from(megahertz) * 1_000_000)
    };
    by_crystal.or_else(|| by_hypervisor().filter(known)).or_else(|| by_base().filter(known))
}

/// Calls `print` with the brand string of the CPU.
pub(super) fn with_name<R>(print: impl FnOnce(&str) -> R) -> R {
    match cpuid().get_processor_brand_string() {
        Some(brand) => print(brand.as_str().trim()),
        None => print("unnamed CPU"),
    }
}

/// Halts the CPU until the next interrupt has been served, and counts the time.
///
/// The caller has interrupts disabled, so that none is served between its last check for work and the halt. Interrupts
/// are enabled when this returns.
#[inline]
pub fn halt_until_interrupt() {
    let start = clock::read_tsc();
    // SAFETY: `sti` delays interrupts by one instruction, so the `hlt` is reached before any of them. Unlike the
    // `x86_64` crate's version, this one is not `nomem`: handlers change memory.
    unsafe { core::arch::asm!("sti", "hlt", options(nostack)) };
    // A conversion to nanoseconds would delay the task that the interrupt woke.
    let idle = clock::read_tsc().wrapping_sub(start);
    let ticks = &cpus::current().idle_ticks;
    // Only this CPU writes it.
    ticks.store(ticks.load(Ordering::Relaxed).wrapping_add(idle), Ordering::Relaxed);
}

/// Returns for how many nanoseconds the boot CPU was halted since boot, with the interrupt handlers that ended each halt.
#[must_use]
pub fn idle_ns() -> u64 {
    clock::ticks_to_ns(cpus::boot_area().idle_ticks.load(Ordering::Relaxed))
}
