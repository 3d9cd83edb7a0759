//! The machines that the image is tested on: a QEMU model and its firmware.

/// A machine, by what its firmware leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    /// PCI Express, ECAM announced by ACPI; SeaBIOS assigns everything.
    Q35,
    /// The same with qboot, which writes Interrupt Line registers and no BAR, bridge window or bus number.
    Q35Qboot,
    /// Conventional PCI, ports only; SeaBIOS assigns everything.
    Pc,
    /// PCI Express by memory alone, without ports and without a chipset; qboot assigns nothing here.
    Microvm,
}

impl Machine {
    /// QEMU's words for it.
    pub(crate) fn words(self) -> &'static [&'static str] {
        match self {
            Self::Q35 => &["-machine", "q35"],
            Self::Q35Qboot => &["-machine", "q35", "-bios", "qboot.rom"],
            Self::Pc => &["-machine", "pc"],
            // A serial port and a clock that are not there by default, and nothing added to the command line.
            Self::Microvm => {
                &["-machine", "microvm,pcie=on,acpi=on,isa-serial=on,rtc=on,pit=on,pic=on,auto-kernel-cmdline=off"]
            }
        }
    }
}
