//! Archives made by GNU tar, in each of its formats.

mod support;

use embassy_futures::block_on;
use proptest::prelude::*;
use std::fs;
use std::os::unix::fs::{FileExt, symlink};
use support::{Folder, content, file, has, names, pattern, run, volume};
use switchboard_fileserver::{Archive, HeaderDefect, ScanError};

fn scan(image: &[u8]) -> (Archive, Option<ScanError>) {
    block_on(Archive::scan(&volume(image)))
}

/// Packs the folder `in` of a folder.
fn pack(folder: &Folder, arguments: &[&str]) -> Vec<u8> {
    let all: Vec<&str> = ["-cf", "out.tar", "-C", "in"].into_iter().chain(arguments.iter().copied()).collect();
    run(folder.path(), "tar", &all);
    fs::read(folder.path().join("out.tar")).expect("the archive is there")
}

fn long(count: usize) -> String {
    vec!["a-name-that-is-long"; count].join("/")
}

#[test]
fn every_format_has_its_files() {
    if !has("tar") {
        return;
    }
    for format in ["v7", "ustar", "gnu", "oldgnu", "pax", "posix"] {
        let folder = Folder::new();
        folder.write("in/hello.txt", b"hello");
        folder.write("in/deep/er/file.bin", &pattern(70_000));
        folder.write("in/empty", b"");
        fs::create_dir(folder.path().join("in/nothing")).unwrap();
        fs::hard_link(folder.path().join("in/hello.txt"), folder.path().join("in/other.txt")).unwrap();
        symlink("../hello.txt", folder.path().join("in/deep/link")).unwrap();
        symlink("deep/er", folder.path().join("in/short")).unwrap();
        symlink("loop", folder.path().join("in/loop")).unwrap();
        symlink("../../outside", folder.path().join("in/out")).unwrap();
        let names_are_long = !matches!(format, "v7" | "ustar");
        let name = if names_are_long { long(20) } else { long(4) };
        folder.write(&format!("in/{name}"), b"long");
        if names_are_long {
            symlink(&name, folder.path().join("in/to-long")).unwrap();
        }
        let image = pack(&folder, &[&format!("--format={format}"), "--mtime=@1000000000", "."]);
        let (archive, error) = scan(&image);
        assert_eq!(error, None, "{format}");
        let volume = volume(&image);
        let get = |path: &str| content(&volume, &archive, path);
        for path in ["hello.txt", "other.txt", "deep/link"] {
            assert_eq!(get(path).as_deref(), Some(&b"hello"[..]), "{format}: {path}");
        }
        assert_eq!(get("deep/er/file.bin"), Some(pattern(70_000)), "{format}");
        assert_eq!(get("short/file.bin"), Some(pattern(70_000)), "{format}");
        assert_eq!(get("empty").as_deref(), Some(&b""[..]), "{format}");
        assert_eq!(get(&name).as_deref(), Some(&b"long"[..]), "{format}");
        assert_eq!(get("to-long").is_some(), names_are_long, "{format}");
        assert_eq!((get("loop"), get("out"), get("nothing")), (None, None, None), "{format}");
        assert_eq!(file(&archive, "hello.txt").and_then(|file| file.modified), Some(1_000_000_000));
        let list = names(&archive, "");
        for name in ["deep/", "empty", "hello.txt", "nothing/", "other.txt", "short/"] {
            assert!(list.contains(&name.to_string()), "{format}: {name} is not in {list:?}");
        }
        assert!(!list.contains(&"loop".to_string()) && list.iter().filter(|name| *name == "deep/").count() == 1);
        assert_eq!(names(&archive, "deep"), ["er/", "link"]);
        assert_eq!(names(&archive, "short"), ["file.bin"]);
    }
}

