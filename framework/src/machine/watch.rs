//! The watch of interrupts that do not arrive, and of requests that do not finish.

use alloc::string::{String, ToString};
use core::fmt::Write;

use super::Machine;
use crate::config::Class;
use crate::inventory::FunctionReport;
use crate::platform::{Mode, Route};
use crate::vector::{Fault, InterruptCounters, LOOK_INTERVAL_NS, WatchEvent};

/// The id of a virtio IOMMU (virtio 1.2, 5.13), which blocks all DMA that it was not set up for, unless it bypasses by default.
const VIRTIO_IOMMU: (u16, u16) = (0x1af4, 0x1057);
/// The class of other IOMMUs: base system peripherals, IOMMU.
const IOMMU_CLASS: (u8, u8) = (0x08, 0x06);

impl Machine {
    /// Looks at each registered handler, by the [activity](crate::interrupt::LineIsr::activity) that its context shows: whether
    /// its interrupts arrive, and whether its device finishes requests. Returns the nanoseconds until the next call, from one task:
    /// a second, or down to 10 ms while a device is polled.
    ///
    /// A device that has had something to report for 50 ms, without a call of its handler, gets a call by software, under
    /// the handler's own vector. If the driver takes what was reported then, the interrupt was lost. After two in a row, that is logged with what to
    /// try, and the device is polled in this way until its interrupts arrive again. Requests without progress for five seconds are
    /// logged, too. Both are in [`functions`](Self::functions) and [`interrupt_report`](Self::interrupt_report).
    ///
    /// Once a second, the presence of each function with a handler is checked, since its driver may wait for an interrupt that a
    /// function that was removed does not raise. One whose registers read all ones is treated as removed, too.
    ///
    /// ```
    /// use switchboard::machine::Machine;
    /// # use std::sync::Arc;
    /// # use std::sync::atomic::{AtomicBool, Ordering};
    /// # use switchboard::interrupt::{Activity, Claim, InIsr, LineIsr};
    /// # use switchboard_testing::{FakeFunction, FakeMachine};
    ///
    /// async fn watch(machine: &Machine, wait_ns: impl AsyncFn(u64)) {
    ///     loop {
    ///         let next_ns = machine.check_interrupts();
    ///         wait_ns(next_ns).await;
    ///     }
    /// }
    /// # struct Device(AtomicBool);
    /// # impl LineIsr for Device {
    /// #     fn on_line(&self, _: &InIsr<'_>) -> Claim {
    /// #         if self.0.swap(false, Ordering::SeqCst) { Claim::Mine } else { Claim::NotMine }
    /// #     }
    /// #     fn activity(&self) -> Activity {
    /// #         Activity::pending_if(self.0.load(Ordering::SeqCst).then_some(0))
    /// #     }
    /// # }
    /// # let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).pin(1, 11)]);
    /// # let machine = fake.machine();
    /// # let device = Arc::new(Device(AtomicBool::new(true)));
    /// # let _line = machine.take_all().remove(0).claim()?.irq.grant_line()?.register(device.clone()).unmask();
    /// # for look in 0..6 {
    /// #     device.0.fetch_or(look % 3 == 0, Ordering::SeqCst);
    /// #     fake.advance_ns(machine.check_interrupts());
    /// #     fake.deliver_raised();
    /// # }
    /// # assert!(machine.interrupt_report()[0].is_polled && !device.0.load(Ordering::SeqCst));
    /// # Ok::<(), switchboard::driver::ProbeError>(())
    /// ```
    pub fn check_interrupts(&self) -> u64 {
        let now_ns = self.clock.now_ns();
        // Handlers of a function follow each other.
        let mut checked = None;
        let next_ns = self.handlers.look(now_ns, |counters, look| {
            if look.is_presence_due && checked.replace(counters.function) != Some(counters.function) {
                // Its driver learns of the removal.
                let _ = self.inventory.find(counters.function).map(|record| self.confirm(&record));
            }
            if look.is_unresponsive {
                self.give_up(counters);
            }
            if look.is_call {
                self.controller.call(counters.vector());
            }
            [look.interrupt, look.requests]
                .into_iter()
                .flatten()
                .for_each(|event| self.log_watch_event(counters, event));
        });
        next_ns.map_or(LOOK_INTERVAL_NS, |next_ns| next_ns.saturating_sub(now_ns).clamp(1, LOOK_INTERVAL_NS))
    }

