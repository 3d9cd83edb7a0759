//! Volumes and folders for the tests of file systems.

#![allow(dead_code, reason = "each test uses a part")]

use core::sync::atomic::{AtomicU32, Ordering};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use embassy_futures::block_on;
use switchboard_fileserver::{File, FileSystem, Node, Run, Volume};
use switchboard_runtime::devices::{DeviceOptions, FromDriver};
use switchboard_runtime::disk::{Disk, MemoryDisk};

/// A folder that is deleted when dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("switchboard-files-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a folder is created");
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file, and the folders that it is in.
    pub(crate) fn write(&self, name: &str, content: &[u8]) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().expect("it has a folder")).expect("a folder is created");
        fs::write(path, content).expect("a file is written");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Returns whether a program is installed; the test is left out by name if it is not.
pub(crate) fn has(program: &str) -> bool {
    let paths = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let found = paths.split(':').any(|folder| Path::new(folder).join(program).exists());
    if !found {
        eprintln!("left out: {program} is not installed");
    }
    found
}

/// Runs a program, which has to succeed.
pub(crate) fn run(folder: &Path, program: &str, arguments: &[&str]) {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let output =
        Command::new(program).args(arguments).current_dir(folder).env("PATH", path).env("LC_ALL", "C.UTF-8").output();
    let output = output.expect("it is started");
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Returns a disk with the bytes, padded to whole blocks.
pub(crate) fn disk(image: &[u8], block_bytes: usize) -> Disk {
    let mut image = image.to_vec();
    image.resize(image.len().next_multiple_of(block_bytes), 0);
    Disk::from_driver(MemoryDisk::with_block_bytes(&image, block_bytes), DeviceOptions::default())
}

/// Returns the volume of a disk with the bytes.
pub(crate) fn volume(image: &[u8]) -> Volume {
    Volume::of_disk(&disk(image, 512)).expect("it is present")
}

/// Returns the file at a path.
pub(crate) fn file(system: &dyn FileSystem, path: &str) -> Option<File> {
    match block_on(system.open(path)).unwrap_or_else(|error| panic!("{path}: {error}")) {
        Some(Node::File(file)) => Some(file),
        _ => None,
    }
}

/// Returns the content of the file at a path.
pub(crate) fn content(volume: &Volume, system: &dyn FileSystem, path: &str) -> Option<Vec<u8>> {
    let file = file(system, path)?;
    let mut content = Vec::new();
    while (content.len() as u64) < file.size {
        let run = block_on(system.locate(file, content.len() as u64)).expect("it is located");
        let length = usize::try_from(run.length()).expect("it fits");
        assert!(length > 0, "{path}: no bytes at {}", content.len());
        let mut part = vec![0; length];
        if let Run::Stored { position, .. } = run {
            block_on(volume.read(position, &mut part)).expect("it is read");
        }
        content.extend(part);
    }
    assert_eq!(content.len() as u64, file.size);
    Some(content)
}

/// Returns the names in a directory, with a slash behind those of directories.
pub(crate) fn names(system: &dyn FileSystem, path: &str) -> Vec<String> {
    let (mut names, mut position) = (Vec::new(), Some(0));
    while let Some(at) = position {
        let page = block_on(system.list(path, at)).expect("it is listed");
        names.extend(page.entries.into_iter().map(|entry| match entry.node {
            Node::File(_) => entry.name,
            Node::Directory => entry.name + "/",
        }));
        position = page.next;
    }
    names.sort();
    names
}

/// Returns bytes that differ from block to block.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251 + index / 4096).to_le_bytes()[0]).collect()
}
