//! virtio-vsock: streams to and from a host made of a test, through QEMU's vhost-user device.

use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;
use std::collections::HashMap;
use std::env;
use std::process;

use embedded_io_async::{Read, Write};
use switchboard_drivers::virtio::VirtioVsock;
use switchboard_drivers::virtio::vsock::{HOST, VsockAddress, VsockError};
use switchboard_testing::qemu::Bench;

use crate::vhost_user::{Backend, CID, DATA, Packet, REQUEST, RESET, RESPONSE, SHUTDOWN};

const ECHO: u32 = 7;

/// A host that sends back what it gets on one port, and refuses the others.
fn echo() -> impl FnMut(Packet) -> Vec<Packet> + Send {
    let mut taken: HashMap<u32, u32> = HashMap::new();
    move |packet| {
        let taken = taken.entry(packet.guest_port).or_default();
        match packet.operation {
            REQUEST if packet.host_port == ECHO => {
                *taken = 0;
                vec![packet.answer(RESPONSE, 0, b"")]
            }
            DATA => {
                *taken = taken.wrapping_add(u32::try_from(packet.data.len()).expect("a short packet"));
                vec![packet.answer(DATA, *taken, &packet.data)]
            }
            REQUEST | SHUTDOWN => vec![packet.answer(RESET, *taken, b"")],
            _ => Vec::new(),
        }
    }
}

#[test]
fn virtio_vsock_streams() {
    let path = env::temp_dir().join(format!("switchboard-{}-vsock", process::id()));
    let backend = Backend::start(&path, echo());
    let (chardev, device) = backend.options();
    Bench::qemu().arguments(&["-chardev", &chardev]).device(device).in_each_mode(|bench| {
        let driver: VirtioVsock = bench.attach();
        let sockets = driver.sockets();
        assert_eq!(sockets.cid(), CID);
        let work = async {
            let refused = sockets.connect(VsockAddress { cid: HOST, port: 9 }).await;
            assert_eq!(refused.map(drop), Err(VsockError::Refused));
            let mut stream = sockets.connect(VsockAddress { cid: HOST, port: ECHO }).await?;
            // The echo has no flow control of its own: parts are smaller than the buffer.
            for round in 0..20_u8 {
                let (sent, mut received) = ([round; 6000], [0; 6000]);
                stream.write_all(&sent).await?;
                let mut count = 0;
                while count < received.len() {
                    count += stream.read(&mut received[count..]).await?;
                }
                assert!(received == sent);
            }
            // And from the host, which closes it.
            let listener = sockets.listen(1024)?;
            let request =
                Packet { host_port: 50, guest_port: 1024, operation: REQUEST, flags: 0, taken: 0, data: vec![] };
            backend.send(request.clone());
            let mut accepted = listener.accept().await?;
            assert_eq!(accepted.peer(), VsockAddress { cid: HOST, port: 50 });
            backend.send(request.answer(DATA, 0, b"hello"));
            backend.send(Packet { flags: 3, ..request.answer(SHUTDOWN, 0, b"") });
            let mut bytes = [0; 9];
            assert_eq!(accepted.read(&mut bytes).await, Ok(5));
            assert_eq!(accepted.read(&mut bytes).await, Ok(0));
            Ok::<_, VsockError>(())
        };
        let (mut work, mut run) = (pin!(work), pin!(driver.run()));
        let outcome = bench.run(poll_fn(|context| match run.as_mut().poll(context) {
            Poll::Ready(error) => Poll::Ready(Err(error)),
            Poll::Pending => work.as_mut().poll(context),
        }));
        assert_eq!(outcome, Ok(()));
    });
}
