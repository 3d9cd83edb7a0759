// Links whose registers are fields of configuration space, in both of the ways in which firmware writes the number.
DefinitionBlock ("links.aml", "DSDT", 1, "SWBD", "LINKS", 1)
{
    Scope (\_SB)
    {
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A03"))
            Name (_ADR, Zero)
            Device (LPCB)
            {
                Name (_ADR, 0x001F0000)
                OperationRegion (PIRQ, PCI_Config, 0x60, 8)
                Field (PIRQ, DWordAcc, NoLock, Preserve)
                {
                    PIRA, 8, PIRB, 8, Offset (2), PIRC, 4, , 3, OFFC, 1
                }
            }
            Device (BRDG)
            {
                Name (_ADR, 0x001E0001)
                Device (CARD)
                {
                    Name (_ADR, 0x00020003)
                    OperationRegion (REGS, PCI_Config, 0x40, 4)
                    Field (REGS, ByteAcc, NoLock, Preserve) { , 4, LINE, 12 }
                }
            }
            OperationRegion (NVSM, SystemMemory, 0x7000, 0x10)
            Field (NVSM, WordAcc, NoLock, Preserve) { Offset (4), NVSL, 16 }
            Name (_PRT, Package ()
            {
                Package () { 0x0001FFFF, 0, LNKA, 0 },
                Package () { 0x0001FFFF, 1, LNKB, 0 },
                Package () { 0x0001FFFF, 2, LNKC, 0 },
                Package () { 0x0001FFFF, 3, LNKD, 0 },
                Package () { 0x0002FFFF, 0, LNKE, 0 },
                Package () { 0x0002FFFF, 1, LNKF, 0 }
            })
        }
        Method (TEMP, 1, Serialized)
        {
            Name (PRR0, ResourceTemplate () { Interrupt (ResourceConsumer, Level, ActiveLow, Shared) { 0 } })
            CreateDWordField (PRR0, 5, NUMB)
            If (LLess (Arg0, 0x80)) { Store (Arg0, NUMB) }
            Return (PRR0)
        }
        Device (LNKA)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Name (BUFA, ResourceTemplate () { IRQ (Level, ActiveLow, Shared) { 15 } })
            Method (_CRS)
            {
                CreateWordField (BUFA, 1, IRA0)
                Store (One, Local0)
                ShiftLeft (Local0, And (\_SB.PCI0.LPCB.PIRA, 0x0F), IRA0)
                Return (BUFA)
            }
        }
        Device (LNKB) { Name (_HID, EisaId ("PNP0C0F")) Method (_CRS) { Return (TEMP (\_SB.PCI0.LPCB.PIRB)) } }
        Device (LNKC)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Method (_CRS)
            {
                If (^^PCI0.LPCB.OFFC) { Return (TEMP (Zero)) }
                Return (TEMP (^^PCI0.LPCB.PIRC))
            }
        }
        Device (LNKD) { Name (_HID, EisaId ("PNP0C0F")) Method (_CRS) { Return (TEMP (\_SB.PCI0.BRDG.CARD.LINE)) } }
        Device (LNKE) { Name (_HID, EisaId ("PNP0C0F")) Method (_CRS) { Return (TEMP (\_SB.PCI0.NVSL)) } }
        // A port: not read.
        OperationRegion (PORT, SystemIO, 0x0C00, 2)
        Field (PORT, ByteAcc, NoLock, Preserve) { INDX, 8, DATA, 8 }
        Device (LNKF)
        {
            Name (_HID, EisaId ("PNP0C0F"))
            Method (_CRS)
            {
                Store (3, INDX)
                Return (TEMP (DATA))
            }
        }
    }
}
