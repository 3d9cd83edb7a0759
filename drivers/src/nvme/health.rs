//! The controller's log page of its health: SMART (NVM Express Base Specification 1.4, 5.14.1.2).

use alloc::format;

use switchboard::function::Details;

use super::identify::ControllerIdentity;

/// The number of the log page.
pub(super) const LOG_PAGE: u32 = 0x02;
pub(super) const LOG_BYTES: usize = 512;

/// What the controller reports of its health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Health {
    /// A bit for each warning; 0 for none.
    warning: u8,
    temperature_kelvin: u16,
    available_spare_percent: u8,
    used_percent: u8,
    power_on_hours: u128,
    unsafe_shutdowns: u128,
    media_errors: u128,
}

impl Health {
    pub(super) fn parse(data: &[u8; LOG_BYTES]) -> Self {
        let (numbers, _) = data.as_chunks::<16>();
        let number = |offset: usize| u128::from_le_bytes(numbers[offset / 16]);
        Self {
            warning: data[0],
            temperature_kelvin: u16::from_le_bytes([data[1], data[2]]),
            available_spare_percent: data[3],
            used_percent: data[5],
            power_on_hours: number(128),
            unsafe_shutdowns: number(144),
            media_errors: number(160),
        }
    }

    /// Publishes it in the report of the function.
    pub(super) fn publish(&self, details: &Details) {
        let celsius = i32::from(self.temperature_kelvin) - 273;
        details.set("temperature", format!("{celsius} °C"));
        details.set("critical warning", format!("{:#04x}", self.warning));
        details.set("available spare", format!("{} %", self.available_spare_percent));
        details.set("used", format!("{} %", self.used_percent));
        details.set("power-on hours", format!("{}", self.power_on_hours));
        details.set("unsafe shutdowns", format!("{}", self.unsafe_shutdowns));
        details.set("media errors", format!("{}", self.media_errors));
    }
}

impl ControllerIdentity {
    /// Publishes it in the report of the function.
    pub(super) fn publish(&self, details: &Details) {
        details.set("model", self.model.clone());
        details.set("serial number", self.serial.clone());
        details.set("firmware", self.firmware.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_page_is_parsed() {
        let mut data = [0; LOG_BYTES];
        data[..6].copy_from_slice(&[4, 0x43, 0x01, 100, 10, 3]);
        (data[128], data[129], data[144], data[175]) = (0x10, 0x27, 5, 1);
        let health = Health::parse(&data);
        assert_eq!((health.warning, health.temperature_kelvin, health.used_percent), (4, 323, 3));
        assert_eq!((health.power_on_hours, health.unsafe_shutdowns, health.media_errors), (10_000, 5, 1 << 120));
    }
}
