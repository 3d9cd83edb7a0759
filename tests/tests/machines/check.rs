//! What each guest must do.

use core::time::Duration;
use std::thread;
use std::time::Instant;

use switchboard_tests::{Client, Guest, mebibyte_file, sha256};

/// Limit of a row, and of its guest. UEFI takes half a minute on a busy host, Bochs longer.
pub(crate) const LIMIT: Duration = Duration::from_secs(150);
/// Limit for a file, once the page is served.
const FILE_TIMEOUT: Duration = Duration::from_secs(60);

/// Waits until the page is served; returns a connection to it, and the time since the start of the wait.
pub(crate) fn page(guest: &Guest) -> Result<(Client, Duration), String> {
    let start = Instant::now();
    let mut timeout = Duration::from_millis(200);
    loop {
        // Emulators accept connections before the guest listens, and one that was made too early may get no answer.
        let client = Client::connect(guest.http_port(), timeout).and_then(|mut client| {
            let hello = client.get("/hello")?;
            client.set_timeout(FILE_TIMEOUT)?;
            Ok((client, hello))
        });
        match client {
            Ok((client, hello)) if hello.body == b"Hello, world!" => return Ok((client, start.elapsed())),
            Ok((_, hello)) => return Err(format!("/hello is wrong, status {}", hello.status)),
            Err(error) if !guest.is_running() => {
                return Err(format!("the emulator ended ({error}): {}", last_line(guest)));
            }
            Err(error) if start.elapsed() > LIMIT => return Err(format!("no page ({error}): {}", last_line(guest))),
            Err(_) => {}
        }
        timeout = (timeout * 2).min(Duration::from_secs(10));
        thread::sleep(Duration::from_millis(100));
    }
}

/// Checks that the file of the built disk is served.
pub(crate) fn file(client: &mut Client) -> Result<(), String> {
    let file = client.get("/files/1mib.bin").map_err(|error| format!("no file: {error}"))?;
    if (file.status, sha256(&file.body)) == (200, sha256(&mebibyte_file())) {
        Ok(())
    } else {
        Err(format!("the file is wrong: status {}, {} bytes", file.status, file.body.len()))
    }
}

/// Checks that the console has each of these texts.
pub(crate) fn console(guest: &Guest, texts: &[&str]) -> Result<(), String> {
    let console = guest.console().text();
    let missing = texts.iter().find(|text| !console.contains(**text));
    missing.map_or(Ok(()), |text| Err(format!("not on the console: {text}")))
}

/// Returns what the console shows of the CPU's interrupts and the clock: `X2Apic, ACPI timer`.
pub(crate) fn cpu_and_clock(guest: &Guest) -> String {
    let console = guest.console().text();
    let apic = console.lines().find(|line| line.contains(" CPU 0: ")).and_then(|line| line.rsplit(", ").next());
    let clock = console.lines().find(|line| line.contains("time: TSC at "));
    let source = clock.and_then(|line| line.split_once("(by ")).and_then(|(_, rest)| rest.split_once(')'));
    let deadline = if console.contains("TSC deadline timer") { ", TSC deadline" } else { "" };
    format!("{}, {}{deadline}", apic.unwrap_or("?").trim(), source.map_or("?", |(source, _)| source))
}

fn last_line(guest: &Guest) -> String {
    guest.console().text().lines().rfind(|line| !line.trim().is_empty()).unwrap_or("nothing on the console").to_owned()
}
