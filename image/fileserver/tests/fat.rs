//! File systems made by `mformat` and `mcopy`.

mod support;

use embassy_futures::block_on;
use proptest::prelude::*;
use std::fs;
use std::sync::LazyLock;
use support::{Folder, content, file, has, names, pattern, run, volume};
use switchboard_fileserver::{Fat, FatType, FileSystem, Node};

/// Makes a file system of `sectors` sectors with the folder `in` of a folder.
fn make(folder: &Folder, arguments: &[&str], sectors: u64) -> Vec<u8> {
    let path = folder.path().join("out.img");
    fs::File::create(&path).unwrap().set_len(sectors * 512).unwrap();
    let sectors = sectors.to_string();
    run(folder.path(), "mformat", &[&["-i", "out.img", "-v", "STICK", "-T", &sectors], arguments, &["::"]].concat());
    let entries: Vec<String> = fs::read_dir(folder.path().join("in"))
        .unwrap()
        .map(|entry| entry.unwrap().path().display().to_string())
        .collect();
    let all: Vec<&str> =
        ["-i", "out.img", "-s", "-m"].into_iter().chain(entries.iter().map(String::as_str)).chain(["::"]).collect();
    run(folder.path(), "mcopy", &all);
    fs::read(path).unwrap()
}

fn fill(folder: &Folder) {
    folder.write("in/HELLO.TXT", b"hello");
    folder.write("in/lower.txt", b"lower");
    folder.write("in/A long name with Üml\u{e4}uts – and more.html", b"long");
    folder.write("in/deep/er/file.bin", &pattern(300_000));
    folder.write("in/empty", b"");
    for number in 0..200 {
        folder.write(&format!("in/many/a file with a long name {number}"), number.to_string().as_bytes());
    }
}

fn open(image: &[u8]) -> Fat {
    block_on(Fat::open_volume(&volume(image))).expect("it is read").expect("it is FAT")
}

#[test]
fn every_kind_has_its_files() {
    if !has("mformat") || !has("mcopy") {
        return;
    }
    let folder = Folder::new();
    fill(&folder);
    for (arguments, sectors, fat_type) in [
        (&["-c", "4"][..], 4096, FatType::Fat12),
        (&["-c", "2"][..], 20_000, FatType::Fat16),
        (&["-F", "-c", "1"][..], 80_000, FatType::Fat32),
    ] {
        let image = make(&folder, arguments, sectors);
        let (volume, fat) = (volume(&image), open(&image));
        assert_eq!(fat.fat_type(), fat_type);
        let get = |path: &str| content(&volume, &fat, path);
        assert_eq!(get("HELLO.TXT").as_deref(), Some(&b"hello"[..]), "{fat_type:?}");
        assert_eq!(get("hello.txt").as_deref(), Some(&b"hello"[..]), "the case does not matter");
        assert_eq!(get("lower.txt").as_deref(), Some(&b"lower"[..]), "{fat_type:?}");
        assert_eq!(get("A long name with Üml\u{e4}uts – and more.html").as_deref(), Some(&b"long"[..]), "{fat_type:?}");
        assert!(get("deep/er/file.bin") == Some(pattern(300_000)), "{fat_type:?}");
        assert_eq!(get("empty").as_deref(), Some(&b""[..]), "{fat_type:?}");
        assert_eq!((get("missing"), get("deep"), get("HELLO.TXT/x")), (None, None, None), "{fat_type:?}");
        assert_eq!(names(&fat, "many").len(), 200, "{fat_type:?}");
        let root = names(&fat, "");
        for name in
            ["HELLO.TXT", "lower.txt", "deep/", "empty", "many/", "A long name with Üml\u{e4}uts – and more.html"]
        {
            assert!(root.contains(&name.to_string()), "{fat_type:?}: {name} is not in {root:?}");
        }
        assert_eq!(fat.label(), "STICK");
        // Backwards, too.
        let whole = file(&fat, "deep/er/file.bin").unwrap();
        let offsets = [299_999, 150_000, 70_000, 0, 299_000];
        assert!(offsets.iter().all(|offset| block_on(fat.locate(whole, *offset)).is_ok()));
    }
}

static IMAGE: LazyLock<Option<Vec<u8>>> = LazyLock::new(|| {
    (has("mformat") && has("mcopy")).then(|| {
        let folder = Folder::new();
        fill(&folder);
        make(&folder, &["-c", "1"], 4000)
    })
});

#[test]
fn what_is_not_fat_is_none() {
    for image in [&[0; 4096][..], &[0xff; 4096], b"\xeb\x3c\x90MSDOS5.0"] {
        assert!(block_on(Fat::open_volume(&volume(image))).unwrap().is_none());
    }
    let Some(image) = &*IMAGE else { return };
    assert!(block_on(Fat::open_volume(&volume(&image[..65_536]))).unwrap().is_none(), "it was cut off");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is on the disk, nothing panics, and everything ends: chains of clusters may be loops.
    #[test]
    fn damaged_file_systems_are_read(damage in proptest::collection::vec((0_usize..65_536, any::<u8>()), 1..400)) {
        let Some(image) = &*IMAGE else { return Ok(()) };
        let mut image = image.clone();
        for (at, byte) in damage {
            image[at] = byte;
        }
        let Ok(Some(fat)) = block_on(Fat::open_volume(&volume(&image))) else { return Ok(()) };
        for path in ["HELLO.TXT", "deep/er/file.bin", "empty", "many/a file with a long name 7"] {
            if let Ok(Some(Node::File(file))) = block_on(fat.open(path)) {
                for offset in [0, 1, file.size / 2, file.size.saturating_sub(1)] {
                    if offset < file.size && let Ok(run) = block_on(fat.locate(file, offset)) {
                        prop_assert!(run.length() > 0 && run.length() <= file.size - offset);
                    }
                }
            }
        }
        for path in ["", "many", "deep"] {
            let mut position = Some(0);
            while let Some(at) = position {
                position = block_on(fat.list(path, at)).map_or(None, |page| page.next);
                prop_assert!(position.is_none_or(|next| next > at));
            }
        }
    }
}
