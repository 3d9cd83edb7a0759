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
    say!("{:12}  {:9}  {:6}  {:14}  {:24}  granted", "function", "id", "class", "driver", "offers");
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
/// assert_eq!(row, "0000:00:03.0  1234:11e8  000000  -               INTA, MSI 1               -");
/// ```
#[must_use]
pub fn row(function: &FunctionReport, interrupts: &[InterruptReport]) -> String {
    let granted = match &function.state {
        FunctionState::Live => granted(function, interrupts),
        FunctionState::Unclaimed => String::from("-"),
        FunctionState::Failed(reason) => format!("failed: {reason}"),
        FunctionState::LeftAlone(reason) => format!("left alone: {reason}"),
        FunctionState::Isolated => String::from("isolated"),
        FunctionState::Gone => String::from("gone"),
    };
    format!(
        "{}  {:04x}:{:04x}  {}  {:14}  {:24}  {granted}",
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

/// Returns the interrupts that a function was granted, as `msix 48 Config, 49 Rx Tx` or `intx 50 gsi 22 by chipset`. Vectors of another
/// CPU than the boot CPU have its number behind them: `msix 48 Config, 32 on CPU 1 Rx Tx`.
fn granted(function: &FunctionReport, interrupts: &[InterruptReport]) -> String {
    let Some(mode) = function.mode else { return String::from("no interrupt") };
    let mut text = format!("{mode}");
    for (index, handler) in interrupts.iter().filter(|handler| handler.function == function.address).enumerate() {
        let separator = if index == 0 { "" } else { "," };
        let _ = write!(text, "{separator} {}", handler.vector.number());
        if handler.cpu.number() != 0 {
            let _ = write!(text, " on {}", handler.cpu);
        }
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
mod tests;
