//! The executor of each CPU: polls the tasks that were woken, and halts the CPU when there are none.

#![expect(
    unsafe_code,
    reason = "the executor's wake-up hook is a link-time symbol, and each executor belongs to a CPU"
)]

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hint::spin_loop;
use core::ptr;

use embassy_executor::{Spawner, raw};
use spin::Once;
use switchboard::event::WakeFlag;
use switchboard_runtime::halt_polling::HaltPolling;
use switchboard_runtime::tasks;
use switchboard_x86_64 as arch;
use x86_64::instructions::interrupts;

/// The executor of a CPU.
struct CpuExecutor {
    executor: raw::Executor,
    wake: &'static Wake,
}

// SAFETY: only its CPU polls an executor (`poll`); all others reach it by wakers and by a `SendSpawner`.
unsafe impl Sync for CpuExecutor {}
// SAFETY: it is empty when it moves to its place.
unsafe impl Send for CpuExecutor {}

/// What wakers know of an executor.
struct Wake {
    cpu: usize,
    flag: WakeFlag,
}

static EXECUTORS: Once<Vec<CpuExecutor>> = Once::new();

/// The hook of `embassy-executor` for a task that becomes ready, called from any context of any CPU.
#[unsafe(export_name = "__pender")]
fn pender(context: *mut ()) {
    // SAFETY: `CpuExecutor::new` gave this executor a static `Wake` as its context.
    let wake = unsafe { &*context.cast::<Wake>() };
    // SAFETY: executors are made after the machine has been initialised.
    if context == unsafe { arch::executor_context() } {
        wake.flag.wake();
    } else if wake.flag.wake_from_another_cpu() {
        // One interrupt, however many tasks are woken until the CPU has seen the flag.
        arch::wake_cpu(wake.cpu);
    }
}

impl CpuExecutor {
    fn new(cpu: usize) -> Self {
        let wake: &'static Wake = Box::leak(Box::new(Wake { cpu, flag: WakeFlag::new() }));
        Self { executor: raw::Executor::new(ptr::from_ref(wake).cast_mut().cast()), wake }
    }

    /// Polls the tasks of the CPU that calls for ever, and polls before each halt as `polling` decides.
    fn run(&'static self, mut polling: HaltPolling) -> ! {
        self.enter();
        loop {
            // SAFETY: this is the only call, by the CPU of the executor, in a loop that is not re-entered: `pender` only sets a flag.
            unsafe { self.executor.poll() };
            if self.take_woken() {
                continue;
            }
            let budget_ns = polling.budget_ns();
            if budget_ns > 0 {
                if self.is_woken_within(budget_ns) {
                    polling.record_hit();
                    continue;
                }
                polling.record_miss();
            }
            // An ISR between the check of the flag and the halt would leave its task waiting for the next interrupt. So the
            // check is made with interrupts off, and `sti; hlt` delivers a pending interrupt only after the halt.
            interrupts::disable();
            if self.take_woken() {
                interrupts::enable();
            } else {
                arch::halt_until_interrupt();
            }
        }
    }

    /// Makes this the executor of the CPU that calls.
    fn enter(&self) {
        arch::set_executor_context(ptr::from_ref(self.wake).cast_mut().cast());
    }

    fn take_woken(&self) -> bool {
        self.wake.flag.take()
    }

    /// Polls for a wake-up; returns `false` when none came within `limit_ns` nanoseconds.
    fn is_woken_within(&self, limit_ns: u64) -> bool {
        let end = arch::now_ns() + limit_ns;
        while arch::now_ns() < end {
            if self.take_woken() {
                return true;
            }
            spin_loop();
        }
        false
    }
}

/// Runs tasks for ever, on this CPU with polls before each halt as `polling` decides; `start` spawns the first tasks.
pub(crate) fn run(polling: HaltPolling, start: impl FnOnce(Spawner)) -> ! {
    let executors = EXECUTORS.call_once(|| (0..arch::cpu_count()).map(CpuExecutor::new).collect());
    for cpu in executors {
        tasks::add_executor(cpu.executor.spawner().make_send());
    }
    // A CPU without work halts at once: it may share a CPU of the host with one that has.
    arch::run_on_further_cpus(|cpu| EXECUTORS.get().expect("made above")[cpu].run(HaltPolling::new(0)));
    let boot = &executors[0];
    boot.enter();
    start(boot.executor.spawner());
    boot.run(polling)
}
