//! virtio-console: bytes to and from a socket of the host, with one port and with several.

use core::cell::RefCell;
use core::future::{Future, poll_fn};
use core::task::Poll;
use core::time::Duration;
use std::env;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process;

use switchboard_drivers::interfaces::console::{ConsoleDevice, ConsoleError};
use switchboard_drivers::virtio::VirtioConsole;
use switchboard_testing::qemu::{Bench, BenchBuilder};

/// A socket that QEMU connects to when it starts.
struct Host {
    path: PathBuf,
    listener: UnixListener,
    stream: RefCell<Option<UnixStream>>,
}

impl Host {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("switchboard-{}-{name}", process::id()));
        let listener = UnixListener::bind(&path).expect("a socket");
        Self { path, listener, stream: RefCell::default() }
    }

    fn bench(&self, devices: &[&str]) -> BenchBuilder {
        let socket = format!("socket,id=host,path={}", self.path.display());
        devices.iter().fold(Bench::qemu().arguments(&["-chardev", &socket]), |bench, device| bench.device(device))
    }

    fn with(&self, act: impl FnOnce(&mut UnixStream)) {
        let mut stream = self.stream.borrow_mut();
        act(stream.get_or_insert_with(|| {
            let stream = self.listener.accept().expect("QEMU").0;
            stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
            stream
        }));
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.path));
    }
}

/// Runs work while the changes of the console are followed.
async fn following<R>(
    console: &VirtioConsole,
    work: impl Future<Output = Result<R, ConsoleError>>,
) -> Result<R, ConsoleError> {
    let mut work = core::pin::pin!(work);
    poll_fn(|context| {
        while let Poll::Ready(change) = console.poll_change(context) {
            change?;
        }
        work.as_mut().poll(context)
    })
    .await
}

async fn send(console: &VirtioConsole, port: u32, bytes: &[u8]) -> Result<(), ConsoleError> {
    let mut sent = 0;
    while sent < bytes.len() {
        sent += poll_fn(|context| console.poll_write(port, &bytes[sent..], context)).await?;
    }
    poll_fn(|context| console.poll_flush(port, context)).await
}

async fn receive(console: &VirtioConsole, port: u32, bytes: &mut [u8]) -> Result<(), ConsoleError> {
    let mut received = 0;
    while received < bytes.len() {
        match poll_fn(|context| console.poll_read(port, &mut bytes[received..], context)).await? {
            0 => return Err(ConsoleError::Closed { port }),
            count => received += count,
        }
    }
    Ok(())
}

/// Waits until the console has a port that the host has open.
async fn opened(console: &VirtioConsole, port: u32) -> Result<(), ConsoleError> {
    poll_fn(|context| {
        while let Poll::Ready(change) = console.poll_change(context) {
            change?;
        }
        let is_open = console.ports().iter().any(|info| info.id == port && info.is_open);
        if is_open { Poll::Ready(Ok(())) } else { Poll::Pending }
    })
    .await
}

fn exchange(bench: &Bench, host: &Host, console: &VirtioConsole, port: u32) {
    let sent: Vec<u8> = (0..=u8::MAX).cycle().take(10_000).collect();
    let mut received = vec![0; 5_000];
    assert_eq!(bench.run(opened(console, port)), Ok(()));
    console.set_open(port, true);
    assert_eq!(bench.run(following(console, send(console, port, &sent))), Ok(()));
    host.with(|stream| {
        let mut bytes = vec![0; sent.len()];
        stream.read_exact(&mut bytes).expect("the bytes");
        assert!(bytes == sent);
        stream.write_all(&sent[..5_000]).expect("QEMU reads");
    });
    assert_eq!(bench.run(following(console, receive(console, port, &mut received))), Ok(()));
    assert!(received == sent[..5_000]);
}

#[test]
fn virtio_console_with_one_port() {
    let host = Host::new("console");
    host.bench(&["virtio-serial-pci,max_ports=1", "virtconsole,chardev=host"]).in_each_mode(|bench| {
        let console: VirtioConsole = bench.attach();
        assert!(console.ports()[0].is_console);
        exchange(bench, &host, &console, 0);
        let writer = console.emergency_writer().expect("QEMU offers it");
        b"panic".iter().for_each(|byte| writer.write_byte(*byte));
        host.with(|stream| {
            let mut bytes = [0; 5];
            stream.read_exact(&mut bytes).expect("the bytes");
            assert_eq!(&bytes, b"panic");
        });
    });
}

#[test]
fn virtio_console_with_several_ports() {
    let host = Host::new("ports");
    let devices = ["virtio-serial-pci", "virtconsole", "virtserialport,chardev=host,nr=3,name=org.example.shell"];
    host.bench(&devices).in_each_mode(|bench| {
        let console: VirtioConsole = bench.attach();
        exchange(bench, &host, &console, 3);
        let ports = console.ports();
        let found: Vec<_> = ports.iter().map(|port| (port.id, port.name.as_str(), port.is_console)).collect();
        assert_eq!(found, [(0, "", true), (3, "org.example.shell", false)]);
    });
}

#[test]
fn virtio_console_with_faults() {
    let report = Bench::qemu()
        .arguments(&["-chardev", "null,id=null"])
        .device("virtio-serial-pci,max_ports=4")
        .device("virtconsole,chardev=null")
        .inject::<VirtioConsole, ConsoleError>(25, |bench, console| {
            let console = &*console;
            bench.try_run(async {
                opened(console, 0).await?;
                following(console, send(console, 0, &[1; 3_000])).await
            })
        });
    // A port whose buffers are refused is reported to the host as not ready, and is not opened.
    let without_port = 4;
    assert!(
        report.is_none_or(|report| report.stuck <= without_port && report.faults > 40 && report.errors > 10),
        "{report:?}"
    );
}
