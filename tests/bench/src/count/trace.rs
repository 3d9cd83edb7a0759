//! What the plugin wrote.

use std::path::Path;
use std::{fs, io};

/// Operations that are left out, unless they are large.
const COLD: usize = 300;

/// A block of code: where, how many instructions, how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) address: u64,
    pub(super) instructions: u64,
    pub(super) times: u64,
}

/// Marks and what had been executed before each, and blocks.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Trace {
    marks: Vec<(u16, u64)>,
    entry: Option<u64>,
    pub(super) blocks: Vec<Block>,
}

impl Trace {
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        Ok(Self::parse(&fs::read_to_string(path)?))
    }

    fn parse(text: &str) -> Self {
        let mut trace = Self::default();
        for line in text.lines() {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["mark", mark, count] => trace.marks.extend(mark.parse().ok().zip(count.parse().ok())),
                ["at", "entry", count] => trace.entry = count.parse().ok(),
                ["block", address, instructions, times] => {
                    let address = u64::from_str_radix(address, 16).ok();
                    let block = address.zip(instructions.parse().ok()).zip(times.parse().ok());
                    let block = block.map(|((address, instructions), times)| Block { address, instructions, times });
                    trace.blocks.extend(block);
                }
                _ => {}
            }
        }
        trace
    }

    /// The count at the first of a mark.
    pub(super) fn first(&self, mark: u16) -> Option<u64> {
        self.marks.iter().find(|(other, _)| *other == mark).map(|(_, count)| *count)
    }

    /// The count at the image's first instruction.
    pub(super) fn entry(&self) -> Option<u64> {
        self.entry
    }

    /// Instructions from each of a mark to the next, without the first `cold` ones, which meet cold code and small windows.
    fn steps(&self, mark: u16, cold: usize) -> Vec<u64> {
        let counts: Vec<u64> = self.marks.iter().filter(|(other, _)| *other == mark).map(|(_, count)| *count).collect();
        counts.windows(2).map(|pair| pair[1] - pair[0]).skip(cold).collect()
    }

    /// The median step: for operations that come one at a time.
    pub(super) fn median(&self, mark: u16) -> Option<u64> {
        self.median_after(mark, COLD)
    }

    /// As [`median`](Self::median), without the first `cold` steps.
    pub(super) fn median_after(&self, mark: u16, cold: usize) -> Option<u64> {
        let mut steps = self.steps(mark, cold);
        steps.sort_unstable();
        steps.get(steps.len() / 2).copied()
    }

    /// The best mean of many steps: for operations that come in batches, which share some of what they cost. How large a
    /// batch is depends on the host, so the mean of all does; what is left of that is a hundredth or two.
    pub(super) fn best_mean(&self, mark: u16) -> Option<u64> {
        const MANY: usize = 256;
        let steps = self.steps(mark, COLD);
        steps.chunks_exact(MANY).map(|steps| steps.iter().sum::<u64>() / MANY as u64).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood() {
        let trace = Trace::parse("at entry 7\nmark 3 10\nmark 30 20\nmark 3 30\nblock ff 4 2\nnonsense\ntotal 40\n");
        assert_eq!((trace.entry(), trace.first(3), trace.first(4)), (Some(7), Some(10), None));
        assert_eq!(trace.blocks, [Block { address: 255, instructions: 4, times: 2 }]);
    }

    #[test]
    fn steps_are_taken_of_one_mark() {
        let line = |index: u64| format!("mark 30 {}\nmark 31 {}\n", index * 100, index * 100 + 50);
        let trace = Trace::parse(&(0..5000).map(line).collect::<String>());
        assert_eq!((trace.median(30), trace.best_mean(30), trace.median(32)), (Some(100), Some(100), None));
    }
}
