//! The shell of the image: the standard words, and one about the network.

use alloc::rc::Rc;
use core::fmt::Write;

use switchboard_net::Network;
use switchboard_runtime::shell::{ConsoleShells, Output, Shell};
use switchboard_runtime::system::System;

/// Starts the shell on every console, present and future.
pub(super) async fn start(system: &mut System, network: Rc<Network>) {
    let net = move |_: &str, output: &mut Output| show_interfaces(&network, output);
    let shell = Shell::new(system.machine, Some(system.tasks));
    let shell = Rc::new(shell.with_word("net", "network interfaces, their addresses and traffic", net));
    system.add_subsystem(Rc::new(ConsoleShells::new(system, shell.clone()))).await;
    #[cfg(any(feature = "input", feature = "xhci"))]
    system.add_subsystem(Rc::new(switchboard_runtime::shell::KeyboardShells::new(system, shell.clone()))).await;
    #[cfg(feature = "vsock")]
    system.add_subsystem(Rc::new(switchboard_runtime::shell::VsockShells::new(system, shell))).await;
}

fn show_interfaces(network: &Network, output: &mut Output) {
    for interface in network.interfaces().iter() {
        let link = if interface.is_up() { "up" } else { "down" };
        let _ = writeln!(output, "{}  {}  {}  link {link}", interface.function, interface.driver, interface.mac);
        let config = interface.config();
        for address in &config.addresses {
            let _ = writeln!(output, "{:12}  address {address}", "");
        }
        for route in &config.routes {
            let _ = writeln!(output, "{:12}  route {route}", "");
        }
        let (received, sent) = (interface.traffic.received_bytes(), interface.traffic.sent_bytes());
        let _ = writeln!(output, "{:12}  {received} bytes received, {sent} sent", "");
    }
}
