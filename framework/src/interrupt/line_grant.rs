//! The resources of a granted line, independent of the type of its handler.

use alloc::sync::Arc;
use alloc::vec;

use super::error::{GrantError, SteerError};
use super::isr::{InIsr, LineIsr};
use super::lines::LineHold;
use crate::ownership::Claimed;
use crate::platform::{Gsi, Mode, Route, RouteError, RouteSource, Wire};
use crate::vector::{Claim, Cpu, InterruptCounters, Placement, ServeInterrupt, Sharer};

/// The resources of a granted line. Dropping disables the pin, then removes the handler, then releases the line.
pub(super) struct LineGrant {
    claimed: Arc<Claimed>,
    source: RouteSource,
    joined: Option<Sharer>,
    hold: LineHold,
}

impl LineGrant {
    pub(super) fn new(claimed: &Arc<Claimed>, placement: Placement) -> Result<Self, GrantError> {
        let (machine, header) = (claimed.machine(), claimed.record().header());
        let (address, pin) = (claimed.record().address(), header.pin.ok_or(RouteError::NoPin)?);
        let route = match machine.lines.route_of(address) {
            Some(gsi) => Route { gsi, source: RouteSource::Option },
            None => {
                let mut by_bridge = None;
                let wire = Wire::follow_while(address, pin, |wire| {
                    let bridge = machine.inventory.bridge_above(wire.device)?;
                    by_bridge = machine.controller.route_behind_bridge(wire);
                    by_bridge.is_none().then_some(bridge)
                })?;
                match by_bridge {
                    Some(route) => route,
                    None => machine.controller.route(wire, header.interrupt_line)?,
                }
            }
        };
        let hold = LineHold::new(machine, route.gsi, placement)?;
        claimed.record().update(|status| (status.mode, status.route) = (Some(Mode::Intx), Some(route)));
        Ok(Self { claimed: claimed.clone(), source: route.source, joined: None, hold })
    }

    pub(super) fn gsi(&self) -> Gsi {
        self.hold.gsi()
    }

    pub(super) fn cpu(&self) -> Cpu {
        self.hold.cpu()
    }

    pub(super) fn steer(&self, cpu: Cpu) -> Result<(), SteerError> {
        self.hold.steer(cpu)
    }

    pub(super) fn source(&self) -> RouteSource {
        self.source
    }

    pub(super) fn join<I: LineIsr>(&mut self, isr: Arc<I>) {
        let record = self.claimed.record();
        let (function, driver) = (record.address(), record.driver());
        let (machine, gsi) = (self.claimed.machine(), Some(self.hold.gsi()));
        let context = isr.clone();
        let activity = Claimed::while_in_use(&self.claimed, move || context.activity());
        let names = vec!["line"];
        let counters =
            Arc::new(InterruptCounters::new(&machine.cpus, function, driver, Mode::Intx, gsi, names, activity));
        let sharer = Sharer::new(Handler { isr, counters: counters.clone() }, counters.clone());
        self.joined = Some(sharer);
        self.resume();
        // It has a vector now.
        machine.handlers.add_counters(counters);
    }

    /// Disables the pin and removes the handler, which is not running afterwards.
    pub(super) fn pause(&self) {
        // A function that was removed asserts no line.
        if !self.claimed.is_gone() {
            self.claimed.enable_pin(false);
            // Read back, so that the function has deasserted the line before its handler is removed.
            let _ = self.claimed.space().read_u16(0);
        }
        if let Some(sharer) = &self.joined {
            self.hold.leave(sharer);
        }
    }

    pub(super) fn resume(&self) {
        if let Some(sharer) = &self.joined {
            self.hold.join(sharer.clone());
        }
        if !self.claimed.is_gone() {
            self.claimed.enable_pin(true);
        }
    }

    pub(super) fn leave(&mut self) {
        self.pause();
        if let Some(sharer) = self.joined.take() {
            self.claimed.machine().handlers.remove_counters(sharer.counters());
        }
    }
}

impl Drop for LineGrant {
    fn drop(&mut self) {
        self.leave();
        self.claimed.record().update(|status| (status.mode, status.route) = (None, None));
    }
}

/// One function's handler on a line.
pub(super) struct Handler<I> {
    pub(super) isr: Arc<I>,
    pub(super) counters: Arc<InterruptCounters>,
}

impl<I: LineIsr> ServeInterrupt for Handler<I> {
    fn serve(&self) -> Claim {
        self.counters.count_call();
        let claim = self.isr.on_line(&InIsr::new(&self.counters));
        if claim == Claim::NotMine {
            self.counters.count_unclaimed();
        }
        claim
    }
}
