{
    // 64 KiB with FAT12 (FAT specification 1.03): sectors of 512 bytes, one table, 16 entries in the root.
    let mut image = vec![0_u8; 64 << 10];
    image[..3].copy_from_slice(&[0xeb, 0x3c, 0x90]);
    image[3..11].copy_from_slice(b"MSWIN4.1");
    // Bytes in a sector, sectors in a cluster, reserved sectors, tables, root entries, sectors, media, sectors of a table.
    image[11..24].copy_from_slice(&[0, 2, 1, 1, 0, 1, 16, 0, 128, 0, 0xf8, 1, 0]);
    // Drive number, extended signature, serial number, label, kind.
    image[36..62].copy_from_slice(b"\x80\0\x29\x01\x02\x03\x04NO NAME    FAT12   ");
    image[510..514].copy_from_slice(&[0x55, 0xaa, 0xf8, 0xff]);
    image[514] = 0xff;
    image
}
