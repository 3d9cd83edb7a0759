//! The arguments of the app, and what is expected of a block.

use alloc::string::String;

use switchboard_drivers::interfaces::block::BlockError;

use super::MAX_QUEUE_DEPTH;

/// Why the app fails.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("no disk: no function has a disk driver")]
    NoDisk,
    #[error("the disk has fewer than 4,096 bytes")]
    TooSmall,
    #[error(
        "`{0}` is invalid: the arguments are do read|write|flush, qd N, secs S, turns N, count N, verify zeros|offsets"
    )]
    Usage(String),
    #[error(transparent)]
    Disk(#[from] BlockError),
    #[error("{0} blocks had wrong contents")]
    Wrong(u64),
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Read,
    Write,
    /// A write and a flush.
    Flush,
}

/// The expected contents of a block.
#[derive(Debug, Clone, Copy)]
pub(super) enum Content {
    Anything,
    Zeros,
    Offsets,
}

/// The arguments of the app.
#[derive(Debug, Clone, Copy)]
pub(super) struct Workload {
    pub(super) operation: Operation,
    pub(super) queue_depth: u64,
    pub(super) seconds: u64,
    pub(super) turns: u64,
    pub(super) count: u64,
    pub(super) content: Content,
}

impl Workload {
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let usage = || Failure::Usage(text.into());
        let (operation, content) = (Operation::Read, Content::Anything);
        let mut workload = Self { operation, queue_depth: 1, seconds: 2, turns: 1, count: u64::MAX, content };
        let mut arguments = text.split_ascii_whitespace();
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(usage)?;
            let number = || value.parse::<u64>().ok().filter(|number| *number > 0).ok_or_else(usage);
            match (name, value) {
                ("do", "read") => workload.operation = Operation::Read,
                ("do", "write") => workload.operation = Operation::Write,
                ("do", "flush") => workload.operation = Operation::Flush,
                ("turns", _) => workload.turns = number()?,
                ("qd", _) => workload.queue_depth = number()?.min(MAX_QUEUE_DEPTH),
                ("secs", _) => workload.seconds = number()?,
                ("count", _) => workload.count = number()?,
                ("verify", "zeros") => workload.content = Content::Zeros,
                ("verify", "offsets") => workload.content = Content::Offsets,
                _ => return Err(usage()),
            }
        }
        Ok(workload)
    }
}

/// Returns `true` if the block at byte `offset` of the disk has the expected contents.
#[inline]
pub(super) fn holds(content: Content, data: &[u8], offset: u64) -> bool {
    match content {
        Content::Anything => true,
        Content::Zeros => data.iter().all(|byte| *byte == 0),
        Content::Offsets => {
            let offsets = (offset..).step_by(size_of::<u64>());
            data.chunks(size_of::<u64>()).zip(offsets).all(|(word, offset)| word == offset.to_le_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::apps::blkbench::BLOCK_SIZE;

    #[test]
    fn arguments_are_parsed_or_rejected() {
        let workload = Workload::parse("qd 32 secs 5 verify offsets").expect("valid arguments");
        assert!(matches!(
            workload,
            Workload { queue_depth: 32, seconds: 5, count: u64::MAX, content: Content::Offsets, .. }
        ));
        let workload = Workload::parse("do flush turns 3").expect("valid arguments");
        assert!(matches!(workload, Workload { operation: Operation::Flush, turns: 3, .. }));
        assert!(matches!(Workload::parse(""), Ok(Workload { queue_depth: 1, .. })));
        for text in ["qd", "qd 0", "qd x", "verify", "verify all", "do sync", "fast 1"] {
            assert!(matches!(Workload::parse(text), Err(Failure::Usage(_))), "{text}");
        }
    }

    #[test]
    fn one_wrong_byte_is_detected() {
        let mut block: Vec<u8> = (8192..12288_u64).step_by(8).flat_map(u64::to_le_bytes).collect();
        assert!(holds(Content::Offsets, &block, 8192) && !holds(Content::Offsets, &block, 4096));
        block[4095] ^= 1;
        assert!(!holds(Content::Offsets, &block, 8192) && holds(Content::Anything, &block, 0));
        assert!(holds(Content::Zeros, &[0; BLOCK_SIZE], 0) && !holds(Content::Zeros, &block, 0));
    }
}
