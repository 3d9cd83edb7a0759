//! The start of the other CPUs, by INIT and STARTUP (SDM vol. 3, 9.4).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hint::spin_loop;
use core::sync::atomic::Ordering;

use switchboard::platform::MemoryError;
use switchboard::vector::VectorTable;

use super::area::CpuArea;
use super::trampoline::Trampoline;
use super::{tsc, work};
use crate::apic::local;
use crate::{clock, idt, pages, stacks};

/// The time from INIT to the first STARTUP, and from that to the second (SDM vol. 3, 9.4.4.1).
const INIT_NS: u64 = 10_000_000;
const REPEAT_NS: u64 = 200_000;
/// The limit for a CPU to run: one of a busy host is not run for a while.
const TIMEOUT_NS: u64 = 1_000_000_000;

/// The reason why a CPU is left halted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum StartError {
    #[error("it does not start within {} ms", TIMEOUT_NS / 1_000_000)]
    Silent,
    #[error("no memory for more stacks: {0}")]
    Memory(#[from] MemoryError),
    #[error("its time stamp counter differs by {least} to {most} ticks from that of the boot CPU")]
    Clock { least: i64, most: i64 },
    #[error("it stopped while its time stamp counter was compared")]
    Stopped,
}

/// Starts the CPUs with these local APIC ids, and returns the areas of those that run.
pub(super) fn start(ids: &[u32], page: u64) -> Vec<&'static CpuArea> {
    let mut trampoline = match Trampoline::new(page) {
        Ok(trampoline) => trampoline,
        Err(error) => {
            log::error!("{} CPUs left halted: {error}", ids.len());
            return Vec::new();
        }
    };
    ids.iter().for_each(|id| local::send_init(*id));
    wait(INIT_NS);
    let mut areas = Vec::new();
    for (started, id) in ids.iter().enumerate() {
        match start_one(u32::try_from(areas.len()).unwrap_or(0) + 1, *id, &mut trampoline) {
            Ok(area) => areas.push(area),
            Err(error @ StartError::Memory(_)) => {
                log::warn!("{} CPUs left halted: {error}", ids.len() - started);
                break;
            }
            Err(error) => {
                // Back to where it waits for STARTUP.
                local::send_init(*id);
                log::warn!("CPU {id} left halted: {error}");
            }
        }
    }
    areas
}

fn start_one(index: u32, id: u32, trampoline: &mut Trampoline) -> Result<&'static CpuArea, StartError> {
    let area: &'static CpuArea = Box::leak(Box::new(CpuArea::new(index, id)));
    let (pages, used) = pages::usage();
    if used > pages / 2 {
        // The rest is for DMA.
        return Err(MemoryError::OutOfMemory { wanted: stacks::BYTES_OF_CPU }.into());
    }
    let stack = stacks::prepare(area)?;
    area.set_vectors(Box::leak(Box::new(VectorTable::new(id))));
    trampoline.prepare(id, area, stack);
    let start_ns = clock::now_ns();
    local::send_startup(id, trampoline.page());
    let mut is_repeated = false;
    while !area.is_running.load(Ordering::Acquire) {
        let elapsed_ns = clock::now_ns() - start_ns;
        if elapsed_ns > REPEAT_NS && !is_repeated && !trampoline.is_entered() {
            is_repeated = true;
            local::send_startup(id, trampoline.page());
        }
        // One that has entered is about to run, however long its host takes.
        if elapsed_ns > TIMEOUT_NS && trampoline.revoke() {
            return Err(StartError::Silent);
        }
        spin_loop();
    }
    let difference = tsc::compare().ok_or(StartError::Stopped)?;
    if !difference.is_zero_possible() {
        return Err(StartError::Clock { least: difference.least, most: difference.most });
    }
    area.set_id(id);
    Ok(area)
}

/// The first Rust function of a CPU, on its stack and on the machine's page tables. Interrupts are disabled.
pub(super) extern "sysv64" fn run(area: &'static CpuArea) -> ! {
    stacks::load(area);
    area.enter();
    idt::load();
    local::init_further();
    area.is_running.store(true, Ordering::Release);
    tsc::answer();
    work::wait_for_entry()
}

fn wait(nanoseconds: u64) {
    let start_ns = clock::now_ns();
    while clock::now_ns() < start_ns + nanoseconds {
        spin_loop();
    }
}
