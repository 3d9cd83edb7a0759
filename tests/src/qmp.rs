//! QEMU's machine protocol (QMP): adds and removes devices while the guest runs.

use core::time::Duration;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};

use crate::Qemu;
use crate::scratch::ScratchPath;

const TIMEOUT: Duration = Duration::from_secs(30);

/// The QMP socket of a guest.
#[derive(Debug)]
pub struct Qmp {
    socket: ScratchPath,
}

impl Default for Qmp {
    fn default() -> Self {
        Self { socket: ScratchPath::new("qmp") }
    }
}

impl Qmp {
    /// Adds the QMP socket to the guest.
    #[must_use]
    pub fn attach(&self, qemu: Qemu) -> Qemu {
        qemu.argument("-qmp", &format!("unix:{},server=on,wait=off", self.socket.path().display()))
    }

    /// Connects to the running guest.
    ///
    /// # Panics
    /// Panics when the socket does not accept connections.
    #[must_use]
    pub fn connect(&self) -> QmpSession {
        let start = Instant::now();
        let stream = loop {
            match UnixStream::connect(self.socket.path()) {
                Ok(stream) => break stream,
                Err(error) => assert!(start.elapsed() < TIMEOUT, "no QMP socket: {error}"),
            }
            thread::sleep(Duration::from_millis(20));
        };
        stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
        let lines = BufReader::new(stream.try_clone().expect("a second handle"));
        let mut session = QmpSession { stream, lines, events: Vec::new() };
        session.read();
        session.command("qmp_capabilities", &json!({})).expect("QMP accepts commands");
        session
    }
}

/// A QMP session; each command is executed before the next is sent.
#[derive(Debug)]
pub struct QmpSession {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
    /// Events received while waiting for a reply.
    events: Vec<Value>,
}

impl QmpSession {
    /// Executes a command and returns its result.
    ///
    /// # Errors
    /// QEMU's description of the error.
    ///
    /// # Panics
    /// Panics when QEMU does not reply.
    pub fn command(&mut self, name: &str, arguments: &Value) -> Result<Value, String> {
        let line = format!("{}\n", json!({ "execute": name, "arguments": arguments }));
        self.stream.write_all(line.as_bytes()).expect("QEMU reads its input");
        loop {
            let answer = self.read();
            if let Some(result) = answer.get("return") {
                return Ok(result.clone());
            }
            if let Some(error) = answer.get("error") {
                return Err(error["desc"].as_str().unwrap_or("no reason").to_owned());
            }
        }
    }

    /// Adds a device by QEMU's name and options.
    ///
    /// # Panics
    /// Panics when QEMU refuses.
    pub fn add(&mut self, driver: &str, id: &str, options: &[(&str, &str)]) {
        let mut arguments = json!({ "driver": driver, "id": id });
        options.iter().for_each(|(name, value)| arguments[*name] = option(value));
        self.command("device_add", &arguments).unwrap_or_else(|error| panic!("{driver} {id}: {error}"));
    }

    /// Requests the guest to release a device (`device_del`).
    ///
    /// # Errors
    /// QEMU's description of the error, as when an earlier request is still pending.
    pub fn request_removal(&mut self, id: &str) -> Result<(), String> {
        self.command("device_del", &json!({ "id": id })).map(drop)
    }

    /// Presses and releases keys of the keyboard one after the other, by QEMU's codes (`input-send-event`).
    ///
    /// # Panics
    /// When QEMU refuses.
    pub fn press_keys(&mut self, keys: &[&str]) {
        for key in keys {
            let event = |down: bool| json!({ "type": "key", "data": { "down": down, "key": { "type": "qcode", "data": key } } });
            let events = json!({ "events": [event(true), event(false)] });
            self.command("input-send-event", &events).unwrap_or_else(|error| panic!("{key}: {error}"));
            // A keyboard has room for 16 events.
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the device is deleted.
    ///
    /// # Panics
    /// Panics when it is not deleted in time.
    pub fn wait_until_deleted(&mut self, id: &str) {
        let is_it = |event: &Value| event["event"] == "DEVICE_DELETED" && event["data"]["device"] == id;
        loop {
            if let Some(place) = self.events.iter().position(is_it) {
                self.events.remove(place);
                return;
            }
            self.read();
        }
    }

    /// Reads one message; an event is kept for later.
    fn read(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("QEMU answers");
        let message: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        if message.get("event").is_some() {
            self.events.push(message.clone());
        }
        message
    }
}

/// Returns the value of an option. A size as `8G` is a number for newer QEMUs, and older ones take both.
fn option(value: &str) -> Value {
    let gibibytes = value.strip_suffix('G').and_then(|number| number.parse::<u64>().ok());
    gibibytes.map_or_else(|| Value::from(value), |number| Value::from(number << 30))
}
