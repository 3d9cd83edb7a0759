// Two tables, chosen by the mode; a second root bridge that is absent, and a third on another bus.
DefinitionBlock ("modes.aml", "DSDT", 2, "SWBD", "MODES", 1)
{
    Name (PICM, Zero)
    Method (_PIC, 1) { Store (Arg0, PICM) }
    Scope (\_SB)
    {
        Name (PR00, Package ()
        {
            Package () { 0x0001FFFF, Zero, LNKA, Zero }
        })
        Name (AR00, Package ()
        {
            Package () { 0x0001FFFF, Zero, Zero, 16 },
            Package () { 0x0001FFFF, One, Zero, 17 },
            Package () { 0x001FFFFF, 2, Zero, 18 },
            Package () { 0x001FFFFF, 3, "\\_SB.LNKB", Zero },
            Package () { 0x0002FFFF, Zero, LNKC, 1 },
            Package () { 0x0003FFFF, Zero, LNKD, Zero },
            Package () { 0x0004FFFF, 4, Zero, 20 },
            Package () { 0x0005FFFF, Zero }
        })
        Device (LNKA) { Name (_HID, EisaId ("PNP0C0F")) Name (_UID, 1) }
        Device (LNKB)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (_CRS, ResourceTemplate () { IRQ (Level, ActiveLow, Shared) { 10 } })
        }
        Device (LNKC)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (_CRS, ResourceTemplate ()
            {
                Memory32Fixed (ReadWrite, 0xFED00000, 0x1000)
                Interrupt (ResourceConsumer, Level, ActiveLow, Shared) { 21, 22 }
            })
        }
        // Connected to nothing.
        Device (LNKD)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (_CRS, ResourceTemplate () { Interrupt (ResourceConsumer, Level, ActiveLow, Shared) { 0 } })
        }
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A08"))
            Name (_CID, EisaId ("PNP0A03"))
            Method (_PRT)
            {
                If (PICM) { Return (AR00) }
                Return (PR00)
            }
        }
        Device (PCI1)
        {
            Name (_HID, "PNP0A03")
            Method (_STA) { Return (Zero) }
            Name (_PRT, Package () { Package () { 0xFFFF, Zero, Zero, 30 } })
        }
        Device (PCI2)
        {
            Name (_HID, "ACPI0099")
            Name (_CID, Package () { "ACPI0098", EisaId ("PNP0A03") })
            Name (_SEG, 1)
            Name (_BBN, 0x80)
            Method (_PRT) { Return (Package () { Package () { 0x0007FFFF, 3, Zero, 40 } }) }
        }
    }
}
