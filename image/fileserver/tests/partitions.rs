//! Partition tables, made here and by `sfdisk`.

mod support;

use embassy_futures::block_on;
use proptest::prelude::*;
use std::fs;
use support::{Folder, disk, has, run, volume};
use switchboard_fileserver::{PartitionTable, Volume, partitions};

fn read(image: &[u8]) -> Option<PartitionTable> {
    block_on(partitions(&volume(image))).expect("the disk is read")
}

/// Returns number, first sector and sectors of each partition.
fn found(table: &PartitionTable) -> Vec<(u32, u64, u64)> {
    let entry = |partition: &switchboard_fileserver::Partition| {
        (partition.number, partition.volume.start() / 512, partition.volume.size_bytes() / 512)
    };
    table.partitions.iter().map(entry).collect()
}

/// Writes a boot record with entries of type, first block and blocks.
fn boot_record(image: &mut [u8], position: usize, entries: &[(u8, u32, u32)]) {
    let record = &mut image[position..position + 512];
    record[510..512].copy_from_slice(&[0x55, 0xaa]);
    for (index, (kind, first, blocks)) in entries.iter().enumerate() {
        let entry = &mut record[446 + 16 * index..][..16];
        entry[4] = *kind;
        entry[8..12].copy_from_slice(&first.to_le_bytes());
        entry[12..16].copy_from_slice(&blocks.to_le_bytes());
    }
}

/// Writes a GPT with partitions of name, first and last block, for blocks of `unit` bytes.
fn gpt(blocks: usize, unit: usize, partitions: &[(&str, u64, u64)]) -> Vec<u8> {
    let mut image = vec![0; blocks * unit];
    boot_record(&mut image, 0, &[(0xee, 1, u32::MAX)]);
    let mut entries = vec![0; 128 * 128];
    for (index, (name, first, last)) in partitions.iter().enumerate() {
        let entry = &mut entries[128 * index..][..128];
        entry[..16].fill(0x11);
        entry[32..40].copy_from_slice(&first.to_le_bytes());
        entry[40..48].copy_from_slice(&last.to_le_bytes());
        for (at, unit) in name.encode_utf16().enumerate() {
            entry[56 + 2 * at..][..2].copy_from_slice(&unit.to_le_bytes());
        }
    }
    let table_blocks = entries.len().div_ceil(unit);
    let last = blocks - 1;
    for (own, other, table) in [(1, last, 2), (last, 1, last - table_blocks)] {
        let mut header = vec![0; 92];
        header[..8].copy_from_slice(b"EFI PART");
        header[10] = 1;
        header[12] = 92;
        let mut put = |at: usize, number: usize| header[at..at + 8].copy_from_slice(&(number as u64).to_le_bytes());
        put(24, own);
        put(32, other);
        put(40, 2 + table_blocks);
        put(48, last - table_blocks - 1);
        put(72, table);
        header[80..84].copy_from_slice(&128_u32.to_le_bytes());
        header[84..88].copy_from_slice(&128_u32.to_le_bytes());
        header[88..92].copy_from_slice(&crc32fast::hash(&entries).to_le_bytes());
        let checksum = crc32fast::hash(&header);
        header[16..20].copy_from_slice(&checksum.to_le_bytes());
        image[own * unit..][..92].copy_from_slice(&header);
        image[table * unit..][..entries.len()].copy_from_slice(&entries);
    }
    image
}

#[test]
fn a_gpt_has_named_partitions() {
    let image = gpt(200, 512, &[("data", 40, 79), ("größer", 80, 160), ("outside", 160, 250), ("backwards", 90, 80)]);
    let table = read(&image).expect("it has a table");
    assert_eq!(found(&table), [(1, 40, 40), (2, 80, 81)]);
    assert_eq!((table.kind, table.partitions[1].name.as_str()), ("GPT", "größer"));
    assert!(table.warning.is_some());
}

#[test]
fn a_gpt_of_blocks_of_4096_bytes_is_found_on_either_kind_of_disk() {
    let image = gpt(64, 4096, &[("a", 8, 9), ("b", 10, 30)]);
    for block_bytes in [512, 4096] {
        let disk = Volume::of_disk(&disk(&image, block_bytes)).unwrap();
        let table = block_on(partitions(&disk)).unwrap().expect("it has a table");
        assert_eq!(found(&table), [(1, 64, 16), (2, 80, 168)]);
    }
}

