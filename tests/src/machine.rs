//! The machines that the image is tested on: a QEMU machine type and its firmware.

/// A machine, characterized by the state that its firmware leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// PCI Express, ECAM announced by ACPI; SeaBIOS assigns all resources.
    Q35,
    /// [`Q35`](Self::Q35) with qboot, which writes Interrupt Line registers and no BAR, bridge window or bus number.
    Q35Qboot,
    /// Conventional PCI, configuration by ports only; SeaBIOS assigns all resources.
    Pc,
    /// PCI Express by ECAM only, without ports or a chipset; qboot assigns nothing.
    Microvm,
}

impl Machine {
    /// Returns QEMU's arguments for the machine.
    pub(crate) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Q35 => &["-machine", "q35"],
            Self::Q35Qboot => &["-machine", "q35", "-bios", "qboot.rom"],
            Self::Pc => &["-machine", "pc"],
            // Enables a serial port and a clock, which are off by default, and leaves the command line unchanged.
            Self::Microvm => {
                &["-machine", "microvm,pcie=on,acpi=on,isa-serial=on,rtc=on,pit=on,pic=on,auto-kernel-cmdline=off"]
            }
        }
    }
}