    /// Treats a function as removed whose registers read all ones, unless it is being reset.
    #[cold]
    fn give_up(&self, counters: &InterruptCounters) {
        let InterruptCounters { function, driver, .. } = counters;
        let Some(record) = self.inventory.find(*function) else { return };
        if record.watch.is_resetting() || self.confirm(&record).is_err() {
            return;
        }
        log::error!("{function}: {driver}: its registers read all ones: it is treated as removed");
        self.mark_gone(&record);
    }

    #[cold]
    fn log_watch_event(&self, counters: &InterruptCounters, event: WatchEvent) {
        let InterruptCounters { function, driver, mode, .. } = counters;
        let names = counters.names.join(", ");
        match event {
            WatchEvent::Lost => {
                let record = self.inventory.find(*function);
                let route = record.as_ref().and_then(|record| record.status().route);
                let offers = record.map(|record| record.offers());
                let mut others = [Mode::Msix, Mode::Msi, Mode::Intx].into_iter().filter(|other| other != mode);
                let other = others.find(|other| offers.is_some_and(|offers| offers.has(*other)));
                log::error!(
                    "{function}: {driver}: interrupts do not arrive ({mode}, {names}, {}): the device is polled; {}",
                    target(counters, route),
                    advice(*mode, other),
                );
            }
            WatchEvent::Arrived => log::info!("{function}: {driver}: interrupts arrive again ({mode}, {names})"),
            WatchEvent::Stalled { outstanding, seconds } => {
                let (functions, mut advice) = (self.functions(), String::new());
                let iommu = functions.iter().find(|report| is_iommu(report));
                let _ = match iommu {
                    Some(iommu) if (iommu.vendor, iommu.device) == VIRTIO_IOMMU => {
                        write!(advice, "the IOMMU {} may block its DMA: boot-bypass=on", iommu.address)
                    }
                    Some(iommu) => write!(advice, "the IOMMU {} may block its DMA: turn it off", iommu.address),
                    None => write!(advice, "its DMA may be blocked, or the host be slow"),
                };
                let fault = Fault::Stalled { name: counters.names.first().copied().unwrap_or("none"), outstanding };
                log::error!("{function}: {driver}: {fault}, for {seconds} s now; {advice}");
            }
            WatchEvent::Resumed => log::info!("{function}: {driver}: requests are finished again ({names})"),
        }
    }
}

/// Returns what the interrupt is delivered by.
fn target(counters: &InterruptCounters, route: Option<Route>) -> String {
    match (counters.gsi, route) {
        (Some(gsi), Some(route)) => alloc::format!("GSI {gsi} by {}", route.source),
        (Some(gsi), None) => alloc::format!("GSI {gsi}"),
        (None, _) => alloc::format!("vector {} of {}", counters.vector().number(), counters.cpu()),
    }
}

fn advice(mode: Mode, other: Option<Mode>) -> String {
    match (mode, other) {
        (Mode::Intx, Some(other)) => alloc::format!("its route may be wrong: try irq={other}, or gsi="),
        (Mode::Intx, None) => "its route may be wrong: try gsi=".to_string(),
        (_, Some(other)) => alloc::format!("try irq={other}"),
        (_, None) => "it offers no other mode".to_string(),
    }
}

fn is_iommu(report: &FunctionReport) -> bool {
    let Class { base, sub, .. } = report.class;
    (report.vendor, report.device) == VIRTIO_IOMMU || (base, sub) == IOMMU_CLASS
}
