//! File systems on partitions of a disk with blocks of 4,096 bytes, and a disk that is slow.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::thread;

use switchboard_tests::{Client, Guest, Machine, Nic, Qemu, ScratchPath, archive, mebibyte_file, sha256};

const BLOCK: usize = 4096;

/// Runs a program; false when it is not installed, and the part of the test that needs it is left out.
fn run(program: &str, arguments: &[&str]) -> bool {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    match Command::new(program).args(arguments).env("PATH", path).output() {
        Ok(output) => {
            assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            true
        }
        Err(_) => {
            eprintln!("left out: {program} is not installed");
            false
        }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// Returns an ext4 file system with `big.bin`, if `mke2fs` is installed.
fn ext4(folder: &Path) -> Option<Vec<u8>> {
    let image = ScratchPath::new("ext4");
    let arguments = ["-q", "-F", "-t", "ext4", "-L", "linux", "-d", text(folder), text(image.path()), "16m"];
    run("mke2fs", &arguments).then(|| fs::read(image.path()).expect("the image is there"))
}

/// Returns a FAT file system with `big.bin`, if the mtools are installed.
fn fat(folder: &Path) -> Option<Vec<u8>> {
    let image = ScratchPath::new("fat");
    fs::write(image.path(), vec![0; 8 << 20]).expect("a file is written");
    let path = text(image.path());
    let is_made = run("mformat", &["-i", path, "-v", "STICK", "-T", "16384", "::"]);
    let file = folder.join("big.bin");
    (is_made && run("mcopy", &["-i", path, text(&file), "::"])).then(|| fs::read(image.path()).expect("it is there"))
}

/// Returns a disk with an MBR and these partitions, whose unit is a block.
fn disk(partitions: &[Vec<u8>]) -> Vec<u8> {
    let mut disk = vec![0; BLOCK];
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    for (index, partition) in partitions.iter().enumerate() {
        let (first, blocks) = (disk.len() / BLOCK, partition.len().div_ceil(BLOCK));
        let entry = 446 + 16 * index;
        disk[entry + 4] = 0x83;
        disk[entry + 8..entry + 12].copy_from_slice(&u32::try_from(first).expect("it fits").to_le_bytes());
        disk[entry + 12..entry + 16].copy_from_slice(&u32::try_from(blocks).expect("it fits").to_le_bytes());
        disk.extend_from_slice(partition);
        disk.resize((first + blocks) * BLOCK, 0);
    }
    disk
}

#[test]
fn partitions_of_a_disk_with_large_blocks_are_one_tree() {
    let content = mebibyte_file();
    let folder = ScratchPath::new("folder");
    fs::create_dir(folder.path()).expect("a folder is created");
    fs::write(folder.path().join("big.bin"), &content).expect("a file is written");
    let systems = [("linux", ext4(folder.path())), ("STICK", fat(folder.path()))];
    fs::remove_dir_all(folder.path()).expect("the folder is removed");
    let tar = archive("only-here.txt", b"from the archive");
    let (names, mut partitions): (Vec<_>, Vec<_>) =
        systems.into_iter().filter_map(|(name, system)| Some((name, system?))).unzip();
    partitions.push(tar);
    let image = ScratchPath::new("img");
    fs::write(image.path(), disk(&partitions)).expect("the disk is written");
    let drive = format!("format=raw,readonly=on,file={}", text(image.path()));
    let device = "virtio-blk-pci,logical_block_size=4096,physical_block_size=4096";
    let guest = Qemu::new(Machine::Q35).nic(Nic::Virtio).drive(&drive, device).start();
    let mut client = guest.client();
    let only = client.get("/files/only-here.txt").expect("an answer");
    assert_eq!((only.status, &only.body[..]), (200, &b"from the archive"[..]));
    for name in &names {
        let file = client.get(&format!("/files/@{name}/big.bin")).expect("an answer");
        assert!(file.status == 200 && file.body == content, "{name}: {} bytes", file.body.len());
    }
    if !names.is_empty() {
        let list = client.get("/files/").expect("an answer");
        let list = String::from_utf8(list.body).expect("UTF-8");
        assert_eq!(list.matches("big.bin</a>").count(), 1, "{list}");
        assert!(names.iter().all(|name| list.contains(&format!("@{name}/</a>"))), "{list}");
    }
}

/// The status of a request comes first, however slow the disk is.
#[test]
fn a_disk_of_one_request_a_second_gives_every_client_a_status() {
    let image = ScratchPath::new("img");
    fs::write(image.path(), archive("hello.txt", b"hello")).expect("the disk is written");
    let drive = format!("format=raw,readonly=on,throttling.iops-total=1,file={}", text(image.path()));
    let guest: Guest = Qemu::new(Machine::Q35).nic(Nic::Virtio).drive(&drive, "virtio-blk-pci").start();
    guest.wait_for("1 files");
    let clients: Vec<Client> = (0..12).map(|_| guest.client()).collect();
    let statuses: Vec<u16> = thread::scope(|scope| {
        let get = |mut client: Client| client.get("/files/hello.txt").expect("an answer").status;
        let threads: Vec<_> = clients.into_iter().map(|client| scope.spawn(move || get(client))).collect();
        threads.into_iter().map(|thread| thread.join().expect("it ends")).collect()
    });
    assert!(statuses.iter().all(|status| matches!(status, 200 | 503 | 504)), "{statuses:?}");
    assert!(statuses.contains(&200), "{statuses:?}");
}

/// A directory that the host shares is served as it is now, and nothing outside of it.
#[test]
fn a_shared_directory_is_served_by_9p() {
    let folder = ScratchPath::new("d");
    let inside = |name: &str| folder.path().join(name);
    fs::create_dir_all(inside("sub")).expect("a folder");
    fs::write(inside("sub/big.bin"), mebibyte_file()).expect("a file");
    fs::write(inside("note.txt"), "first").expect("a file");
    symlink("../note.txt", inside("sub/link")).expect("a link");
    symlink("sub", inside("other")).expect("a link");
    symlink("/etc/passwd", inside("escape")).expect("a link");
    let device = format!("local,id=share0,security_model=none,readonly=on,path={}", text(folder.path()));
    let qemu = Qemu::new(Machine::Q35).nic(Nic::Virtio).argument("-fsdev", &device);
    let guest = qemu.device("virtio-9p-pci,fsdev=share0,mount_tag=site").start();
    guest.wait_for("share site");
    let mut client = guest.client();
    let mut get = |path: &str| client.get(path).expect("an answer");
    for path in ["/files/sub/big.bin", "/files/@site/other/big.bin"] {
        let file = get(path);
        assert!(file.status == 200 && sha256(&file.body) == sha256(&mebibyte_file()), "{path}: {}", file.status);
    }
    let first = get("/files/sub/link");
    assert_eq!((first.status, first.body.as_slice()), (200, b"first".as_slice()));
    fs::write(inside("note.txt"), "later").expect("a file");
    let later = get("/files/note.txt");
    assert_eq!(later.body, b"later");
    assert_ne!(first.header("etag"), later.header("etag"));
    let list = String::from_utf8(get("/files/sub/").body).expect("UTF-8");
    assert!(list.contains("big.bin</a><td>1048576") && list.contains("link</a><td>5"), "{list}");
    for path in ["/files/escape", "/files/sub/../../etc/passwd", "/files/%2e%2e/etc/passwd", "/files/sub/none"] {
        assert_eq!(get(path).status, 404, "{path}");
    }
    fs::remove_dir_all(folder.path()).expect("the folder is removed");
}
