//! The loss of power at every write of a workload: what was synced before is whole, and the volume is written again.

mod support;

use core::cell::RefCell;
use core::iter;
use core::task::{Context, Poll};
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::rc::Rc;

use embassy_futures::block_on;
use proptest::prelude::*;
use support::{Folder, disk, has, pattern, run};
use switchboard::config::Address;
use switchboard_drivers::interfaces::block::{
    BlockDevice, BlockError, BlockRequest, Geometry, SECTOR_SIZE, Ticket, Transfer,
};
use switchboard_fileserver::{
    FileServer, FileSystem, FileSystemError, FileSystemWriter, Node, RootError, RootFiles, Volume, WritableFat,
};
// It has the clock.
use switchboard_net_testing as _;
use switchboard_runtime::command_line::RootName;
use switchboard_runtime::devices::{DeviceOptions, Found, FromDriver};
use switchboard_runtime::disk::Disk;

/// What a disk was asked to do.
#[derive(Clone)]
enum Operation {
    Write { position: usize, data: Vec<u8> },
    Flush,
}

#[derive(Default)]
struct Log {
    operations: Vec<Operation>,
    /// The number of operations after which the power is lost.
    limit: Option<usize>,
}

/// A disk that notes its writes, and stops after some.
struct LoggedDisk {
    image: RefCell<Vec<u8>>,
    log: Rc<RefCell<Log>>,
}

impl BlockDevice for LoggedDisk {
    fn geometry(&self) -> Option<Geometry> {
        let capacity = (self.image.borrow().len() / SECTOR_SIZE) as u64;
        Some(Geometry {
            capacity,
            block_bytes: SECTOR_SIZE,
            is_read_only: false,
            max_transfer_bytes: 64 << 10,
            max_discard_bytes: 0,
            max_write_zeroes_bytes: 0,
        })
    }

    fn poll_request(&self, request: &mut BlockRequest<'_>, _: &mut Context<'_>) -> Poll<Result<(), BlockError>> {
        let log = &mut *self.log.borrow_mut();
        if log.limit.is_some_and(|limit| log.operations.len() >= limit) {
            return Poll::Ready(Err(BlockError::Gone { sector: request.sector }));
        }
        let position = usize::try_from(request.sector).unwrap() * SECTOR_SIZE;
        let place = position..position + request.length;
        match &mut request.transfer {
            Transfer::Read(take) => take(&self.image.borrow()[place]),
            Transfer::Write(data) => {
                self.image.borrow_mut()[place].copy_from_slice(data);
                log.operations.push(Operation::Write { position, data: data.to_vec() });
            }
            Transfer::Flush => log.operations.push(Operation::Flush),
            Transfer::Discard | Transfer::WriteZeroes => {
                return Poll::Ready(Err(BlockError::Unsupported { sector: 0 }));
            }
        }
        Poll::Ready(Ok(()))
    }

    fn abandon(&self, _: &mut Ticket) {}

    fn close(&self) {}
}

/// The files that a loss of power must leave as they are, after so many operations of the disk.
struct Promise {
    from: usize,
    /// The content of each file; `None` where there is no file.
    files: BTreeMap<&'static str, Option<Vec<u8>>>,
}

/// A workload on a file system, and what it was promised.
struct Session {
    fat: WritableFat,
    log: Rc<RefCell<Log>>,
    promises: Vec<Promise>,
    /// The files that are synced, and were not changed since.
    synced: BTreeMap<&'static str, Option<Vec<u8>>>,
}

impl Session {
    fn open(image: &[u8], limit: Option<usize>) -> Self {
        let log = Rc::new(RefCell::new(Log { operations: Vec::new(), limit }));
        let device = LoggedDisk { image: RefCell::new(image.to_vec()), log: log.clone() };
        let disk = Disk::from_driver(device, DeviceOptions::default());
        let volume = Volume::of_disk(&disk).unwrap();
        let fat = block_on(WritableFat::open_volume(&volume)).expect("it is clean").expect("it has FAT");
        Self { fat, log, promises: Vec::new(), synced: BTreeMap::new() }
    }

