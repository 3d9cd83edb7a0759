//! The models.

pub mod cpus;
pub mod event;
mod life;
pub mod mask;
pub mod slot;
pub mod wake;

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Calls the macro `$then` with all models, by their modules.
#[macro_export]
macro_rules! each_model {
    ($then:ident) => {
        $then! {
            cpus: steered_by_msix, steered_by_msi, dropped_by_another;
            event: no_wake_up_is_lost, a_raise_publishes, raised_once_seen_once;
            mask: msix_entries, msi_with_mask_bits, msi_without_mask_bits, polled;
            slot: replaced_under_fire, taken_out_under_fire, takes_itself_out;
            wake: no_task_is_left_by_a_cpu_that_halts;
        }
    };
}

/// Runs a model in all orders, or in those with so many preemptions: almost all bugs need two.
pub fn check(model: fn(), preemptions: Option<usize>) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    println!("{} ways to run", runs.load(Ordering::Relaxed));
}
