//! The boot table: one row for each PCI function, with the interrupts that it offers and was granted.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use switchboard::function::{FunctionReport, FunctionState};
use switchboard::interrupt::{InterruptReport, Mode, Offers};
use switchboard::machine::Machine;

use crate::say;

/// Prints the table on the console.
pub fn print(machine: &Machine) {
    let interrupts = machine.interrupt_report();
    say!("{:12}  {:9}  {:6}  {:11}  {:24}  granted", "function", "id", "class", "driver", "offers");
    for function in machine.functions() {
        say!("{}", row(&function, &interrupts));
    }
}

/// Returns the row of one function.
///
/// `interrupts` is the machine's [interrupt report](Machine::interrupt_report); rows of other functions are ignored.
///
/// ```
/// use switchboard_runtime::boot_table;
/// use switchboard_testing::{FakeFunction, FakeMachine};
///
/// let fake = FakeMachine::new([FakeFunction::new(0x1234, 0x11e8).at("00:03.0").bar(0, 0x1000).pin(1, 10).msi(1)]);
/// let function = fake.machine().functions().remove(0);
/// let row = boot_table::row(&function, &fake.machine().interrupt_report());
/// assert_eq!(row, "0000:00:03.0  1234:11e8  000000  -            INTA, MSI 1               -");
/// ```
#[must_use]
pub fn row(function: &FunctionReport, interrupts: &[InterruptReport]) -> String {
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

/// Returns the interrupts that a function offers, as `INTA, MSI 1, MSI-X 4`.
fn offers(offers: Offers) -> String {
    let mut parts = Vec::new();
    parts.extend(offers.intx.map(|pin| format!("{pin}")));
    parts.extend((offers.msi > 0).then(|| format!("MSI {}", offers.msi)));
    parts.extend((offers.msix > 0).then(|| format!("MSI-X {}", offers.msix)));
    if parts.is_empty() { String::from("-") } else { parts.join(", ") }
}

/// Returns the interrupts that a function was granted, as `msix 48 Config, 49 Rx Tx` or `intx 50 gsi 22 by chipset`.
fn granted(function: &FunctionReport, interrupts: &[InterruptReport]) -> String {
    let Some(mode) = function.mode else { return String::from("no interrupt") };
    let mut text = format!("{mode}");
    for (index, handler) in interrupts.iter().filter(|handler| handler.function == function.address).enumerate() {
        let separator = if index == 0 { "" } else { "," };
        let _ = write!(text, "{separator} {}", handler.vector.number());
        match (mode, handler.gsi) {
            (Mode::Intx, Some(gsi)) => {
                let _ = write!(text, " gsi {gsi}");
                if let Some(route) = function.route {
                    let _ = write!(text, " by {}", route.source);
                }
            }
            _ => {
                for name in &handler.names {
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

    fn handler(number: u8, names: &[&'static str]) -> InterruptReport {
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
        let handlers = [handler(48, &["Config"]), handler(49, &["Rx", "Tx"])];
        assert_eq!(
            row(&function(FunctionState::Live, Some(Mode::Msix)), &handlers),
            "0000:00:03.0  1af4:1041  020000  virtio-net   INTA, MSI-X 4             msix 48 Config, 49 Rx Tx"
        );
    }

    #[test]
    fn a_line_shows_the_source_of_its_route() {
        let gsi = Gsi(22);
        let route = Some(Route { gsi, source: RouteSource::Chipset });
        let function = FunctionReport { route, ..function(FunctionState::Live, Some(Mode::Intx)) };
        let handler = InterruptReport { mode: Mode::Intx, gsi: Some(gsi), ..handler(50, &["line"]) };
        assert!(row(&function, &[handler]).ends_with("intx 50 gsi 22 by chipset"));
    }

    #[test]
    fn a_failed_function_shows_the_reason() {
        let failed = function(FunctionState::Failed("virtio-net: out of vectors".into()), None);
        assert!(
            row(&failed, &[]).ends_with("-            INTA, MSI-X 4             failed: virtio-net: out of vectors")
        );
    }
}