#[test]
fn sparse_files_are_whole() {
    if !has("tar") {
        return;
    }
    for arguments in [
        &["--format=gnu"][..],
        &["--format=oldgnu"],
        &["--format=pax", "--sparse-version=0.0"],
        &["--format=pax", "--sparse-version=0.1"],
        &["--format=pax", "--sparse-version=1.0"],
    ] {
        let folder = Folder::new();
        folder.write("in/few", b"");
        folder.write("in/many", b"");
        let mut many = vec![0; 60 * 40_960];
        for (name, parts) in [("in/few", 1), ("in/many", 60)] {
            let file = fs::OpenOptions::new().write(true).open(folder.path().join(name)).unwrap();
            file.set_len(parts * 40_960).unwrap();
            for part in 0..parts {
                file.write_all_at(&pattern(5000), part * 40_960 + 4096).unwrap();
            }
        }
        for part in 0..60 {
            many[part * 40_960 + 4096..][..5000].copy_from_slice(&pattern(5000));
        }
        folder.write("in/zz-after", b"after");
        let all = [arguments, &["--sparse", "--hole-detection=raw", "--sort=name", "."]].concat();
        let image = pack(&folder, &all);
        assert!(image.len() < 1_500_000, "{arguments:?}: not sparse, {} bytes", image.len());
        let (archive, error) = scan(&image);
        assert_eq!((error, archive.skipped().count), (None, 0), "{arguments:?}: {:?}", archive.skipped());
        let volume = volume(&image);
        assert!(content(&volume, &archive, "many") == Some(many.clone()), "{arguments:?}");
        assert!(content(&volume, &archive, "few") == Some(many[..40_960].to_vec()), "{arguments:?}");
        assert_eq!(content(&volume, &archive, "zz-after").as_deref(), Some(&b"after"[..]), "{arguments:?}");
    }
}

#[test]
fn the_last_member_of_a_path_counts() {
    if !has("tar") {
        return;
    }
    let folder = Folder::new();
    folder.write("in/a", b"first");
    pack(&folder, &["a"]);
    folder.write("in/a", b"the second");
    run(folder.path(), "tar", &["-rf", "out.tar", "-C", "in", "a"]);
    let image = fs::read(folder.path().join("out.tar")).unwrap();
    let (archive, _) = scan(&image);
    assert_eq!(content(&volume(&image), &archive, "a").as_deref(), Some(&b"the second"[..]));
    assert_eq!(names(&archive, ""), ["a"]);
}

/// Returns a header with a right checksum.
fn header(name: &[u8], kind: u8, size: &[u8], link: &[u8]) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..name.len()].copy_from_slice(name);
    header[100..107].copy_from_slice(b"0000644");
    header[124..124 + size.len()].copy_from_slice(size);
    header[148..156].fill(b' ');
    header[156] = kind;
    header[157..157 + link.len()].copy_from_slice(link);
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    // 2^64 and 2^63 and -1 in base-256; the first was read as 0.
    for size in [b"\x80\0\0\x01\0\0\0\0\0\0\0\0", b"\x80\0\0\0\x80\0\0\0\0\0\0\0", &[0xff; 12]] {
        let image = [header(b"good", b'0', b"0", b""), header(b"bad", b'0', size, b""), vec![0; 1024]].concat();
        let (archive, error) = scan(&image);
        assert_eq!(error, Some(ScanError::Malformed { sector: 1, defect: HeaderDefect::Size }));
        assert_eq!(names(&archive, ""), ["good"]);
    }
    let image = [header(b"large", b'0', b"\x80\0\0\0\0\0\x01\0\0\0\0\0", b""), vec![0; 1024]].concat();
    assert_eq!(scan(&image).1, Some(ScanError::PastEnd { sector: 0 }));
}

#[test]
fn members_that_lead_out_of_the_archive_are_left_out() {
    let image = [
        header(b"../up", b'0', b"0", b""),
        header(b"a/../../up", b'0', b"0", b""),
        header(b"/absolute", b'0', b"0", b""),
        header(b"hard", b'1', b"77777777777", b"../up"),
        header(b"none", b'1', b"0", b"missing"),
        header(b"etc", b'2', b"0", b"/absolute"),
        header(b"loop-a", b'2', b"0", b"loop-b/x"),
        header(b"loop-b", b'2', b"0", b"loop-a/x"),
        vec![0; 1024],
    ]
    .concat();
    let (archive, error) = scan(&image);
    assert_eq!((error, archive.skipped().count), (None, 4), "{:?}", archive.skipped());
    assert_eq!(names(&archive, ""), ["absolute", "etc"], "an absolute link is one from the archive's root");
    for path in ["loop-a", "loop-b/y", "../up", "a/../absolute/..", "absolute/../../absolute"] {
        assert_eq!(file(&archive, path), None, "{path}");
    }
}

