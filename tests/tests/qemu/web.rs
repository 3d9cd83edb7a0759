//! The default app beside its reports: the page, the metrics, and files whole, in part and concurrently.

use std::thread;

use switchboard_tests::{Client, Guest, Machine, Nic, Qemu, Response, mebibyte_file, sha256};

fn boot() -> Guest {
    Qemu::new(Machine::Q35).nic(Nic::Virtio).files().start()
}

/// Sends a request with one more header.
fn get_with(client: &mut Client, path: &str, header: &str) -> Response {
    let request = format!("GET {path} HTTP/1.1\r\nHost: switchboard\r\n{header}\r\n\r\n");
    client.send(request.as_bytes()).expect("a request is sent");
    client.response().unwrap_or_else(|error| panic!("{path} with {header}: {error}"))
}

#[test]
fn the_page_loads_no_external_resource() {
    let guest = boot();
    let page = guest.client().get("/").expect("the page");
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")), "{:?}", page.headers);
    let text = String::from_utf8(page.body).expect("the page is UTF-8");
    for outside in ["src=\"http", "src=\"//", "url(http", "@import", "<link rel=\"stylesheet\" href=\"http"] {
        assert!(!text.contains(outside), "the page asks for `{outside}`");
    }
}

#[test]
fn the_metrics_are_prometheus_text() {
    let guest = boot();
    let metrics = guest.client().get("/metrics").expect("the metrics");
    assert_eq!(metrics.status, 200);
    assert!(metrics.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")), "{:?}", metrics.headers);
    let text = String::from_utf8(metrics.body).expect("the metrics are UTF-8");
    assert!(text.ends_with('\n') && text.contains("virtio-net"), "{text}");
    // QEMU's user network has a DHCP server.
    assert!(text.contains(",address=\"10.0.2.15\",server=\"10.0.2.2\"} "), "{text}");
    assert!(text.contains("switchboard_network_dhcp_state{") && text.contains("state=\"bound\"} 1"), "{text}");
    let mut typed = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split(' ').next()) {
            typed.push(name);
        }
        if line.starts_with('#') {
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value in `{line}`"));
        let name = name.split('{').next().unwrap_or_default();
        assert!(value.parse::<f64>().is_ok(), "no number in `{line}`");
        assert!(typed.contains(&name), "no type is given for `{line}`");
    }
}

#[test]
fn a_range_of_a_file_is_served() {
    let guest = boot();
    let mut client = guest.client();
    let file = mebibyte_file();
    for (range, part) in [("0-15", 0..16), ("1000-70000", 1000..70_001), ("1048575-", 1_048_575..1 << 20)] {
        let answer = get_with(&mut client, "/files/1mib.bin", &format!("Range: bytes={range}"));
        assert_eq!(answer.status, 206, "{range}");
        assert!(answer.body == file[part], "{range}: {} bytes, or others", answer.body.len());
    }
    let beyond = get_with(&mut client, "/files/1mib.bin", "Range: bytes=1048576-");
    assert_eq!(beyond.status, 416);
    // The connection is still usable.
    assert_eq!(client.get("/hello").expect("an answer").body.len(), 13);
}

/// A slow disk delays no other request, and its files are reported as not yet available rather than missing.
#[test]
fn a_slow_disk_is_waited_for() {
    let guest = Qemu::new(Machine::Q35)
        .nic(Nic::Virtio)
        .argument("-blockdev", "driver=null-co,node-name=slow,size=1048576,read-zeroes=on,latency-ns=4000000000")
        .device("virtio-blk-pci,drive=slow")
        .start();
    let mut client = guest.client();
    let early = client.get("/files/1mib.bin").expect("an answer");
    assert_eq!((early.status, early.header("retry-after")), (503, Some("1")));
    assert_eq!(client.get("/hello").expect("an answer").status, 200);
    guest.wait_for("the disk is empty");
    assert_eq!(client.get("/files/1mib.bin").expect("an answer").status, 404);
}

#[test]
fn many_concurrent_files_arrive_whole() {
    let guest = boot();
    // Serially: QEMU's backlog of a forwarded port is one connection.
    let clients: Vec<Client> = (0..8).map(|_| guest.client()).collect();
    let wanted = sha256(&mebibyte_file());
    thread::scope(|scope| {
        for mut client in clients {
            let wanted = &wanted;
            scope.spawn(move || {
                for _ in 0..4 {
                    let file = client.get("/files/1mib.bin").expect("the file");
                    assert_eq!((file.status, &sha256(&file.body)), (200, wanted));
                }
            });
        }
    });
}

/// Returns the bytes of the heap that are used.
fn heap_bytes(client: &mut Client) -> usize {
    let metrics = client.get("/metrics").expect("the metrics");
    let text = String::from_utf8(metrics.body).expect("the metrics are UTF-8");
    let line = text.lines().find_map(|line| line.strip_prefix("switchboard_heap_bytes{state=\"used\"} "));
    line.and_then(|value| value.parse().ok()).expect("a number of bytes")
}

#[test]
fn an_idle_connection_takes_little_memory() {
    const COUNT: usize = 400;
    const MAX_BYTES: usize = 6 * 1024;
    let guest = Qemu::new(Machine::Q35).nic(Nic::Virtio).option("-- connections 1000").start();
    // Buffers are freed by a check once a second, of connections without a segment since the last.
    let idle = || thread::sleep(core::time::Duration::from_secs(4));
    let mut first = guest.client();
    assert_eq!(first.get("/hello").expect("a greeting").status, 200);
    idle();
    let before = heap_bytes(&mut first);
    let mut clients: Vec<_> = (0..COUNT).map(|_| guest.client()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        let response = client.get("/hello").unwrap_or_else(|error| panic!("connection {number}: {error}"));
        assert_eq!(response.status, 200);
    }
    idle();
    let each = heap_bytes(&mut first).saturating_sub(before) / COUNT;
    assert!(each <= MAX_BYTES, "{each} bytes for each idle connection");
    println!("{each} bytes for each idle connection");
    for (number, client) in clients.iter_mut().enumerate() {
        client.get("/hello").unwrap_or_else(|error| panic!("idle connection {number}: {error}"));
    }
}
