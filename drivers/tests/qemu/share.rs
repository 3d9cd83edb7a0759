//! virtio-9p: a version and an attach by QEMU's server of a directory.

use core::future::poll_fn;
use std::env;
use std::fs;
use std::path::PathBuf;
use std::process;

use switchboard_drivers::interfaces::share::{Exchange, ShareDevice, ShareError};
use switchboard_drivers::virtio::Virtio9p;
use switchboard_testing::qemu::{Bench, BenchBuilder};

/// A directory, removed when this is dropped.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("switchboard-{}-{name}", process::id()));
        fs::create_dir(&path).expect("a directory");
        Self(path)
    }

    fn bench(&self) -> BenchBuilder {
        let device = format!("local,id=share0,security_model=none,readonly=on,path={}", self.0.display());
        Bench::qemu().arguments(&["-fsdev", &device]).device("virtio-9p-pci,fsdev=share0,mount_tag=hosts")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

async fn exchange(share: &Virtio9p, request: &[u8]) -> Result<Vec<u8>, ShareError> {
    let (mut exchange, mut reply) = (Exchange::default(), Vec::new());
    let mut take = |bytes: &[u8]| reply.extend_from_slice(bytes);
    poll_fn(|context| share.poll_exchange(&mut exchange, request, &mut take, context)).await?;
    Ok(reply)
}

/// `Tversion` with messages of 8 KiB.
const VERSION: &[u8] = b"\x15\0\0\0\x64\xff\xff\0\x20\0\0\x08\x009P2000.L";

#[test]
fn virtio_9p_exchanges() {
    let directory = Directory::new("share");
    directory.bench().in_each_mode(|bench| {
        let share: Virtio9p = bench.attach();
        assert_eq!(share.tag(), "hosts");
        for _ in 0..20 {
            let reply = bench.run(exchange(&share, VERSION)).expect("a reply");
            assert_eq!((reply.len(), reply[4], &reply[13..]), (VERSION.len(), 101, b"9P2000.L".as_slice()));
        }
    });
}

#[test]
fn virtio_9p_with_faults() {
    let directory = Directory::new("share-faults");
    let report = directory.bench().inject::<Virtio9p, ShareError>(40, |bench, share| {
        bench.try_run(async { exchange(share, VERSION).await.map(|reply| assert_eq!(reply.len(), VERSION.len())) })
    });
    assert!(report.is_none_or(|report| report.stuck == 0 && report.faults > 40 && report.errors > 10), "{report:?}");
}
