// A root bus with routes, and bridges on it: one with routes of its own, one without, and one whose slot is empty.
DefinitionBlock ("", "DSDT", 2, "TEST", "BRIDGES", 1)
{
    Scope (\_SB)
    {
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A08"))
            Name (_PRT, Package () { Package () { 0x0003FFFF, 0, Zero, 16 }, Package () { 0x0004FFFF, 0, Zero, 17 } })
            Device (RP01)
            {
                Name (_ADR, 0x00030000)
                Name (_PRT, Package () { Package () { 0x0000FFFF, 0, Zero, 20 }, Package () { 0x0000FFFF, 1, Zero, 21 } })
                Device (UP00)
                {
                    Name (_ADR, 0x00010000)
                    Name (_PRT, Package () { Package () { 0x0002FFFF, 3, Zero, 23 } })
                }
            }
            Device (RP02) { Name (_ADR, 0x00040000) }
            Device (RP03)
            {
                Name (_ADR, 0x00050000)
                Name (_PRT, Package () { Package () { 0x0000FFFF, 0, Zero, 22 } })
            }
        }
    }
}