#[test]
fn the_backup_is_used_when_the_table_is_damaged() {
    let image = gpt(200, 512, &[("data", 40, 79)]);
    for at in [512, 512 + 60, 1024 + 40] {
        let mut damaged = image.clone();
        damaged[at] ^= 1;
        let table = read(&damaged).expect("it has a backup");
        assert_eq!(
            (found(&table), table.warning),
            (vec![(1, 40, 40)], Some("the table is invalid, its backup is used"))
        );
        // And without a backup there is none.
        damaged[199 * 512] ^= 1;
        assert!(read(&damaged).is_none());
    }
}

#[test]
fn an_mbr_has_primary_and_logical_partitions() {
    let mut image = vec![0; 1000 * 512];
    boot_record(&mut image, 0, &[(0x83, 10, 20), (0x05, 100, 500), (0x0c, 700, 300), (0x83, 990, 100)]);
    boot_record(&mut image, 100 * 512, &[(0x83, 2, 30), (0x05, 200, 100)]);
    boot_record(&mut image, 300 * 512, &[(0x83, 4, 50), (0, 0, 0)]);
    let table = read(&image).expect("it has a table");
    assert_eq!(found(&table), [(1, 10, 20), (3, 700, 300), (5, 102, 30), (6, 304, 50)]);
    assert_eq!((table.kind, table.warning), ("MBR", Some("a partition outside the disk is left out")));
}

#[test]
fn hostile_chains_end() {
    let mut image = vec![0; 1000 * 512];
    boot_record(&mut image, 0, &[(0x83, 10, 20), (0x0f, 100, 500)]);
    // A record that leads to itself, and one that leads to the first.
    boot_record(&mut image, 100 * 512, &[(0x83, 2, 30), (0x05, 100, 100)]);
    boot_record(&mut image, 200 * 512, &[(0x83, 2, 30), (0x05, 0, 100)]);
    boot_record(&mut image, 0, &[(0x83, 10, 20), (0x0f, 100, 500)]);
    let table = read(&image).expect("it has a table");
    assert_eq!(found(&table), [(1, 10, 20), (5, 102, 30), (6, 202, 30)]);
    assert_eq!(table.warning, Some("the chain of extended boot records runs backwards"));
    // A partition that contains the table itself.
    let mut image = vec![0; 100 * 512];
    boot_record(&mut image, 0, &[(0x83, 0, 100)]);
    assert!(read(&image).is_none());
}

#[test]
fn a_boot_sector_and_an_empty_disk_have_no_table() {
    let mut image = vec![0; 100 * 512];
    assert!(read(&image).is_none() && read(&[]).is_none() && read(&image[..512]).is_none());
    boot_record(&mut image, 0, &[(0x83, 10, 20)]);
    // Code where a status would be.
    image[462] = 0x17;
    assert!(read(&image).is_none());
}

#[test]
fn tables_of_sfdisk_are_read() {
    if !has("sfdisk") {
        return;
    }
    let folder = Folder::new();
    let script = |label: &str| {
        let text = format!("label: {label}\nstart=2048, size=2048\nstart=4096, size=4096\n");
        folder.write("script", text.as_bytes());
        fs::File::create(folder.path().join("disk")).unwrap().set_len(8 << 20).unwrap();
        run(folder.path(), "sh", &["-c", "sfdisk -q disk < script"]);
        read(&fs::read(folder.path().join("disk")).unwrap()).expect("it has a table")
    };
    for (label, kind) in [("gpt", "GPT"), ("dos", "MBR")] {
        let table = script(label);
        assert_eq!((table.kind, table.warning, found(&table)), (kind, None, vec![(1, 2048, 2048), (2, 4096, 4096)]));
    }
}

proptest! {
    /// Whatever is on the disk, reading the table ends, and partitions are within the disk.
    #[test]
    fn damaged_tables_are_read(is_gpt in any::<bool>(), damage in proptest::collection::vec((0_usize..2048, any::<u8>()), 0..60)) {
        let mut image = if is_gpt {
            gpt(200, 512, &[("data", 40, 79), ("more", 80, 100)])
        } else {
            let mut image = vec![0; 200 * 512];
            boot_record(&mut image, 0, &[(0x83, 10, 20), (0x05, 2, 100), (0x0f, 3, 50)]);
            boot_record(&mut image, 1024, &[(0x83, 2, 30), (0x05, 1, 100)]);
            boot_record(&mut image, 1536, &[(0x83, 2, 30), (0x05, 3, 100)]);
            image
        };
        for (at, byte) in damage {
            image[at] = byte;
        }
        if let Some(table) = read(&image) {
            prop_assert!(!table.partitions.is_empty() || is_gpt);
            for partition in table.partitions {
                prop_assert!(partition.volume.start() + partition.volume.size_bytes() <= 200 * 512);
            }
        }
    }
}
