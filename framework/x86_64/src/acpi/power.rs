//! What the FADT has of ACPI's fixed hardware: the system control interrupt, the switch to ACPI mode, and the general-purpose events
//! (ACPI 6.5, 5.2.9 and 4.8).

/// Offsets in the FADT.
const SCI_INTERRUPT: usize = 46;
const SMI_COMMAND: usize = 48;
const ACPI_ENABLE: usize = 52;
const PM1A_CONTROL: usize = 64;
const GPE0_BLOCK: usize = 80;
const GPE0_LENGTH: usize = 92;

/// The fixed hardware, by I/O ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FixedHardware {
    /// The system control interrupt, as an interrupt of the 8259 pair.
    pub(crate) interrupt: u8,
    /// The port and the value that switch to ACPI mode; port 0 where the machine is always in it.
    pub(crate) smi_command: u16,
    pub(crate) acpi_enable: u8,
    pub(crate) pm1a_control: u16,
    /// The first port of the status bits of events, and the bytes of these; as many enable bits follow.
    pub(crate) events: u16,
    pub(crate) event_bytes: u16,
}

impl FixedHardware {
    /// Returns the fixed hardware, or `None` where there are no general-purpose events.
    pub(super) fn read(fadt: &[u8]) -> Option<Self> {
        let byte = |at: usize| fadt.get(at).copied();
        let word = |at: usize| Some(u16::from_le_bytes([byte(at)?, byte(at + 1)?]));
        let (events, length) = (word(GPE0_BLOCK)?, byte(GPE0_LENGTH)?);
        let hardware = Self {
            interrupt: byte(SCI_INTERRUPT)?,
            smi_command: word(SMI_COMMAND)?,
            acpi_enable: byte(ACPI_ENABLE)?,
            pm1a_control: word(PM1A_CONTROL)?,
            events,
            event_bytes: u16::from(length) / 2,
        };
        let is_sound =
            events != 0 && length > 0 && hardware.pm1a_control != 0 && events.checked_add(length.into()).is_some();
        is_sound.then_some(hardware)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn the_fixed_hardware_of_qemus_q35() {
        let mut fadt = vec![0; 244];
        assert_eq!(FixedHardware::read(&fadt), None);
        fadt[SCI_INTERRUPT] = 9;
        fadt[SMI_COMMAND] = 0xb2;
        fadt[ACPI_ENABLE] = 2;
        fadt[PM1A_CONTROL..PM1A_CONTROL + 2].copy_from_slice(&[0x04, 0x06]);
        fadt[GPE0_BLOCK..GPE0_BLOCK + 2].copy_from_slice(&[0x20, 0x06]);
        fadt[GPE0_LENGTH] = 16;
        let expected = FixedHardware {
            interrupt: 9,
            smi_command: 0xb2,
            acpi_enable: 2,
            pm1a_control: 0x604,
            events: 0x620,
            event_bytes: 8,
        };
        assert_eq!(FixedHardware::read(&fadt), Some(expected));
        assert_eq!(FixedHardware::read(&fadt[..GPE0_LENGTH]), None);
    }
}
