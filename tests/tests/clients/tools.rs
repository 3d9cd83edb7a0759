//! Tools of the command line.

use std::fs;

use crate::{DATA, Lan, TIMEOUT};

#[test]
fn curl() {
    let Some(lan) = Lan::start("curl", &["curl"], "app=rest") else { return };
    let body: Vec<u8> = (0..300_000_u32).map(|index| index.wrapping_mul(0x9e37_79b9).to_be_bytes()[0]).collect();
    fs::write(lan.folder.join("body"), &body).expect("a temporary file");
    let site = "http://10.9.0.2";
    for options in ["", "-0", "--http2", "--compressed", "--tr-encoding", "--tcp-fastopen"] {
        let got = lan.run(&format!("curl -sS {options} {site}/items http://[fd00:9::2]/items"));
        assert_eq!(got, "[][]", "{options}");
    }
    // The length is known or not; with Expect: 100-continue or without.
    for options in ["-T body", "-T body -HExpect:", "-T body -HTransfer-Encoding:chunked", "-F file=@body"] {
        lan.run(&format!("curl -sS -XPOST {options} -o echo {site}/echo"));
        let echo = fs::read(lan.folder.join("echo")).expect("the echo");
        let is_same = if options.starts_with("-F") { echo.len() > body.len() } else { echo == body };
        assert!(is_same, "{options}: {} bytes", echo.len());
    }
    let json = "-HContent-Type:application/json -d{\"name\":\"a\",\"quantity\":1}";
    let created = lan.run(&format!("curl -sS -i {json} {site}/items"));
    assert!(created.starts_with("HTTP/1.1 201 ") && created.contains("Location: /items/1\r\n"), "{created}");
    let status = |options: &str| lan.run(&format!("curl -sS -o out -w%{{http_code}} {options}"));
    assert_eq!(status(&format!("-I {site}/items")), "200");
    assert_eq!(status(&format!("-XOPTIONS --request-target * {site}")), "204");
    assert_eq!(status(&format!("-x {site}:80 http://10.9.0.2/items")), "200", "a target in absolute form");
    assert_eq!(status(&format!("-XTRACE {site}/items")), "405");
    assert_eq!(status(&format!("-XPUT {json} -HExpect:100-continue {site}/items/9")), "404");
    assert_eq!(status(&format!("-HExpect:more {json} {site}/items")), "417");
    fs::write(lan.folder.join("events.sh"), "timeout 2 curl -sN http://10.9.0.2/events || true").expect("a script");
    let events = lan.run("sh events.sh");
    assert!(events.contains("data: {\"items\":1,\"quantity\":1}"), "{events}");
}

#[test]
fn curl_and_wget_on_files_and_https() {
    let Some(lan) = Lan::start("files", &["curl", "wget"], "") else { return };
    let site = "http://10.9.0.2";
    let file = lan.run(&format!("curl -sS {site}/files/README.txt"));
    let ranges = lan.run(&format!("curl -sS -i --range 0-9,20-29,-5 {site}/files/README.txt"));
    assert!(ranges.starts_with("HTTP/1.1 206 ") && ranges.matches("Content-Range: bytes ").count() == 3, "{ranges}");
    assert_eq!(lan.run(&format!("curl -sS -C 10 {site}/files/README.txt")), file[10..]);
    let tls = format!("--cacert {DATA}/p256.pem --resolve switchboard.test:443:10.9.0.2 https://switchboard.test");
    for version in ["--tls-max 1.2", "--tlsv1.3"] {
        assert_eq!(lan.run(&format!("curl -sS {version} {tls}/hello")), "Hello, world!");
    }
    lan.run(&format!("wget -q -r -np {site}/files/"));
    assert_eq!(fs::read_to_string(lan.folder.join("10.9.0.2/files/README.txt")).expect("a mirror"), file);
    assert!(lan.folder.join("10.9.0.2/files/guide/lines.txt").exists());
    fs::write(lan.folder.join("README.txt"), &file[..100]).expect("a part");
    let continued = lan.run(&format!("wget -c {site}/files/README.txt"));
    assert!(continued.contains("206 Partial Content"), "{continued}");
    assert_eq!(fs::read_to_string(lan.folder.join("README.txt")).expect("all of it"), file);
}

/// On a tap: of 64 connections at once, QEMU's user network loses some in its backlog of 1 before the guest sees them, and `ab`
/// waits for those for ever.
#[test]
fn ab_loses_nothing() {
    let Some(lan) = Lan::start("ab", &["ab"], "") else { return };
    for options in ["-n 2000", "-k -n 5000", "-n 200 -i"] {
        let report = lan.run(&format!("ab -q {options} -c 50 http://10.9.0.2/hello"));
        assert!(report.lines().any(|line| line.split_whitespace().eq(["Failed", "requests:", "0"])), "{report}");
        assert!(!report.contains("Non-2xx"), "{report}");
    }
}

#[test]
fn wrk_loses_nothing() {
    let Some(lan) = Lan::start("wrk", &["wrk"], "") else { return };
    let report = lan.run("wrk -t1 -c50 -d2 http://10.9.0.2/hello");
    assert!(report.contains("requests in") && !report.contains("errors"), "{report}");
}

#[test]
fn nmap_finds_the_services() {
    let Some(lan) = Lan::start("nmap", &["nmap"], "services=echo") else { return };
    let scan = lan.run("nmap -n -sS -p 1-500 10.9.0.2");
    assert!(scan.contains("497 closed tcp ports (reset)"), "every closed port answers: {scan}");
    let found = lan.run("nmap -n -sV -p 7,80 10.9.0.2");
    assert!(found.contains("80/tcp open  http") && found.contains("7/tcp  open  echo"), "{found}");
    let udp = lan.run("nmap -n -sU -p 7,9,123 10.9.0.2");
    assert!(udp.contains("7/udp   open ") && udp.contains("123/udp closed"), "{udp}");
    assert_eq!(lan.run("curl -sS http://10.9.0.2/hello"), "Hello, world!");
}

#[test]
fn sslscan_finds_no_weak_protocol() {
    let Some(lan) = Lan::start("sslscan", &["sslscan"], "") else { return };
    let scan = lan.run("sslscan --no-colour 10.9.0.2");
    for line in ["TLSv1.0   disabled", "TLSv1.1   disabled", "TLSv1.2   enabled", "TLSv1.3   enabled"] {
        assert!(scan.contains(line), "{scan}");
    }
    assert!(scan.contains("TLS_AES_128_GCM_SHA256") && !scan.contains("CBC"), "{scan}");
}

#[test]
fn chrony_sets_the_clock() {
    let Some(mut lan) = Lan::start("chrony", &["chronyd"], "ntp=10.9.0.1") else { return };
    // The first question is too early: the next one is after 16 s.
    let pid_file = format!("pidfile {}", lan.folder.join("chronyd.pid").display());
    let arguments =
        ["-x", "-d", "-u", "root", "local stratum 3", "allow all", "cmdport 0", "bindcmdaddress /", &pid_file];
    let log = lan.host.start("chronyd", &arguments);
    assert!(log.wait_for_nth("Running", 1, TIMEOUT).is_some(), "{}", log.text());
    lan.guest.wait_for("time by ntp 10.9.0.1");
}
