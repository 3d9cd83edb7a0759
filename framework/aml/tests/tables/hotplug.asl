// Hot-plug registers, and the names that QEMU's tables have for them: a root bus, a bus behind a bridge, and an event.
DefinitionBlock ("", "DSDT", 1, "TEST", "HOTPLUG", 1)
{
    Scope (\_SB)
    {
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A03"))
            Name (_ADR, Zero)
            OperationRegion (PCST, SystemIO, 0xAE00, 0x08)
            Field (PCST, DWordAcc, NoLock, WriteAsZeros) { PCIU, 32, PCID, 32 }
            Name (BSEL, Zero)
            Device (S20)
            {
                Name (_ADR, 0x00040000)
                Name (BSEL, 0x05)
                Device (S18) { Name (_ADR, 0x00030000) Name (BSEL, 0x06) }
            }
            Device (S30) { Name (_ADR, 0x00060000) }
            Method (PCNT, 0, NotSerialized) { Local0 = PCIU }
        }
    }
    Scope (\_GPE)
    {
        Method (_L01, 0, NotSerialized) { }
        Method (_E13, 0, NotSerialized) { \_SB.PCI0.PCNT () }
    }
}
