//! A benchmark of the first share of the host: sequential reads of a file, over and over.
//!
//! ```text
//! app=sharebench -- FILE [secs S] [turns N]
//! ```

use alloc::boxed::Box;
use alloc::string::String;

use embassy_time::{Duration, Instant};
use switchboard_fileserver::{File, FileSystem, FileSystemError, Node, P9};
use switchboard_runtime::say;
use switchboard_runtime::share::Share;
use switchboard_runtime::system::{Outcome, System};

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("no share: no function has the driver of one")]
    NoShare,
    #[error("no file {0} in the share")]
    NoFile(String),
    #[error("`{0}` is invalid: the arguments are FILE, secs S, turns N")]
    Usage(String),
    #[error(transparent)]
    FileSystem(#[from] FileSystemError),
}

/// The arguments of the app.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Workload {
    path: String,
    seconds: u64,
    turns: u64,
}

impl Workload {
    fn parse(text: &str) -> Result<Self, Failure> {
        let usage = || Failure::Usage(text.into());
        let mut words = text.split_ascii_whitespace();
        let mut workload = Self { path: words.next().ok_or_else(usage)?.into(), seconds: 2, turns: 1 };
        while let Some(name) = words.next() {
            let number = words.next().and_then(|word| word.parse().ok()).filter(|number| *number > 0);
            match (name, number) {
                ("secs", Some(seconds)) => workload.seconds = seconds,
                ("turns", Some(turns)) => workload.turns = turns,
                _ => return Err(usage()),
            }
        }
        Ok(workload)
    }
}

pub(super) async fn run(system: System) -> Outcome {
    let workload = Workload::parse(system.arguments)?;
    let share = system.devices.first::<Share>().ok_or(Failure::NoShare)?.device.clone();
    let files = P9::open_share(&share).await.map_err(Failure::from)?;
    let file = match files.open(&workload.path).await.map_err(Failure::from)? {
        Some(Node::File(file)) if file.size > 0 => file,
        _ => return Err(Box::new(Failure::NoFile(workload.path))),
    };
    for _ in 0..workload.turns {
        say!("sharebench: begin");
        let start = Instant::now();
        let bytes = read(&files, file, start + Duration::from_secs(workload.seconds)).await.map_err(Failure::from)?;
        let microseconds = start.elapsed().as_micros().max(1);
        let per_second = bytes * 1_000_000 / microseconds;
        say!("sharebench: {bytes} bytes in {microseconds} us, {per_second} per second");
    }
    Ok(())
}

/// Reads the file from its first byte to its last, over and over, until a time; returns the number of bytes.
async fn read(files: &P9, file: File, until: Instant) -> Result<u64, FileSystemError> {
    let (mut bytes, mut offset) = (0, 0);
    while Instant::now() < until {
        // The most that fits in a message, seen where the device has put it.
        let length = files.read(file, offset, usize::MAX, &mut |data| _ = core::hint::black_box(data)).await?;
        bytes += length;
        offset = if length == 0 { 0 } else { offset + length };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_parsed_or_rejected() {
        let parsed = Workload::parse("a/b.bin secs 3 turns 4").expect("valid arguments");
        assert_eq!(parsed, Workload { path: "a/b.bin".into(), seconds: 3, turns: 4 });
        for text in ["", "file secs", "file secs 0", "file fast 1"] {
            assert!(matches!(Workload::parse(text), Err(Failure::Usage(_))), "{text}");
        }
    }
}
