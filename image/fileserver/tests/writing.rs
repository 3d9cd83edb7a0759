//! FAT that is written: every operation, with Linux's own check of the result.

mod support;

use embassy_futures::block_on;
use proptest::prelude::*;
use std::fs;
use std::sync::LazyLock;
use support::{Folder, content, disk, has, names, pattern, run};
use switchboard_drivers::interfaces::block::BlockDevice;
use switchboard_fileserver::{Fat, FileSystem, FileSystemError, FileSystemWriter, Node, Volume, WritableFat};
// It has the clock.
use switchboard_net_testing as _;
use switchboard_runtime::disk::Disk;

/// The kinds of FAT, by the options of `mkfs.fat`, and the KiB of a volume.
const KINDS: [(&[&str], u64); 3] =
    [(&["-F", "12"], 1440), (&["-F", "16", "-s", "2"], 16_384), (&["-F", "32", "-s", "1"], 40_000)];

/// Makes a file system, if it can be made and checked here.
fn formatted(arguments: &[&str], kib: u64) -> Option<Vec<u8>> {
    if !has("mkfs.fat") || !has("fsck.fat") {
        return None;
    }
    let folder = Folder::new();
    fs::File::create(folder.path().join("a.img")).unwrap().set_len(kib * 1024).unwrap();
    run(folder.path(), "mkfs.fat", &[arguments, &["a.img"]].concat());
    Some(fs::read(folder.path().join("a.img")).unwrap())
}

/// Lets Linux's check find no error.
fn check(disk: &Disk) {
    let mut image = vec![0; usize::try_from(disk.capacity()).unwrap() * 512];
    block_on(disk.read(0, &mut image)).unwrap();
    let folder = Folder::new();
    fs::write(folder.path().join("a.img"), image).unwrap();
    run(folder.path(), "fsck.fat", &["-n", "a.img"]);
}

fn open(disk: &Disk) -> WritableFat {
    let volume = Volume::of_disk(disk).unwrap();
    block_on(WritableFat::open_volume(&volume)).expect("it is clean").expect("it has FAT")
}

/// Returns the content of a file, as the file system reads it.
fn read(fat: &WritableFat, path: &str) -> Option<Vec<u8>> {
    let Some(Node::File(file)) = block_on(fat.open(path)).unwrap() else { return None };
    let mut content = Vec::new();
    while (content.len() as u64) < file.size {
        let offset = content.len() as u64;
        let mut take = |part: &[u8]| content.extend_from_slice(part);
        assert!(block_on(fat.read(file, offset, 10_000, &mut take)).unwrap() > 0);
    }
    Some(content)
}

#[test]
fn every_kind_is_written() {
    for (arguments, kib) in KINDS {
        let Some(image) = formatted(arguments, kib) else { return };
        let disk = disk(&image, 512);
        let fat = open(&disk);
        block_on(async {
            fat.create_directory("logs").await?;
            fat.create_directory("logs/A directory with a long name").await?;
            let path = "logs/A directory with a long name/größe.txt";
            fat.create(path).await?;
            fat.append(path, b"one ").await?;
            fat.append(path, b"two").await?;
            fat.create("big").await?;
            for part in 0..30 {
                fat.append("big", &pattern(30_000)[part * 1000..(part + 1) * 1000]).await?;
            }
            fat.write("big", 500, &[7; 600]).await?;
            fat.create("gap").await?;
            fat.write("gap", 5000, b"end").await?;
            fat.truncate("gap", 7000).await?;
            fat.create("gone").await?;
            fat.remove("gone").await?;
            fat.create("old").await?;
            fat.append("old", b"old").await?;
            fat.create("new").await?;
            fat.append("new", b"new").await?;
            fat.rename("new", "old").await?;
            fat.rename("old", "logs/moved").await?;
            fat.sync().await
        })
        .unwrap();
        let mut big = pattern(30_000);
        big[500..1100].fill(7);
        let mut gap = vec![0; 7000];
        gap[5000..5003].copy_from_slice(b"end");
        let expected: [(&str, Option<&[u8]>); 7] = [
            ("logs/A directory with a long name/größe.txt", Some(b"one two")),
            ("big", Some(&big)),
            ("BIG", Some(&big)),
            ("gap", Some(&gap)),
            ("gone", None),
            ("old", None),
            ("logs/moved", Some(b"new")),
        ];
        // As it is written, as it is only read, and after another start.
        let volume = Volume::of_disk(&disk).unwrap();
        let only_read = block_on(Fat::open_volume(&volume)).unwrap().unwrap();
        let again = open(&disk);
        for (path, wanted) in expected {
            assert_eq!(read(&fat, path).as_deref(), wanted, "{arguments:?} {path}");
            assert_eq!(content(&volume, &only_read, path).as_deref(), wanted, "{arguments:?} {path}");
            assert_eq!(read(&again, path).as_deref(), wanted, "{arguments:?} {path}");
        }
        assert_eq!(names(&fat, ""), ["big", "gap", "logs/"]);
        check(&disk);
    }
}

