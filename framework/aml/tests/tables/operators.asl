// A table that a method makes, by most of the operators.
DefinitionBlock ("operators.aml", "DSDT", 2, "SWBD", "OPERATOR", 1)
{
    Name (HIGH, Zero)
    If (_OSI ("Windows 2015")) { Store (8, HIGH) }
    Method (\_SB.WORK, 3)
    {
        Store (Zero, Local0)
        While (One)
        {
            Increment (Local0)
            If (LEqual (Local0, 2)) { Continue }
            If (LGreaterEqual (Local0, 5)) { Break }
            Add (Arg0, Local0, Arg0)
        }
        Return (Add (Arg0, Multiply (Arg1, Arg2)))
    }
    Scope (\_SB)
    {
        Device (PCI0)
        {
            Name (_HID, EisaId ("PNP0A08"))
            Name (TABL, Package (5) {})
            Name (NUMS, Buffer (4) { 16, 17, 18, 19 })
            Method (ENTR, 3)
            {
                Name (NEWE, Package (4) { Zero, Zero, Zero, Zero })
                Or (ShiftLeft (Arg0, 16), 0xFFFF, Index (NEWE, 0))
                Store (Arg1, Index (NEWE, 1))
                Store (Arg2, Index (NEWE, 3))
                Return (NEWE)
            }
            Method (_PRT)
            {
                For (Local0 = 0, Local0 < 4, Local0++)
                {
                    Store (ENTR (3, Local0, DerefOf (Index (NUMS, Local0))), Index (TABL, Local0))
                }
                // 1 + (1 + 3 + 4) + 2 * 3 = 15; 15 + 8 = 23.
                Local1 = \_SB.WORK (One, 2, 3) + HIGH
                Divide (Local1, 4, Local2, Local3)
                If (((Local2 != 3) || (Local3 != 5))) { Return (Package () {}) }
                CreateField (NUMS, 4, 8, MIDL)
                // The high half of 16 and the low half of 17.
                If (LNotEqual (MIDL, 0x11)) { Return (Package () {}) }
                Switch (SizeOf (NUMS))
                {
                    Case (4) { Local4 = Local1 }
                    Default { Local4 = Zero }
                }
                If (CondRefOf (\_SB.NONE)) { Local4 = Zero }
                If (LNotEqual (ObjectType (TABL), 4)) { Local4 = Zero }
                Local5 = RefOf (HIGH)
                If (LNotEqual (DerefOf (Local5), 8)) { Local4 = Zero }
                If (LLess ("abc", "abb")) { Local4 = Zero }
                If (LNot (LAnd (FindSetLeftBit (0x10, Local6), LEqual (Local6, 5)))) { Local4 = Zero }
                If (LNotEqual (FindSetRightBit (0x18), 4)) { Local4 = Zero }
                If (LNotEqual (XOr (0xF0, NAnd (0xFF, 0x0F)), 0xFFFFFFFFFFFFFF00)) { Local4 = Zero }
                If (LNotEqual (Mod (17, 5), 2)) { Local4 = Zero }
                Store (ENTR (0x1F, Zero, Local4), Index (TABL, 4))
                Return (TABL)
            }
        }
    }
}
