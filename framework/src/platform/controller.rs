//! The interrupt controller, as the PCI core uses it.

use super::{Gsi, Route, RouteError, Vector, Wire};

/// Interrupt delivery: the target of a message, the route and the mask of a line.
pub trait InterruptController: Send + Sync {
    /// Returns the memory write that raises `vector` on its CPU (SDM vol. 3, 11.11).
    fn message(&self, vector: Vector) -> MessageTarget;

    /// Raises `vector` on its CPU by software, as a message to it does.
    fn raise(&self, vector: Vector);

    /// Calls the handlers of `vector` soon, by software.
    ///
    /// An implementation must not raise the vector itself if it can be the vector of a line: such an interrupt is edge-triggered,
    /// and the local APIC takes a level of the line that is in service at that moment for edge-triggered too. Its EOI is then
    /// not broadcast to the I/O APIC (SDM vol. 3, 11.8.4), whose Remote IRR bit stays set, and the line with all its sharers
    /// is dead. Switching the I/O APIC entry to edge and back is no way out: a level asserted in between is missed.
    fn call(&self, vector: Vector);

    /// Waits until the CPU of `vector` has served, with the EOI, each interrupt with it that has arrived there. Nothing sends another
    /// meanwhile. Returns `false` when the CPU does not serve interrupts in time.
    ///
    /// The default is for machines where an interrupt is served as soon as it has arrived.
    fn drain(&self, vector: Vector) -> bool {
        let _ = vector;
        true
    }

    /// Clears Remote IRR of the lines that are delivered by `vector`, where an EOI was lost.
    ///
    /// A message with a line's vector that a device forged makes the local APIC keep the EOI to itself, as described at
    /// [`call`](Self::call).
    fn clear_remote_irr(&self, vector: Vector);

    /// Returns the line that `wire` ends at. `interrupt_line` is what firmware left in Interrupt Line of the function that drives it.
    ///
    /// # Errors
    /// [`RouteError`] when the route is not known.
    fn route(&self, wire: Wire, interrupt_line: u8) -> Result<Route, RouteError>;

    /// Returns the line of a wire behind a bridge, where firmware's tables have a route of its own for it. By default there is none:
    /// the bridge rotates the pins of the devices behind it, and the wire is followed to the root bus.
    fn route_behind_bridge(&self, wire: Wire) -> Option<Route> {
        let _ = wire;
        None
    }

    /// Routes the line to `vector`, also one that is routed already and masked: level-triggered, active low unless firmware's tables differ, and masked.
    ///
    /// # Errors
    /// [`RouteError::NoSuchGsi`] when no I/O APIC has that input.
    fn connect(&self, gsi: Gsi, vector: Vector) -> Result<(), RouteError>;

    /// Masks a line. A level that stays asserted is delivered after [`unmask`](Self::unmask).
    fn mask(&self, gsi: Gsi);

    /// Unmasks a line.
    fn unmask(&self, gsi: Gsi);
}

/// The address and data of a message: the contents of an MSI capability or an MSI-X entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageTarget {
    /// The address that the device writes to.
    pub address: u64,
    /// The value that it writes; its low bits carry the message number for multi-message MSI.
    pub data: u32,
}