    /// Begins a change of files, of which nothing is promised until they are synced.
    fn change(&mut self, paths: &[&'static str]) {
        paths.iter().for_each(|path| drop(self.synced.remove(path)));
        self.promise();
    }

    fn promise(&mut self) {
        let from = self.log.borrow().operations.len();
        self.promises.push(Promise { from, files: self.synced.clone() });
    }

    async fn sync(&mut self, paths: &[(&'static str, Option<&[u8]>)]) -> Result<(), FileSystemError> {
        self.fat.sync().await?;
        self.synced.extend(paths.iter().map(|(path, content)| (*path, content.map(<[u8]>::to_vec))));
        self.promise();
        Ok(())
    }

    /// The workload: every kind of change, with files that span clusters.
    async fn run(&mut self) -> Result<(), FileSystemError> {
        let (large, small) = (pattern(9000), b"settings 1".as_slice());
        self.change(&[]);
        self.fat.create_directory("logs").await?;
        self.fat.create("logs/a file with a long name.txt").await?;
        self.fat.append("logs/a file with a long name.txt", &large).await?;
        self.fat.create("settings").await?;
        self.fat.append("settings", small).await?;
        self.fat.create("kept").await?;
        self.fat.append("kept", &large[..3000]).await?;
        let log = "logs/a file with a long name.txt";
        self.sync(&[(log, Some(&large)), ("settings", Some(small)), ("kept", Some(&large[..3000]))]).await?;

        // Another file, and one that is moved with it.
        self.change(&[log]);
        self.fat.append(log, &large[..5000]).await?;
        self.fat.create_directory("old").await?;
        self.fat.rename(log, "old/log").await?;
        let longer = [&large[..], &large[..5000]].concat();
        self.sync(&[(log, None), ("old/log", Some(&longer))]).await?;

        // A file is replaced.
        self.fat.create_directory(".partial").await?;
        self.fat.create(".partial/0").await?;
        self.fat.append(".partial/0", b"settings 2").await?;
        self.sync(&[(".partial/0", Some(b"settings 2"))]).await?;
        self.change(&[".partial/0", "settings"]);
        self.fat.rename(".partial/0", "settings").await?;
        self.sync(&[(".partial/0", None), ("settings", Some(b"settings 2"))]).await?;

        self.change(&["old/log"]);
        self.fat.truncate("old/log", 700).await?;
        self.fat.write("old/log", 100, b"in the middle").await?;
        let mut short = large[..700].to_vec();
        short[100..113].copy_from_slice(b"in the middle");
        self.sync(&[("old/log", Some(&short))]).await?;

        // Room is freed and used again.
        self.change(&["old/log"]);
        self.fat.remove("old/log").await?;
        self.fat.remove("old").await?;
        self.fat.create("again").await?;
        self.fat.append("again", &large).await?;
        self.sync(&[("old/log", None), ("again", Some(&large))]).await
    }
}

async fn read(fat: &WritableFat, path: &str) -> Result<Option<Vec<u8>>, FileSystemError> {
    let Some(Node::File(file)) = fat.open(path).await? else { return Ok(None) };
    let mut content = Vec::new();
    while (content.len() as u64) < file.size {
        let offset = content.len() as u64;
        fat.read(file, offset, 4096, &mut |part| content.extend_from_slice(part)).await?;
    }
    Ok(Some(content))
}

/// Starts again after a loss of power, and checks what was promised after `operations` of the disk.
fn check(image: &[u8], promises: &[Promise], operations: usize, what: &str) -> Vec<u8> {
    let disk = disk(image, 512);
    let volume = Volume::of_disk(&disk).unwrap();
    let fat = block_on(WritableFat::open_volume(&volume)).unwrap_or_else(|error| panic!("{what}: {error}"));
    let fat = fat.expect("it has FAT");
    let promise = promises.iter().rfind(|promise| promise.from <= operations);
    for (path, content) in promise.iter().flat_map(|promise| &promise.files) {
        let found = block_on(read(&fat, path)).unwrap_or_else(|error| panic!("{what}: {path}: {error}"));
        assert!(found == *content, "{what}: {path} has changed");
    }
    // A file that replaces another one has its old or its new name at any time.
    if promises.iter().any(|promise| promise.from <= operations && promise.files.contains_key(".partial/0")) {
        let names = [".partial/0", "settings"].map(|path| block_on(read(&fat, path)).unwrap());
        assert!(names.contains(&Some(b"settings 2".to_vec())), "{what}: {names:?}");
    }
    // It is written as before.
    block_on(async {
        fat.create("after").await?;
        fat.append("after", &pattern(4000)).await?;
        fat.sync().await
    })
    .unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(block_on(read(&fat, "after")).unwrap(), Some(pattern(4000)), "{what}");
    drop(fat);
    let mut image = vec![0; image.len()];
    block_on(disk.read(0, &mut image)).unwrap();
    image
}

/// Errors of Linux's check that lose room, and nothing else.
fn check_by_linux(image: &[u8], what: &str) {
    let folder = Folder::new();
    fs::write(folder.path().join("a.img"), image).unwrap();
    let output = Command::new("/usr/sbin/fsck.fat").args(["-n", "-v", "a.img"]).current_dir(folder.path()).output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    let harmful = ["share clusters", "bad", "Contains a free", "Start does point", "loop", "shorter"];
    assert!(!harmful.iter().any(|word| text.contains(word)), "{what}:\n{text}");
}

/// Returns the image after some operations, and the part of the next one that a loss of power left.
fn image_after(image: &[u8], operations: &[Operation]) -> Vec<u8> {
    let mut image = image.to_vec();
    for operation in operations {
        if let Operation::Write { position, data } = operation {
            image[*position..position + data.len()].copy_from_slice(data);
        }
    }
    image
}

fn formatted(arguments: &[&str], kib: u64) -> Option<Vec<u8>> {
    if !has("mkfs.fat") || !has("fsck.fat") {
        return None;
    }
    let folder = Folder::new();
    fs::File::create(folder.path().join("a.img")).unwrap().set_len(kib * 1024).unwrap();
    run(folder.path(), "mkfs.fat", &[arguments, &["a.img"]].concat());
    Some(fs::read(folder.path().join("a.img")).unwrap())
}

/// The kinds of FAT, as small as they are permitted to be.
const KINDS: [(&[&str], u64); 3] =
    [(&["-F", "12", "-s", "1"], 360), (&["-F", "16", "-s", "1"], 2200), (&["-F", "32", "-s", "1"], 2200)];

#[test]
fn what_was_synced_is_whole_after_every_write() {
    for (arguments, kib) in KINDS {
        let Some(image) = formatted(arguments, kib) else { return };
        let mut session = Session::open(&image, None);
        block_on(session.run()).unwrap();
        let operations = session.log.borrow().operations.clone();
        for count in 0..=operations.len() {
            let what = format!("{arguments:?} after {count} of {}", operations.len());
            let cut = image_after(&image, &operations[..count]);
            check_by_linux(&check(&cut, &session.promises, count, &what), &what);
            // The next write is torn: its first sectors are written, or its last.
            let Some(Operation::Write { position, data }) = operations.get(count) else { continue };
            let sectors = data.len() / SECTOR_SIZE;
            if sectors > 1 {
                let part = sectors / 2 * SECTOR_SIZE;
                for range in [0..part, part..data.len()] {
                    let mut torn = cut.clone();
                    torn[position + range.start..position + range.end].copy_from_slice(&data[range]);
                    check(&torn, &session.promises, count, &format!("{what}, torn"));
                }
            }
        }
    }
}

#[test]
fn a_disk_that_fails_at_any_write_is_an_error() {
    let Some(image) = formatted(KINDS[0].0, KINDS[0].1) else { return };
    let mut session = Session::open(&image, None);
    block_on(session.run()).unwrap();
    let all = session.log.borrow().operations.len();
    for limit in 1..all {
        let mut session = Session::open(&image, Some(limit));
        let result = block_on(session.run());
        assert!(matches!(result, Err(FileSystemError::Disk(BlockError::Gone { .. }))), "after {limit}: {result:?}");
    }
}

/// Opens a file server that writes the disk of an image.
fn serve(image: &[u8], log: &Rc<RefCell<Log>>) -> Result<RootFiles, RootError> {
    let device = LoggedDisk { image: RefCell::new(image.to_vec()), log: log.clone() };
    let disk = Disk::from_driver(device, DeviceOptions::default());
    let server = FileServer::new("/files").with_root(RootName::Disk { disk: 0, partition: None });
    let found = Found { function: Address::new(0, 0, 3, 0), driver: "logged", device: &disk };
    block_on(server.update_disks(&[found]));
    block_on(server.root())
}

#[test]
fn a_file_that_is_replaced_is_old_or_new_after_every_write() {
    for (arguments, kib) in KINDS {
        let Some(image) = formatted(arguments, kib) else { return };
        let log = Rc::new(RefCell::new(Log::default()));
        let files = serve(&image, &log).unwrap();
        // The version that is durable after so many operations.
        let mut durable = Vec::new();
        for version in 0..4_usize {
            let content = pattern(300 * (version + 1));
            block_on(files.replace("conf.d/settings of the app", &content)).unwrap();
            durable.push(log.borrow().operations.len());
        }
        let operations = log.borrow().operations.clone();
        for count in 0..=operations.len() {
            let cut = image_after(&image, &operations[..count]);
            let files = serve(&cut, &Rc::default()).unwrap_or_else(|error| panic!("after {count}: {error}"));
            let found = block_on(files.read("conf.d/settings of the app", 10_000));
            let before = durable.iter().filter(|end| **end <= count).count();
            let is_version = |count: usize| match &found {
                Ok(content) => count > 0 && *content == pattern(300 * count),
                Err(error) => count == 0 && *error == FileSystemError::NotFound,
            };
            let length = found.as_ref().map(Vec::len);
            assert!(is_version(before) || is_version(before + 1), "{arguments:?} after {count}: {length:?}, {before}");
            block_on(files.replace("conf.d/settings of the app", b"next")).unwrap();
            assert_eq!(block_on(files.read("conf.d/settings of the app", 10)).unwrap(), b"next");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// A disk with a cache writes what is not flushed in any order, and a loss of power drops any part of it. What was synced before is
    /// whole even so, though the check may have to be Linux's.
    #[test]
    fn writes_that_are_not_flushed_may_be_lost_in_any_order(cut in any::<prop::sample::Index>(), kept in any::<u64>()) {
        let Some(image) = formatted(KINDS[1].0, KINDS[1].1) else { return Ok(()) };
        let mut session = Session::open(&image, None);
        block_on(session.run()).unwrap();
        let operations = session.log.borrow().operations.clone();
        let cut = cut.index(operations.len() + 1);
        let is_flush = |operation: &Operation| matches!(operation, Operation::Flush);
        let flushed = operations[..cut].iter().rposition(is_flush).map_or(0, |flush| flush + 1);
        let mut left = operations[..flushed].to_vec();
        let mut bits = iter::successors(Some(kept), |bits| Some(bits.rotate_right(1)));
        left.extend(operations[flushed..cut].iter().filter(|_| bits.next().is_some_and(|bits| bits & 1 != 0)).cloned());
        let disk = disk(&image_after(&image, &left), 512);
        let volume = Volume::of_disk(&disk).unwrap();
        let fat = block_on(switchboard_fileserver::Fat::open_volume(&volume)).unwrap().unwrap();
        let promise = session.promises.iter().rfind(|promise| promise.from <= cut);
        for (path, content) in promise.iter().flat_map(|promise| &promise.files) {
            prop_assert_eq!(support::content(&volume, &fat, path), content.clone(), "{}", path);
        }
        drop(block_on(WritableFat::open_volume(&volume)));
    }
}
