//! What looks after a controller: devices that come and go at its ports, and resets after failures.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use super::bus::Bus;
use super::context::Place;
use super::device::XhciDevice;
use super::found::{Found, identify};
use super::state::Life;
use crate::usb::{UsbError, drive};

/// How often a device is addressed anew after an error.
const ATTEMPTS: usize = 3;
/// Resets of the controller, after which it is quarantined.
const MAX_RESETS: usize = 3;
/// After this time without a failure, resets are forgotten.
const GOOD_TIME_NS: u64 = 60_000_000_000;

/// Runs until the controller is removed or quarantined.
pub(super) async fn run(bus: Arc<Bus>, found: Arc<Found>) {
    let (mut resets, mut since_ns) = (0, bus.clock.now_ns());
    loop {
        let reason = drive(&bus.shared.wakers[0], serve(&bus, &found)).await;
        let Life::Failed(reason) = reason else { break };
        let now_ns = bus.clock.now_ns();
        resets = if now_ns.saturating_sub(since_ns) > GOOD_TIME_NS { 1 } else { resets + 1 };
        since_ns = now_ns;
        if bus.shared.presence.confirm().is_err() {
            break;
        }
        if resets > MAX_RESETS {
            bus.quarantine(&reason);
            break;
        }
        log::warn!("{}: xhci: {reason}; it is reset", bus.address);
        if let Err(error) = bus.restart() {
            bus.quarantine(&error);
            break;
        }
    }
    bus.is_working.store(false, Ordering::Release);
}

/// Serves the ports until the controller fails. Returns its state then.
async fn serve(bus: &Arc<Bus>, found: &Found) -> Life {
    bus.ports.iter().for_each(super::controller::Port::power);
    let mut devices: Vec<Option<XhciDevice>> = Vec::new();
    devices.resize_with(bus.ports.len() + 1, || None);
    // What is connected at the start was connected before.
    let mut is_start = true;
    loop {
        let next = bus.wait(None, |state| {
            let port = state.take_port();
            bus.is_working.store(port.is_some(), Ordering::Release);
            port.map(Ok)
        });
        let Ok(port) = next.await else { break };
        let Some(entry) = devices.get_mut(usize::from(port)) else {
            bus.state.lock().fail("it reports a port that there is not");
            break;
        };
        is_start &= usize::from(port) < bus.ports.len();
        if serve_port(bus, port, entry, found, is_start).await.is_err() {
            // The next turn ends this, unless it was the port alone.
            bus.collect();
        }
    }
    bus.state.lock().life
}

/// Handles what has changed at a port.
async fn serve_port(
    bus: &Arc<Bus>,
    port: u8,
    entry: &mut Option<XhciDevice>,
    found: &Found,
    is_start: bool,
) -> Result<(), UsbError> {
    for attempt in 0..ATTEMPTS {
        let connection = bus.look_at(port)?;
        if entry.is_some()
            && (!connection.is_connected || connection.has_changed)
            && let Some(device) = entry.take()
        {
            log::info!("{}: xhci: port {port}: the device was removed", bus.address);
            device.disable().await;
            found.report_change();
        }
        if !connection.is_connected || entry.is_some() {
            return Ok(());
        }
        if attempt > 0 || !is_start {
            bus.debounce().await?;
        }
        match attach(bus, port, found).await {
            Ok(device) => {
                *entry = Some(device);
                return Ok(());
            }
            // It was removed meanwhile, or the controller has failed.
            Err(UsbError::Gone | UsbError::Quarantined) => bus.state.lock().check()?,
            Err(error) => log::warn!("{}: xhci: port {port}: {error}", bus.address),
        }
    }
    Ok(())
}

/// Enables a port, and finds out what is there.
async fn attach(bus: &Arc<Bus>, port: u8, found: &Found) -> Result<XhciDevice, UsbError> {
    let speed = bus.reset_port(port).await?;
    let place = Place { speed, root_port: port, route: 0, translator: None };
    let device = XhciDevice::address(bus, place).await?;
    match identify(&device, found).await {
        Ok(()) => Ok(device),
        Err(error) => {
            device.disable().await;
            Err(error)
        }
    }
}
