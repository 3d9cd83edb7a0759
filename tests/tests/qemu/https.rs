//! HTTPS, by curl and openssl. Skipped, with the reason, where one of them or the image with the feature `tls` is missing.

use std::env;
use std::path::Path;
use std::process::{Command, Output};

use switchboard_tests::{Guest, Machine, Nic, Protocol, Qemu};

/// The folder of the test certificates.
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../image/tls/tests/data");

/// Boots the image with the feature `tls`, and a certificate by `fw_cfg`; returns the guest and its port.
fn boot(key: Option<&str>, tool: &str) -> Option<Guest> {
    let Ok(image) = env::var("SWITCHBOARD_TLS_IMAGE") else {
        println!("skipped: SWITCHBOARD_TLS_IMAGE is not set; `make test-qemu` sets it");
        return None;
    };
    if Command::new(tool).arg("--version").output().is_err() {
        println!("skipped: {tool} is not installed");
        return None;
    }
    let qemu = Qemu::new(Machine::Q35).image(Path::new(&image)).nic(Nic::Virtio).forward(Protocol::Tcp, 443);
    let qemu = match key {
        Some(key) => qemu
            .argument("-fw_cfg", &format!("name=opt/switchboard/tls/cert,file={DATA}/{key}.pem"))
            .argument("-fw_cfg", &format!("name=opt/switchboard/tls/key,file={DATA}/{key}.key")),
        None => qemu,
    };
    Some(qemu.start())
}

fn curl(guest: &Guest, arguments: &[&str], path: &str) -> Output {
    let port = guest.port(0, Protocol::Tcp, 443);
    let url = format!("https://switchboard.test:{port}{path}");
    let resolve = format!("switchboard.test:{port}:127.0.0.1");
    let command = ["-sS", "--max-time", "20", "--resolve", &resolve];
    Command::new("curl").args(command).args(arguments).arg(url).output().expect("curl starts")
}

#[test]
fn curl_gets_the_page_in_both_versions() {
    for key in ["p256", "rsa"] {
        let Some(guest) = boot(Some(key), "curl") else { return };
        guest.wait_for("https on port 443");
        drop(guest.client());
        for version in [["--tls-max", "1.2"], ["--tlsv1.3", "--http1.1"]] {
            let root = format!("{DATA}/{key}.pem");
            let output = curl(&guest, &["--cacert", &root, version[0], version[1]], "/hello");
            assert_eq!(String::from_utf8_lossy(&output.stdout), "Hello, world!", "{key} {version:?}: {output:?}");
        }
        let refused = curl(&guest, &[], "/hello");
        assert_eq!(refused.status.code(), Some(60), "without -k the certificate is not trusted: {refused:?}");
    }
}

#[test]
fn openssl_connects_and_garbage_does_no_harm() {
    let Some(guest) = boot(Some("p256"), "openssl") else { return };
    drop(guest.client());
    let target = format!("127.0.0.1:{}", guest.port(0, Protocol::Tcp, 443));
    for _ in 0..3 {
        let plain = Command::new("curl").args(["-s", "--max-time", "5", &format!("http://{target}/")]).output();
        assert!(plain.is_ok_and(|output| output.stdout.len() < 100), "a plain request gets an alert at most");
    }
    let command = ["s_client", "-connect", &target, "-brief", "-CAfile", &format!("{DATA}/p256.pem")];
    let output = Command::new("openssl").args(command).stdin(std::process::Stdio::null()).output().expect("it starts");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("Verification: OK"), "{text}");
}

#[test]
fn without_a_certificate_the_console_has_the_reason() {
    let Some(guest) = boot(None, "openssl") else { return };
    guest.wait_for("no https: -fw_cfg name=opt/switchboard/tls/cert,file=");
}
