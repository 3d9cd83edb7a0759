//! The ports of the root hub: what is connected, and the reset that enables a port (xHCI 1.2, 4.3 and 4.19).

use super::bus::Bus;
use super::context::speed_of;
use super::controller::Port;
use super::registers::{PORTSC, PortStatus};
use crate::usb::{Speed, UsbError};

/// The limit for the reset of a port, and of its link (USB 2.0, 7.1.7.5: 50 ms; USB 3.2, 7.5.12: more).
const RESET_TIMEOUT_NS: u64 = 500_000_000;
/// A USB 3 port enables itself within this time (USB 3.2, 7.5.4).
const TRAINING_TIMEOUT_NS: u64 = 200_000_000;
/// The time after a connection until it counts (TATTDB), and that after a reset until the device is addressed (TRSTRCY): USB 2.0,
/// 7.1.7.3 and 7.1.7.5.
const DEBOUNCE_NS: u64 = 100_000_000;
const RECOVERY_NS: u64 = 10_000_000;

impl Port {
    /// Reads the port, and acknowledges what has changed. Returns `None` if the controller was removed.
    fn acknowledge(&self, bus: &Bus) -> Option<PortStatus> {
        let value = self.registers.read(&PORTSC);
        if value == u32::MAX && bus.shared.presence.confirm().is_err() {
            return None;
        }
        let status = PortStatus::from_bits_retain(value);
        if status.intersects(PortStatus::CHANGES) {
            self.write(status, status & PortStatus::CHANGES);
        }
        Some(status)
    }

    /// Writes what is kept, and these bits.
    fn write(&self, status: PortStatus, bits: PortStatus) {
        self.registers.write(&PORTSC, ((status & PortStatus::KEPT) | bits).bits());
    }

    /// Turns the power of a port on, where it is switched.
    pub(super) fn power(&self) {
        let status = PortStatus::from_bits_retain(self.registers.read(&PORTSC));
        if !status.contains(PortStatus::POWER) {
            self.write(status, PortStatus::POWER);
        }
    }
}

/// What is at a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Connection {
    pub(super) is_connected: bool,
    /// Another device may have been plugged in since the last look.
    pub(super) has_changed: bool,
}

impl Bus {
    fn port(&self, number: u8) -> Result<&Port, UsbError> {
        let index = usize::from(number).checked_sub(1);
        index.and_then(|index| self.ports.get(index)).ok_or(UsbError::Protocol("an event of a port that there is not"))
    }

    fn acknowledge(&self, port: &Port) -> Result<PortStatus, UsbError> {
        port.acknowledge(self).ok_or(UsbError::Gone)
    }

    /// Looks at a port.
    pub(super) fn look_at(&self, number: u8) -> Result<Connection, UsbError> {
        let status = self.acknowledge(self.port(number)?)?;
        let (is_connected, has_changed) =
            (status.contains(PortStatus::CONNECTED), status.contains(PortStatus::CONNECT_CHANGE));
        Ok(Connection { is_connected, has_changed })
    }

    /// Waits until a connection that has just been made is a good one.
    pub(super) async fn debounce(&self) -> Result<(), UsbError> {
        self.delay(DEBOUNCE_NS).await
    }

    /// Resets a port. Returns the speed of the device, which then has the address 0.
    pub(super) async fn reset_port(&self, number: u8) -> Result<Speed, UsbError> {
        let port = self.port(number)?;
        let mut status = self.acknowledge(port)?;
        if port.is_usb3 {
            status = self.wait_for_port(port, TRAINING_TIMEOUT_NS, |it| it.contains(PortStatus::ENABLED)).await?;
        }
        if !(port.is_usb3 && status.contains(PortStatus::ENABLED)) {
            port.write(status, if port.is_usb3 { PortStatus::WARM_RESET } else { PortStatus::RESET });
            let is_done = |it: PortStatus| it.contains(PortStatus::ENABLED) && !it.contains(PortStatus::RESET);
            status = self.wait_for_port(port, RESET_TIMEOUT_NS, is_done).await?;
            if !is_done(status) {
                return Err(UsbError::Protocol("a port is not enabled by its reset"));
            }
            self.delay(RECOVERY_NS).await?;
        }
        speed_of(status.bits() >> 10 & 0xf).ok_or(UsbError::Protocol("a device of an unknown speed"))
    }

    /// Reads a port until it is as wanted, or the time is over, or the device was unplugged.
    async fn wait_for_port(
        &self,
        port: &Port,
        timeout_ns: u64,
        is_done: impl Fn(PortStatus) -> bool,
    ) -> Result<PortStatus, UsbError> {
        let deadline_ns = self.clock.now_ns() + timeout_ns;
        self.wait(None, |_| {
            let status = PortStatus::from_bits_retain(port.registers.read(&PORTSC));
            if status.is_all() && self.shared.presence.confirm().is_err() || !status.contains(PortStatus::CONNECTED) {
                return Some(Err(UsbError::Gone));
            }
            let is_over = || self.clock.now_ns() >= deadline_ns;
            (is_done(status) || is_over()).then_some(Ok(status))
        })
        .await
    }
}
