//! The controller as its devices share it: start, events, commands with time limits, failure (xHCI 1.2, 4.2, 4.6, 4.24).

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::future::poll_fn;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::Poll;

use atomic_waker::AtomicWaker;
use spin::Mutex;
use switchboard::config::Address;
use switchboard::dma::DmaPort;
use switchboard::driver::ProbeError;
use switchboard::function::BusPort;
use switchboard::interrupt::{Interrupts, Live};
use switchboard::mmio::Bar;
use switchboard::platform::Clock;

use super::controller::{self, Port};
use super::events::EVENT_TRBS;
use super::interrupt::Shared;
use super::registers::{
    COMMAND_ABORT, CONFIG, CRCR, CRCR_CONTROL, DCBAAP, Doorbells, ENABLE, ERDP, ERSTBA, ERSTSZ, IMAN, IMOD, PENDING,
    USBCMD, UsbCommand,
};
use super::state::{Completion, Life, State};
use super::trb::{Code, Entry};
use crate::usb::UsbError;

/// The limit for a command, and for its end after it was aborted (4.6.1.2 requires 5 s).
const COMMAND_TIMEOUT_NS: u64 = 5_000_000_000;
/// The interval of interrupts, in units of 250 ns: 40 µs (5.5.2.2).
const MODERATION: u32 = 160;

/// A claimed controller. Dropping it resets the controller, which then accesses no memory.
pub(super) struct Bus {
    pub(super) shared: Arc<Shared>,
    pub(super) interrupts: Interrupts<1, Shared, Live>,
    pub(super) state: Mutex<State>,
    pub(super) doorbells: Bar<Doorbells>,
    /// The ports, from number 1 on.
    pub(super) ports: Vec<Port>,
    pub(super) slots: u8,
    pub(super) are_contexts_64_bytes: bool,
    /// The task that looks after the ports has something to do.
    pub(super) is_working: AtomicBool,
    pub(super) dma: DmaPort,
    pub(super) bus: BusPort,
    pub(super) clock: &'static dyn Clock,
    pub(super) address: Address,
}

impl Bus {
    /// Gives a controller that was reset its memory, and starts it (4.2).
    pub(super) fn start(&self) {
        let (state, operational) = (&mut *self.state.lock(), &self.shared.operational);
        state.commands.reset();
        state.events.reset();
        state.memory.reset();
        state.slots.iter_mut().for_each(|slot| *slot = None);
        state.life = Life::Running;
        (1..=self.ports.len()).filter_map(|port| u8::try_from(port).ok()).for_each(|port| state.note_port(port));
        self.shared.has_error.store(false, Ordering::Release);
        self.shared.position.store(state.events.position(), Ordering::Release);
        operational.write(&CONFIG, self.slots.into());
        operational.write_address_pair(&DCBAAP, state.memory.bus());
        operational.write_address_pair(&CRCR, state.commands.ring.start());
        let interrupter = &self.shared.interrupter;
        interrupter.write(&IMOD, MODERATION);
        interrupter.write(&ERSTSZ, 1);
        interrupter.write_address_pair(&ERDP, state.events.dequeue_pointer());
        interrupter.write_address_pair(&ERSTBA, state.events.table());
        interrupter.write(&IMAN, PENDING | ENABLE);
        operational.write(&USBCMD, (UsbCommand::RUN | UsbCommand::INTERRUPTS).bits());
    }

    /// Resets a controller that has failed, and starts it. All devices are gone.
    pub(super) fn restart(&self) -> Result<(), ProbeError> {
        controller::reset(&self.shared.operational, self.clock)?;
        self.start();
        self.wake_all();
        Ok(())
    }

    /// Takes the controller off the bus.
    pub(super) fn quarantine(&self, fault: &dyn fmt::Display) {
        if self.shared.presence.confirm().is_ok() && !self.bus.is_isolated() {
            log::error!("{}: xhci: {fault}; the controller is quarantined", self.address);
        }
        self.bus.isolate();
        self.state.lock().life = Life::Quarantined;
        self.wake_all();
    }

    pub(super) fn wake_all(&self) {
        self.shared.wakers.iter().for_each(AtomicWaker::wake);
    }

