//! QEMU's machine protocol: devices put in and taken out while the guest runs.

use core::time::Duration;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Instant;

use serde_json::{Value, json};

use crate::Qemu;
use crate::scratch::ScratchPath;

const PATIENCE: Duration = Duration::from_secs(30);

/// Where a guest will take commands.
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
    /// Has the guest listen.
    #[must_use]
    pub fn attach(&self, qemu: Qemu) -> Qemu {
        qemu.argument("-qmp", &format!("unix:{},server=on,wait=off", self.socket.path().display()))
    }

    /// A session with the guest that was started so.
    ///
    /// # Panics
    /// When the guest does not listen.
    #[must_use]
    pub fn connect(&self) -> QmpSession {
        let start = Instant::now();
        let stream = loop {
            match UnixStream::connect(self.socket.path()) {
                Ok(stream) => break stream,
                Err(error) => assert!(start.elapsed() < PATIENCE, "no QMP socket: {error}"),
            }
            thread::sleep(Duration::from_millis(20));
        };
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let lines = BufReader::new(stream.try_clone().expect("a second handle"));
        let mut session = QmpSession { stream, lines, events: Vec::new() };
        session.read();
        session.command("qmp_capabilities", &json!({})).expect("it takes commands");
        session
    }
}

/// A session, whose commands are carried out one by one.
#[derive(Debug)]
pub struct QmpSession {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
    /// Events that came meanwhile.
    events: Vec<Value>,
}

impl QmpSession {
    /// Has a command carried out; its result, or what QEMU has against it.
    ///
    /// # Errors
    /// QEMU's words.
    ///
    /// # Panics
    /// When QEMU does not answer.
    pub fn command(&mut self, name: &str, arguments: &Value) -> Result<Value, String> {
        let line = format!("{}\n", json!({ "execute": name, "arguments": arguments }));
        self.stream.write_all(line.as_bytes()).expect("QEMU listens");
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

    /// Puts in a device, by QEMU's name and options.
    ///
    /// # Panics
    /// When QEMU refuses.
    pub fn add(&mut self, driver: &str, id: &str, options: &[(&str, &str)]) {
        let mut arguments = json!({ "driver": driver, "id": id });
        options.iter().for_each(|(name, value)| arguments[*name] = Value::from(*value));
        self.command("device_add", &arguments).unwrap_or_else(|error| panic!("{driver} {id}: {error}"));
    }

    /// Asks the guest to let go of a device.
    ///
    /// # Errors
    /// QEMU's words: the guest has not answered an earlier one, say.
    pub fn ask_to_remove(&mut self, id: &str) -> Result<(), String> {
        self.command("device_del", &json!({ "id": id })).map(drop)
    }

    /// Waits until the device is no more.
    ///
    /// # Panics
    /// When it stays.
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

    /// Reads one message; an event is kept.
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
