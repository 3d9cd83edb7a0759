//! The volume that `root=` names: written over HTTP, through a loss of power.

use core::time::Duration;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use switchboard_tests::{Client, Guest, Machine, Nic, Qemu, ScratchPath, mebibyte_file, sha256};

const STORE: &str = "app=store";

/// Returns a disk with an empty FAT16, made by Linux's tools; `None` without them.
fn fat() -> Option<ScratchPath> {
    let image = ScratchPath::new("fat");
    fs::write(image.path(), vec![0; 16 << 20]).expect("a file is written");
    let made = Command::new("/usr/sbin/mkfs.fat").args(["-F", "16", "-n", "STORE"]).arg(image.path()).output();
    let is_made = made.is_ok_and(|output| output.status.success());
    if !is_made {
        eprintln!("left out: mkfs.fat is not installed");
    }
    is_made.then_some(image)
}

fn start(image: &ScratchPath, root: &str) -> Guest {
    let drive = format!("format=raw,cache=writeback,file={}", image.path().display());
    let qemu = Qemu::new(Machine::Q35).nic(Nic::Virtio).drive(&drive, "virtio-blk-pci");
    qemu.option(&format!("{STORE} root={root}")).start()
}

/// Sends a request with a body, and returns the status.
fn send(client: &mut Client, method: &str, path: &str, headers: &str, body: &[u8]) -> u16 {
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{headers}\r\n");
    client.send(&[head.as_bytes(), body].concat()).expect("it is sent");
    client.response().expect("an answer").status
}

#[test]
fn files_that_were_put_survive_a_loss_of_power() {
    let Some(image) = fat() else { return };
    {
        let guest = start(&image, "disk0");
        guest.wait_for("store: start 1");
        let mut client = guest.client();
        client.set_timeout(Duration::from_secs(20)).expect("a limit");
        let mut request =
            |method: &str, path: &str, headers: &str, body: &[u8]| send(&mut client, method, path, headers, body);
        assert_eq!(request("PUT", "/files/reports/2026/a%20long%20name.bin", "", &mebibyte_file()), 201);
        assert_eq!(request("PUT", "/files/note.txt", "", b"first"), 201);
        assert_eq!(request("PUT", "/files/note.txt", "If-None-Match: *\r\n", b"refused"), 412);
        assert_eq!(request("PUT", "/files/note.txt", "", b"second"), 204);
        assert_eq!(request("PUT", "/files/gone.txt", "", b"gone"), 201);
        assert_eq!(request("DELETE", "/files/gone.txt", "", b""), 204);
        assert_eq!(request("DELETE", "/files/gone.txt", "", b""), 404);
        assert_eq!(request("DELETE", "/files/reports", "", b""), 409, "it is not empty");
        assert_eq!(request("PUT", "/files/note.txt/below", "", b""), 409);
        // The guest is killed.
    }
    let guest = start(&image, "disk0");
    guest.wait_for("store: start 2");
    let mut client = guest.client();
    let report = client.get("/files/reports/2026/a%20long%20name.bin").expect("an answer");
    assert_eq!((report.status, sha256(&report.body)), (200, sha256(&mebibyte_file())));
    assert_eq!(client.get("/files/note.txt").expect("an answer").body, b"second");
    assert_eq!(client.get("/files/gone.txt").expect("an answer").status, 404);
    drop(guest);
    let check = Command::new("/usr/sbin/fsck.fat").arg("-n").arg(image.path()).output().expect("it is installed");
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
}

#[test]
fn a_root_that_cannot_be_written_is_an_error_that_states_why() {
    let Some(image) = fat() else { return };
    let guest = start(&image, "disk0p3");
    guest.wait_for("root=disk0p3: there is no such volume; there are disk0 (FAT16)");
    let mut client = guest.client();
    assert_eq!(send(&mut client, "PUT", "/files/a", "", b"a"), 403);
}

/// A share of the host is written, and nothing outside of it: neither by a link nor by a path.
#[test]
fn a_shared_directory_is_written_by_9p() {
    let folder = ScratchPath::new("d");
    let outside = ScratchPath::new("outside");
    let inside = |name: &str| folder.path().join(name);
    fs::create_dir_all(inside("sub")).expect("a folder");
    fs::create_dir_all(outside.path()).expect("a folder");
    fs::write(outside.path().join("kept"), "kept").expect("a file");
    symlink(outside.path(), inside("escape")).expect("a link");
    symlink(outside.path().join("new"), inside("dangling")).expect("a link");
    symlink("sub", inside("within")).expect("a link");
    let device = format!("local,id=share0,security_model=none,path={}", folder.path().display());
    let qemu = Qemu::new(Machine::Q35).nic(Nic::Virtio).argument("-fsdev", &device);
    let qemu = qemu.device("virtio-9p-pci,fsdev=share0,mount_tag=site").option("app=store root=@site");
    let guest = qemu.start();
    guest.wait_for("store: start 1");
    assert_eq!(fs::read(inside("starts")).expect("it is there"), b"1");
    let mut client = guest.client();
    client.set_timeout(Duration::from_secs(20)).expect("a limit");
    let mut request = |method: &str, path: &str, body: &[u8]| send(&mut client, method, path, "", body);
    assert_eq!(request("PUT", "/files/a/b/big.bin", &mebibyte_file()), 201);
    assert_eq!(sha256(&fs::read(inside("a/b/big.bin")).expect("it is there")), sha256(&mebibyte_file()));
    assert_eq!(request("PUT", "/files/a/b/big.bin", b"short"), 204);
    assert_eq!(fs::read(inside("a/b/big.bin")).expect("it is there"), b"short");
    assert_eq!(request("PUT", "/files/within/note", b"through a link within"), 201);
    assert_eq!(fs::read(inside("sub/note")).expect("it is there"), b"through a link within");
    // The links that lead out are of no use: paths below them are not there, and the links themselves are replaced or removed.
    assert!(matches!(request("PUT", "/files/escape/kept", b"changed"), 404 | 409));
    assert!(matches!(request("DELETE", "/files/escape/kept", b""), 404 | 409));
    assert!(matches!(request("PUT", "/files/%2e%2e/out", b"changed"), 400 | 404));
    assert_eq!(request("PUT", "/files/dangling", b"a file now"), 201);
    assert_eq!(request("DELETE", "/files/escape", b""), 204);
    assert_eq!(request("DELETE", "/files/sub/note", b""), 204);
    assert_eq!(request("DELETE", "/files/sub", b""), 204);
    drop(guest);
    assert_eq!(fs::read_dir(outside.path()).expect("it is there").count(), 1);
    assert_eq!(fs::read(outside.path().join("kept")).expect("it is there"), b"kept");
    assert!(!inside("sub").exists() && fs::symlink_metadata(inside("dangling")).is_ok_and(|found| found.is_file()));
    for folder in [folder, outside] {
        fs::remove_dir_all(folder.path()).expect("the folder is removed");
    }
}
