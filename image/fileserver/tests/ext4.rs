//! File systems made by `mke2fs`, compared with the crate `ext4-view`.

mod support;

use embassy_futures::block_on;
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::LazyLock;
use support::{Folder, content, file, has, names, pattern, run, volume};
use switchboard_fileserver::{Ext4, FileSystem, FileSystemError};

/// Makes a file system of the folder `in` of a folder.
fn make(folder: &Folder, arguments: &[&str], size: &str) -> Vec<u8> {
    let all = [&["-q", "-F", "-d", "in", "-L", "label"], arguments, &["out.img", size]].concat();
    run(folder.path(), "mke2fs", &all);
    fs::read(folder.path().join("out.img")).expect("the image is there")
}

fn open(image: &[u8]) -> Ext4 {
    block_on(Ext4::open_volume(&volume(image))).expect("it is valid").expect("it is ext4")
}

fn fill(folder: &Folder) {
    folder.write("in/hello.txt", b"hello");
    folder.write("in/deep/er/file.bin", &pattern(3_000_000));
    folder.write("in/empty", b"");
    for number in 0..300 {
        folder.write(&format!("in/many/a-file-with-a-long-name-{number}"), number.to_string().as_bytes());
    }
    symlink("deep/er/../../hello.txt", folder.path().join("in/link")).unwrap();
    symlink("/deep/er", folder.path().join("in/absolute")).unwrap();
    symlink(format!("{}hello.txt", "./".repeat(200)), folder.path().join("in/long-link")).unwrap();
    symlink("loop", folder.path().join("in/loop")).unwrap();
    fs::hard_link(folder.path().join("in/hello.txt"), folder.path().join("in/other.txt")).unwrap();
    let holes = fs::File::create(folder.path().join("in/holes")).unwrap();
    use std::os::unix::fs::FileExt;
    holes.set_len(1_000_000).unwrap();
    for part in 0..12 {
        holes.write_all_at(&pattern(5000), part * 65_536 + 4096).unwrap();
    }
}

#[test]
fn every_kind_has_its_files() {
    if !has("mke2fs") {
        return;
    }
    let folder = Folder::new();
    fill(&folder);
    for arguments in [
        &["-t", "ext4"][..],
        &["-t", "ext4", "-b", "1024"],
        &["-t", "ext4", "-b", "4096", "-O", "64bit,metadata_csum"],
        &["-t", "ext4", "-O", "^64bit,^metadata_csum,^dir_index", "-I", "128"],
        &["-t", "ext3", "-b", "1024"],
        &["-t", "ext2", "-b", "2048"],
    ] {
        let image = make(&folder, arguments, "24m");
        let (volume, ext4) = (volume(&image), open(&image));
        let get = |path: &str| content(&volume, &ext4, path);
        for path in ["hello.txt", "other.txt", "link", "long-link", "deep/../hello.txt"] {
            assert_eq!(get(path).as_deref(), Some(&b"hello"[..]), "{arguments:?}: {path}");
        }
        assert!(get("deep/er/file.bin") == Some(pattern(3_000_000)), "{arguments:?}");
        assert!(get("absolute/file.bin") == Some(pattern(3_000_000)), "{arguments:?}");
        assert!(get("holes") == Some(fs::read(folder.path().join("in/holes")).unwrap()), "{arguments:?}");
        assert_eq!(get("empty").as_deref(), Some(&b""[..]), "{arguments:?}");
        assert_eq!((get("loop"), get("missing"), get("hello.txt/x"), get("deep")), (None, None, None, None));
        assert_eq!(get("many/a-file-with-a-long-name-299").as_deref(), Some(&b"299"[..]), "{arguments:?}");
        assert_eq!(names(&ext4, "many").len(), 300, "{arguments:?}");
        let root = names(&ext4, "");
        for name in ["absolute/", "deep/", "empty", "hello.txt", "holes", "link", "many/", "other.txt"] {
            assert!(root.contains(&name.to_string()), "{arguments:?}: {name} is not in {root:?}");
        }
        assert!(!root.contains(&"loop".to_string()));
        assert_eq!(ext4.label(), "label");
        let wanted = fs::metadata(folder.path().join("in/hello.txt")).unwrap().modified().unwrap();
        let wanted = wanted.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        assert_eq!(file(&ext4, "hello.txt").and_then(|file| file.modified), Some(wanted), "{arguments:?}");

        // The same files by another implementation, which (version 1.0) has an error for holes in block maps.
        let other = ext4_view::Ext4::load(Box::new(image.clone())).expect("it is valid");
        for path in ["deep/er/file.bin", "holes", "many/a-file-with-a-long-name-7"] {
            if path == "holes" && arguments[1] != "ext4" {
                continue;
            }
            assert!(get(path) == Some(other.read(format!("/{path}").as_str()).unwrap()), "{arguments:?}: {path}");
        }
    }
}

/// An image with files of many extents, and directories of several blocks.
static IMAGE: LazyLock<Option<Vec<u8>>> = LazyLock::new(|| {
    has("mke2fs").then(|| {
        let folder = Folder::new();
        fill(&folder);
        make(&folder, &["-t", "ext4", "-b", "1024"], "8m")
    })
});

#[test]
fn what_is_not_ext4_is_none_and_what_is_not_supported_is_refused() {
    assert!(block_on(Ext4::open_volume(&volume(&[0; 65_536]))).unwrap().is_none());
    assert!(block_on(Ext4::open_volume(&volume(&[0; 512]))).unwrap().is_none());
    let Some(image) = &*IMAGE else { return };
    // The journal has to be replayed.
    let mut dirty = image.clone();
    dirty[1024 + 0x60] |= 4;
    let error = block_on(Ext4::open_volume(&volume(&dirty))).unwrap_err();
    assert!(error.to_string().contains("e2fsck"), "{error}");
    // A feature of the future.
    let mut future = image.clone();
    future[1024 + 0x63] |= 0x80;
    assert!(matches!(block_on(Ext4::open_volume(&volume(&future))), Err(FileSystemError::Unsupported(_))));
    // An image that was cut off.
    let cut = block_on(Ext4::open_volume(&volume(&image[..1 << 20])));
    assert!(matches!(cut, Err(FileSystemError::Corrupt { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is on the disk, nothing panics, and everything ends.
    #[test]
    fn damaged_file_systems_are_read(damage in proptest::collection::vec((0_usize..600, 0_usize..1024, any::<u8>()), 1..200)) {
        let Some(image) = &*IMAGE else { return Ok(()) };
        let mut image = image.clone();
        for (block, at, byte) in damage {
            image[block * 1024 + at] = byte;
        }
        let volume = volume(&image);
        let Ok(Some(ext4)) = block_on(Ext4::open_volume(&volume)) else { return Ok(()) };
        for path in ["hello.txt", "deep/er/file.bin", "holes", "link", "long-link", "many/a-file-with-a-long-name-7"] {
            if let Ok(Some(switchboard_fileserver::Node::File(file))) = block_on(ext4.open(path)) {
                for offset in [0, 1, file.size / 2, file.size.saturating_sub(1)] {
                    if offset < file.size && let Ok(run) = block_on(ext4.locate(file, offset)) {
                        prop_assert!(run.length() > 0 && run.length() <= file.size - offset);
                    }
                }
            }
        }
        for path in ["", "many", "deep"] {
            let mut position = Some(0);
            while let Some(at) = position {
                position = block_on(ext4.list(path, at)).map_or(None, |page| page.next);
                prop_assert!(position.is_none_or(|next| next > at));
            }
        }
    }
}