    /// Takes all events, and wakes the tasks that they are for.
    pub(super) fn collect(&self) {
        let shared = &*self.shared;
        let state = &mut *self.state.lock();
        if shared.presence.is_gone() {
            if state.life != Life::Gone {
                state.life = Life::Gone;
                self.wake_all();
            }
            return;
        }
        if state.life != Life::Running {
            return;
        }
        let mut has_events = false;
        // At most one ring: a controller that writes faster must not occupy the CPU.
        for _ in 0..EVENT_TRBS {
            let Some(event) = state.events.pop() else { break };
            has_events = true;
            match shared.wakers.get(state.dispatch(event)) {
                Some(waker) => waker.wake(),
                None => self.wake_all(),
            }
        }
        if shared.has_error.load(Ordering::Acquire) {
            state.fail("it reports an error and has stopped");
        }
        if has_events | shared.is_busy.swap(false, Ordering::AcqRel) {
            shared.position.store(state.events.position(), Ordering::Release);
            shared.interrupter.write_address_pair(&ERDP, state.events.dequeue_pointer());
        }
        if state.life != Life::Running {
            self.wake_all();
        }
    }

    /// Waits until `take` finds what it looks for, at most until `deadline_ns`.
    pub(super) async fn wait<T>(
        &self,
        deadline_ns: Option<u64>,
        mut take: impl FnMut(&mut State) -> Option<Result<T, UsbError>>,
    ) -> Result<T, UsbError> {
        poll_fn(|_| {
            self.collect();
            let state = &mut *self.state.lock();
            state.check()?;
            match take(state) {
                Some(found) => Poll::Ready(found),
                None if deadline_ns.is_some_and(|deadline_ns| self.clock.now_ns() >= deadline_ns) => {
                    Poll::Ready(Err(UsbError::TimedOut))
                }
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Waits for a time.
    pub(super) async fn delay(&self, time_ns: u64) -> Result<(), UsbError> {
        let deadline_ns = self.clock.now_ns() + time_ns;
        match self.wait(Some(deadline_ns), |_| None::<Result<(), _>>).await {
            Err(UsbError::TimedOut) => Ok(()),
            other => other,
        }
    }

    pub(super) fn ring(&self, slot: u8, endpoint: u8) {
        let written = self.doorbells.try_write(u64::from(slot) * 4, u32::from(endpoint));
        debug_assert!(written.is_some(), "there is a doorbell for each slot");
    }

    /// Carries out a command. One that takes too long is aborted; a controller that does not abort it has failed.
    pub(super) async fn command(&self, command: Entry) -> Result<Completion, UsbError> {
        let index = self.wait(None, |state| state.commands.push(&command).map(Ok)).await?;
        self.ring(0, 0);
        let end = async || {
            let deadline_ns = self.clock.now_ns() + COMMAND_TIMEOUT_NS;
            self.wait(Some(deadline_ns), |state| state.commands.take(index).map(Ok)).await
        };
        let aborted = match end().await {
            Err(UsbError::TimedOut) => {
                self.shared.operational.write(&CRCR_CONTROL, COMMAND_ABORT);
                end().await
            }
            other => return other,
        };
        if aborted.is_err() {
            self.state.lock().fail("it neither ends nor aborts a command");
            self.wake_all();
        } else {
            // The ring has stopped after the command.
            self.ring(0, 0);
        }
        Err(UsbError::TimedOut)
    }

    /// Carries out a command that has to succeed, or, where `allowed`, to find that there is nothing to do.
    pub(super) async fn succeed(&self, command: Entry, allowed: Code) -> Result<Completion, UsbError> {
        let completion = self.command(command).await?;
        if completion.code == Code::SUCCESS || completion.code == allowed {
            Ok(completion)
        } else {
            Err(UsbError::Failed { code: completion.code.get() })
        }
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let is_reachable = !self.shared.presence.is_gone() && !self.bus.is_isolated();
        if is_reachable && let Err(error) = controller::reset(&self.shared.operational, self.clock) {
            self.quarantine(&error);
        }
    }
}

impl fmt::Debug for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bus").field("address", &self.address).finish_non_exhaustive()
    }
}