#[test]
fn what_cannot_be_done_is_an_error_that_names_it() {
    let Some(image) = formatted(&["-F", "12"], 160) else { return };
    let disk = disk(&image, 512);
    let fat = open(&disk);
    block_on(async {
        fat.create_directory("d").await.unwrap();
        fat.create("d/f").await.unwrap();
        assert_eq!(fat.create("d/f").await, Err(FileSystemError::Exists));
        assert_eq!(fat.create("d/F").await, Err(FileSystemError::Exists), "the case does not matter");
        assert_eq!(fat.create_directory("d").await, Err(FileSystemError::Exists));
        assert_eq!(fat.create("x/f").await, Err(FileSystemError::NotFound));
        assert_eq!(fat.create("d/f/g").await, Err(FileSystemError::NotDirectory));
        assert_eq!(fat.append("d", b"x").await, Err(FileSystemError::IsDirectory));
        assert_eq!(fat.append("x", b"x").await, Err(FileSystemError::NotFound));
        assert_eq!(fat.remove("x").await, Err(FileSystemError::NotFound));
        assert_eq!(fat.remove("d").await, Err(FileSystemError::NotEmpty));
        assert_eq!(fat.rename("x", "y").await, Err(FileSystemError::NotFound));
        for name in ["", "a/../b", "a//b", ".", "a:b", "a?"] {
            assert_eq!(fat.create(name).await, Err(FileSystemError::Name), "{name:?}");
        }
        assert_eq!(fat.create(&"n".repeat(256)).await, Err(FileSystemError::Name));
        assert_eq!(fat.truncate("d/f", 1 << 32).await, Err(FileSystemError::TooLong));
        assert_eq!(fat.write("d/f", u64::MAX, b"x").await, Err(FileSystemError::TooLong));
        assert_eq!(fat.append("d/f", &vec![1; 200_000]).await, Err(FileSystemError::Full));
        // Room is there again.
        fat.truncate("d/f", 0).await.unwrap();
        fat.append("d/f", &[2; 100_000]).await.unwrap();
        fat.sync().await.unwrap();
    });
    check(&disk);
}

#[test]
fn a_file_that_is_replaced_while_it_is_read_is_an_error() {
    let Some(image) = formatted(&["-F", "12"], 160) else { return };
    let fat = open(&disk(&image, 512));
    block_on(async {
        fat.create("f").await.unwrap();
        fat.append("f", &pattern(20_000)).await.unwrap();
        let Ok(Some(Node::File(file))) = fat.open("f").await else { panic!("it is there") };
        fat.create("other").await.unwrap();
        let mut count = 0;
        let mut take = |part: &[u8]| count += part.len();
        assert_eq!(fat.read(file, 0, 512, &mut take).await, Ok(512), "another change does no harm");
        fat.remove("f").await.unwrap();
        fat.append("other", &[9; 20_000]).await.unwrap();
        assert_eq!(fat.read(file, 512, 512, &mut take).await, Err(FileSystemError::Changed));
        assert_eq!(count, 512);
        // Content that was written in place has another number, and so another entity tag.
        let Ok(Some(Node::File(before))) = fat.open("other").await else { panic!("it is there") };
        fat.write("other", 0, b"x").await.unwrap();
        let Ok(Some(Node::File(after))) = fat.open("other").await else { panic!("it is there") };
        assert!(before.id != after.id && before.size == after.size);
    });
}

#[test]
fn disks_of_large_blocks_are_written() {
    let Some(image) = formatted(&["-F", "16", "-S", "4096"], 65_536) else { return };
    let disk = disk(&image, 4096);
    let fat = open(&disk);
    block_on(async {
        fat.create("f").await?;
        fat.append("f", &pattern(10_000)).await?;
        fat.sync().await
    })
    .unwrap();
    assert_eq!(read(&fat, "f"), Some(pattern(10_000)));
    check(&disk);
}

static SMALL: LazyLock<[Option<Vec<u8>>; 2]> =
    LazyLock::new(|| [formatted(&["-F", "12"], 160), formatted(&["-F", "16", "-s", "1"], 4096)]);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is on the disk, nothing panics, and everything ends.
    #[test]
    fn damaged_file_systems_are_written(
        kind in 0..2_usize,
        damage in proptest::collection::vec((0_usize..40_000, any::<u8>()), 1..200),
    ) {
        let Some(image) = &SMALL[kind] else { return Ok(()) };
        let disk = disk(image, 512);
        let fat = open(&disk);
        block_on(async {
            fat.create_directory("d").await.unwrap();
            fat.create("d/a long name of a file").await.unwrap();
            fat.append("d/a long name of a file", &pattern(9000)).await.unwrap();
            fat.sync().await.unwrap();
        });
        let mut image = vec![0; image.len()];
        block_on(disk.read(0, &mut image)).unwrap();
        for (at, byte) in damage {
            image[at] = byte;
        }
        let disk = support::disk(&image, 512);
        let volume = Volume::of_disk(&disk).unwrap();
        let Ok(Some(fat)) = block_on(WritableFat::open_volume(&volume)) else { return Ok(()) };
        block_on(async {
            let path = "d/a long name of a file";
            let _ = fat.append(path, &pattern(3000)).await;
            let _ = fat.write(path, 100_000, b"x").await;
            let _ = fat.truncate(path, 600).await;
            let _ = fat.create("d/b").await;
            let _ = fat.create_directory("d/c").await;
            let _ = fat.rename(path, "d/c/x").await;
            let _ = fat.rename("d/c/x", "d/b").await;
            let _ = fat.remove("d/b").await;
            let _ = fat.remove("d/c").await;
            let _ = fat.remove("d").await;
            let _ = fat.sync().await;
            drop(fat.list("", 0).await);
            let _ = fat.open("d/b").await;
        });
    }
}
