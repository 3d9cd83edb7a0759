//! The CPUs: those that firmware lists are started, each with segments, stacks, a local APIC and vectors of its own.

mod area;
mod startup;
mod stop;
mod trampoline;
mod tsc;
mod work;

use alloc::boxed::Box;
use alloc::vec::Vec;

use spin::Once;
use switchboard::vector::VectorTable;

use super::apic::local;
use super::memory_map::PAGE;

pub use area::executor_context;
pub(super) use area::{CpuArea, boot_area, by_id, current, find_current, vectors};
pub use work::{current_cpu, run_on_further_cpus, set_executor_context, wake_cpu};

pub(super) use stop::{acknowledge_stop, stop_others};

/// The largest local APIC id of a CPU that is used. An interrupt message without remapping names a CPU by eight bits, and the
/// last value is a broadcast (SDM vol. 3, 11.11.1).
const MAX_ID: u32 = 254;

/// The CPUs that run, the boot CPU first.
static ONLINE: Once<Vec<&'static CpuArea>> = Once::new();

/// Returns the CPUs that run, the boot CPU first; none before they have been started.
pub(super) fn online() -> &'static [&'static CpuArea] {
    ONLINE.get().map_or(&[], Vec::as_slice)
}

/// Returns the number of CPUs that run.
///
/// ```
/// assert_eq!(switchboard_x86_64::cpu_count(), 1, "no machine runs in a host test");
/// ```
#[must_use]
pub fn cpu_count() -> usize {
    online().len().max(1)
}

/// Starts the CPUs of `listed` other than this one until `limit` run, in the RAM page `startup_page`. Those that do not start, or whose
/// clock differs from this CPU's, are left halted, with a log line.
pub(super) fn start(listed: &[u32], limit: usize, startup_page: Option<u64>) {
    let boot = boot_area();
    let mut areas = Vec::from([boot]);
    let others = listed.iter().copied().filter(|id| *id != boot.id());
    let (usable, beyond): (Vec<u32>, Vec<u32>) = others.partition(|id| *id <= MAX_ID);
    if !beyond.is_empty() {
        log::warn!(
            "{} CPUs left halted: an interrupt message cannot name a local APIC id above {MAX_ID}",
            beyond.len()
        );
    }
    let wanted = usable.get(..limit.saturating_sub(1).min(usable.len())).unwrap_or_default();
    match startup_page {
        _ if wanted.is_empty() => {}
        Some(page) => {
            debug_assert!(page.is_multiple_of(PAGE), "a whole page");
            areas.extend(startup::start(wanted, page));
            log::info!("{} of {} CPUs run", areas.len(), listed.len());
        }
        None => log::warn!("{} CPUs left halted: no free page below 640 KiB to start them in", wanted.len()),
    }
    ONLINE.call_once(|| areas);
}

/// Records the local APIC id of the boot CPU, and makes its vectors.
pub(super) fn set_boot_id() -> u32 {
    let id = local::id();
    boot_area().set_id(id);
    boot_area().set_vectors(Box::leak(Box::new(VectorTable::new(id))));
    id
}
