//! QEMU's monitor (QMP), by which devices are added and removed.

use core::time::Duration;
use std::format;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::string::{String, ToString};

/// The time after which an answer is given up.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to the monitor.
#[derive(Debug)]
pub(super) struct Monitor {
    stream: BufReader<UnixStream>,
}

impl Monitor {
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        let mut this = Self { stream: BufReader::new(stream) };
        this.request(r#"{"execute":"qmp_capabilities"}"#)?;
        Ok(this)
    }

    /// Carries out a command line, in the words that a person types. Returns what it prints.
    pub(super) fn command(&mut self, line: &str) -> io::Result<String> {
        let line = line.replace('\\', r"\\").replace('"', r#"\""#);
        let command = format!(r#"{{"execute":"human-monitor-command","arguments":{{"command-line":"{line}"}}}}"#);
        let answer = self.request(&command)?;
        let text = answer.split_once(r#""return": ""#).map_or("", |(_, text)| text.trim_end_matches(['"', '}']));
        Ok(text.replace(r"\r\n", "\n").trim_end().to_string())
    }

    /// Presses keys, by QEMU's codes, and releases them in the other order, at once.
    pub(super) fn press_keys(&mut self, keys: &[&str]) -> io::Result<()> {
        let event = |key: &&str, is_down: bool| {
            let key = format!(r#"{{"type":"qcode","data":"{key}"}}"#);
            format!(r#"{{"type":"key","data":{{"down":{is_down},"key":{key}}}}}"#)
        };
        let events = keys.iter().map(|key| event(key, true)).chain(keys.iter().rev().map(|key| event(key, false)));
        let events = events.collect::<std::vec::Vec<_>>().join(",");
        self.request(&format!(r#"{{"execute":"input-send-event","arguments":{{"events":[{events}]}}}}"#)).map(drop)
    }

    /// Sends a request. Returns the line with its answer.
    fn request(&mut self, request: &str) -> io::Result<String> {
        self.stream.get_mut().write_all(format!("{request}\n").as_bytes())?;
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end();
            // Others are its greeting and events.
            if line.starts_with(r#"{"return""#) {
                return Ok(line.to_string());
            }
            if line.starts_with(r#"{"error""#) {
                return Err(io::Error::other(line.to_string()));
            }
        }
    }
}
