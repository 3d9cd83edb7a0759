//! The boot table: every function, what it offers, and what it was granted.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use switchboard::function::{FunctionReport, FunctionState};
use switchboard::interrupt::{InterruptReport, Mode, Offers};
use switchboard::machine::Machine;

use crate::say;

/// Prints the table.
pub fn print(machine: &Machine) {
    let interrupts = machine.interrupt_report();
    say!("{:12}  {:9}  {:6}  {:11}  {:24}  granted", "function", "id", "class", "driver", "offers");
    for function in machine.functions() {
        say!("{}", line(&function, &interrupts));
    }
}

fn line(function: &FunctionReport, interrupts: &[InterruptReport]) -> String {
    let granted = match &function.state {
        FunctionState::Live => granted(function, interrupts),
        FunctionState::Unclaimed => String::from("-"),
        FunctionState::Failed(reason) => format!("failed: {reason}"),
        FunctionState::Gone => String::from("gone"),
    };
    format!(
        "{}  {:04x}:{:04x}  {}  {:11}  {:24}  {granted}",
        function.address,
        function.vendor,
        function.device,
        function.class,
        function.driver.unwrap_or("-"),
        offers(function.offers),
    )
}

/// What it could interrupt by, as `INTA, MSI 1, MSI-X 4`.
fn offers(offers: Offers) -> String {
    let mut parts = Vec::new();
    parts.extend(offers.intx.map(|pin| format!("{pin}")));
    parts.extend((offers.msi > 0).then(|| format!("MSI {}", offers.msi)));
    parts.extend((offers.msix > 0).then(|| format!("MSI-X {}", offers.msix)));
    if parts.is_empty() { String::from("-") } else { parts.join(", ") }
}

/// What it interrupts by, as `msix 48 Config, 49 Rx Tx` or `intx 50 gsi 22 by chipset`.
fn granted(function: &FunctionReport, interrupts: &[InterruptReport]) -> String {
    let Some(mode) = function.mode else { return String::from("no interrupt") };
    let mut text = format!("{mode}");
    for (index, row) in interrupts.iter().filter(|row| row.function == function.address).enumerate() {
        let separator = if index == 0 { "" } else { "," };
        let _ = write!(text, "{separator} {}", row.vector.number());
        match (mode, row.gsi) {
            (Mode::Intx, Some(gsi)) => {
                let _ = write!(text, " gsi {gsi}");
                if let Some(route) = function.route {
                    let _ = write!(text, " by {}", route.source);
                }
            }
            _ => {
                for name in &row.names {
                    let _ = write!(text, " {name}");
                }
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use switchboard::config::{Address, Class};
    use switchboard::interrupt::{Gsi, Pin, Route, RouteSource, Vector};

    use super::*;

    fn function(state: FunctionState, mode: Option<Mode>) -> FunctionReport {
        FunctionReport {
            address: Address::new(0, 0, 3, 0),
            vendor: 0x1af4,
            device: 0x1041,
            class: Class { base: 2, sub: 0, interface: 0 },
            driver: mode.map(|_| "virtio-net"),
            state,
            offers: Offers { intx: Some(Pin::A), msi: 0, msix: 4 },
            mode,
            route: None,
            bars: Vec::new(),
            extended_capabilities: Vec::new(),
            rom: None,
            defects: Vec::new(),
        }
    }

    fn row(number: u8, names: &[&'static str]) -> InterruptReport {
        InterruptReport {
            vector: Vector::new(0, number),
            mode: Mode::Msix,
            function: Address::new(0, 0, 3, 0),
            driver: "virtio-net",
            names: names.to_vec(),
            gsi: None,
            count: 0,
            unclaimed: 0,
            masked_while_pending: 0,
            longest_ticks: 0,
        }
    }

    #[test]
    fn a_live_function_shows_its_vectors() {
        let rows = [row(48, &["Config"]), row(49, &["Rx", "Tx"])];
        assert_eq!(
            line(&function(FunctionState::Live, Some(Mode::Msix)), &rows),
            "0000:00:03.0  1af4:1041  020000  virtio-net   INTA, MSI-X 4             msix 48 Config, 49 Rx Tx"
        );
    }

    #[test]
    fn a_line_shows_who_knew_its_route() {
        let gsi = Gsi(22);
        let route = Some(Route { gsi, source: RouteSource::Chipset });
        let function = FunctionReport { route, ..function(FunctionState::Live, Some(Mode::Intx)) };
        let row = InterruptReport { mode: Mode::Intx, gsi: Some(gsi), ..row(50, &["line"]) };
        assert!(line(&function, &[row]).ends_with("intx 50 gsi 22 by chipset"));
    }

    #[test]
    fn a_failed_function_shows_why() {
        let failed = function(FunctionState::Failed("virtio-net: out of vectors".into()), None);
        assert!(
            line(&failed, &[]).ends_with("-            INTA, MSI-X 4             failed: virtio-net: out of vectors")
        );
    }
}
