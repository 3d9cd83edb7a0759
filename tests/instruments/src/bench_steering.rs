//! Measures the cost of moving a message to another CPU in instructions, for [`bench_interrupts`](crate::bench_interrupts).

use alloc::sync::Arc;
use alloc::vec::Vec;

use switchboard::function::Function;
use switchboard::interrupt::{Claim, Cpu, InIsr, LineAsMessage, LineIsr, Messages, ServiceMessage};
use switchboard::machine::Machine;
use switchboard_runtime::say;
use switchboard_x86_64::instruments::read_tsc;

const ROUNDS: usize = 100;

/// A handler that does nothing.
#[derive(Debug)]
struct Idle;

impl LineIsr for Idle {
    fn on_line(&self, _isr: &InIsr<'_>) -> Claim {
        Claim::Mine
    }
}

/// Measures moves of a message of the first function with MSI-X, on a machine of several CPUs. Does nothing on others.
pub(crate) fn run(machine: &'static Machine) {
    let function = machine.take_all().into_iter().find(|function| function.offers().msix > 0);
    if let Some([there, back]) = function.and_then(measure) {
        say!("steer: {there} to another CPU, {back} back");
    }
}

/// Returns the instructions of a move to the second CPU, and of one back. The clock counts those of both CPUs.
fn measure(function: Function) -> Option<[u64; 2]> {
    let irq = function.claim().ok()?.irq;
    let cpus: Vec<Cpu> = irq.cpus().collect();
    let [here, there, ..] = cpus[..] else { return None };
    let granted: Messages<1, LineAsMessage<Idle>> = irq.grant_messages().ok()?;
    let mut live = granted.register(Arc::new(LineAsMessage(Idle))).unmask();
    let mut entries = live.as_msix()?;
    let mut least = [u64::MAX; 2];
    for _ in 0..ROUNDS {
        for (cpu, least) in [there, here].into_iter().zip(&mut least) {
            let start = read_tsc();
            entries.steer(ServiceMessage, cpu).ok()?;
            *least = (*least).min(read_tsc() - start);
        }
    }
    Some(least)
}
