//! What the CPUs other than the boot CPU run, and how a CPU is woken.

use spin::Once;

use super::{find_current, online};
use crate::apic::local;
use crate::vectors::WAKE;
use crate::{cpu, timer};

static ENTRY: Once<fn(usize) -> !> = Once::new();

/// Runs a function on each CPU other than the boot CPU, with the CPU's number. Interrupts are enabled or not. Only the first call
/// has an effect.
///
/// ```no_run
/// switchboard_x86_64::run_on_further_cpus(|cpu| {
///     log::info!("CPU {cpu} runs");
///     loop {
///         x86_64::instructions::interrupts::disable();
///         switchboard_x86_64::halt_until_interrupt();
///     }
/// });
/// ```
pub fn run_on_further_cpus(entry: fn(usize) -> !) {
    ENTRY.call_once(|| entry);
    (1..online().len()).for_each(wake_cpu);
}

/// Returns the number of the CPU that calls: 0 for the boot CPU.
#[inline]
#[must_use]
pub fn current_cpu() -> usize {
    find_current().map_or(0, |area| area.index() as usize)
}

/// Sets what [`executor_context`](super::executor_context) returns on the CPU that calls. Does nothing before [`init`](crate::init).
pub fn set_executor_context(context: *mut ()) {
    if let Some(area) = find_current() {
        area.set_executor(context);
    }
}

/// Wakes a CPU that [halts](crate::halt_until_interrupt), by an interrupt that has no other effect.
pub fn wake_cpu(cpu: usize) {
    if let Some(area) = online().get(cpu) {
        local::send(area.id(), WAKE);
    }
}

/// Waits for the function of [`run_on_further_cpus`], and runs it.
pub(super) fn wait_for_entry() -> ! {
    loop {
        x86_64::instructions::interrupts::disable();
        if let Some(entry) = ENTRY.get() {
            timer::init_further();
            entry(current_cpu());
        }
        cpu::halt_until_interrupt();
    }
}