#[test]
fn an_archive_that_is_cut_off_keeps_what_is_before() {
    let image =
        [header(b"a", b'0', b"1000", b""), vec![7; 512], header(b"b", b'0', b"2000", b""), vec![7; 512]].concat();
    let (archive, error) = scan(&image);
    assert_eq!(error, Some(ScanError::PastEnd { sector: 2 }));
    assert_eq!(names(&archive, ""), ["a"]);
    // Without the blocks of zeros at the end, and with the padding of the last member missing.
    let (archive, error) = scan(&image[..1024]);
    assert_eq!((error, names(&archive, "").len()), (None, 1));
    let (archive, error) = scan(&vec![0; 4096]);
    assert!(archive.is_empty() && error.is_none());
    assert_eq!(scan(&[]).1, Some(ScanError::PastEnd { sector: 0 }));
}

#[test]
fn malformed_sparse_maps_leave_their_file_out() {
    let sparse = |list: &[u8], real: &[u8]| {
        let mut member = header(b"s", b'S', b"1000", b"");
        member[257..265].copy_from_slice(b"ustar  \0");
        member[386..386 + list.len()].copy_from_slice(list);
        member[483..483 + real.len()].copy_from_slice(real);
        member[148..156].fill(b' ');
        let sum: u32 = member.iter().map(|byte| u32::from(*byte)).sum();
        member[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        [member, vec![1; 512], header(b"after", b'0', b"0", b""), vec![0; 1024]].concat()
    };
    let entry = |offset: u64, length: u64| format!("{offset:011o}\0{length:011o}\0").into_bytes();
    let overlapping = [entry(0, 100), entry(50, 100)].concat();
    let too_long = entry(0, 513);
    let past_end = entry(1000, 100);
    for (list, real) in [(overlapping, "2000"), (too_long, "2000"), (past_end, "1000"), (b"x".repeat(24), "1000")] {
        let (archive, error) = scan(&sparse(&list, real.as_bytes()));
        assert_eq!((error, archive.skipped().count), (None, 1), "{}", archive.skipped().reason);
        assert_eq!(names(&archive, ""), ["after"]);
    }
    let (archive, error) = scan(&sparse(&entry(512, 512), b"2000"));
    assert_eq!((error, archive.skipped().count), (None, 0), "{}", archive.skipped().reason);
    assert_eq!(names(&archive, ""), ["after", "s"]);
}

proptest! {
    /// Whatever is on the disk, the scan ends, and what is found can be read.
    #[test]
    fn damaged_archives_are_scanned(damage in proptest::collection::vec((0_usize..4096, any::<u8>()), 0..12)) {
        let pax = b"30 mtime=1000000000.123456789\n19 path=other/name\n";
        let mut image = [
            header(b"pax", b'x', format!("{:o}", pax.len()).as_bytes(), b""),
            [&pax[..], &[0; 512 - 49]].concat(),
            header(b"a", b'0', b"10", b""),
            vec![5; 512],
            header(b"long", b'L', b"20", b""),
            vec![b'n'; 512],
            header(b"b", b'2', b"0", b"a"),
            header(b"c", b'1', b"0", b"other/name"),
        ].concat();
        let headers: Vec<usize> = vec![0, 1024, 2048, 3072, 3584];
        for (at, byte) in damage {
            image[at] = byte;
        }
        // With checksums that are right, so that the damage is seen.
        for at in headers {
            let header = &mut image[at..at + 512];
            header[148..156].fill(b' ');
            let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
            header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        let (archive, _) = scan(&image);
        let volume = volume(&image);
        for name in names(&archive, "") {
            drop(content(&volume, &archive, &name));
        }
    }
}
