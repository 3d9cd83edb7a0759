//! What an interrupt costs, as the image counts it, and the functions that its instructions are from.

use core::time::Duration;
use std::{fs, io};

use switchboard_runtime::mark::MEASURED;

use super::names::Names;
use super::operation::interrupt_bench;
use super::parts::{PARTS, Part, part};
use crate::guest::Guest;
use crate::systems::Files;

const TIMEOUT: Duration = Duration::from_secs(120);
/// The deliveries that are taken apart, in the order in which the image measures them.
const KINDS: [&str; 2] = ["message", "line with 1"];
/// How the lines begin in which the image prints what it counts.
const FIGURES: [&str; 5] = ["message: ", "line with 1: ", "line with 2: ", "line with 3: ", "event: "];
const RDTSC: &str = "0f31";

/// An executed instruction: its address, and its bytes in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    address: u64,
    code: String,
}

/// Prints the figures that the image counts, and for a message and a line the parts that its instructions belong to.
///
/// # Errors
/// Returns an error when the sums of the parts are not the figures.
pub fn interrupts(files: &Files) -> io::Result<()> {
    let image = fs::read(&files.image)?;
    let names = Names::read(files, &image)?;
    let (mut words, out) = (interrupt_bench(files), files.results.join("paths.txt"));
    let is_traced = super::is_supported(files)?;
    if is_traced {
        let begin = names.address("switchboard_interrupt_stubs")?;
        let end = names.address("switchboard_save_for_interrupt")?;
        let plugin = format!("{},out={},path={begin:x}:{end:x}", files.plugin.display(), out.display());
        words.extend(["-plugin".into(), plugin]);
    }
    let guest = Guest::start(&words, false)?;
    guest.wait_for("on an idle CPU", TIMEOUT)?;
    let line = |begin: &str| guest.line(begin).unwrap_or_default();
    FIGURES.iter().for_each(|begin| println!("{}", line(begin)));
    if !is_traced {
        println!(
            "where they go: skipped, this QEMU does not load plugins of version 1 of the interface (QEMU 7.2 to 8.2 do)"
        );
        return Ok(());
    }
    let measured = parse(&fs::read_to_string(&out)?);
    for (place, kind) in KINDS.into_iter().enumerate() {
        println!("\n{kind}: where the instructions go");
        let deliveries = measured.get(place).map(Vec::as_slice).unwrap_or_default();
        let delivery = cheapest(&names, deliveries)?.ok_or_else(|| io::Error::other("no delivery was traced"))?;
        let rows = delivery.rows(&names)?;
        rows.iter().for_each(|(part, count)| println!("{count:>6}  {part}"));
        let is_missing = |part: &&Part| rows.iter().all(|(found, _)| found != *part);
        if let Some(part) = PARTS.iter().chain((place > 0).then_some(&Part::Sharers)).find(is_missing) {
            return Err(io::Error::other(format!("no instruction is of the part `{part}`: see parts.rs")));
        }
        let sums = [delivery.before(), delivery.around()];
        let line = line(&format!("{kind}: "));
        let counted: Vec<usize> =
            line.split(' ').skip_while(|word| !word.ends_with(':')).filter_map(|word| word.parse().ok()).collect();
        if counted != sums {
            return Err(io::Error::other(format!("the parts sum to {sums:?}; the image counted {counted:?}")));
        }
        println!("{:>6}  without the handler, {} of them before it: as the image counted", sums[1], sums[0]);
    }
    Ok(())
}

/// Returns the deliveries that the plugin wrote, by the figure that they were measured for.
fn parse(text: &str) -> Vec<Vec<Vec<Step>>> {
    let end = format!("mark {MEASURED} ");
    let mut measured = vec![Vec::new()];
    for line in text.lines() {
        if line.starts_with(&end) {
            measured.push(Vec::new());
        } else if let (Some(path), Some(last)) = (line.strip_prefix("path "), measured.last_mut()) {
            last.push(path.split(' ').filter_map(step).collect());
        }
    }
    measured
}

fn step(word: &str) -> Option<Step> {
    let (address, code) = word.split_once(':')?;
    Some(Step { address: u64::from_str_radix(address, 16).ok()?, code: code.to_owned() })
}

/// A delivery to the handler that looks at the clock twice.
struct Delivery<'a> {
    steps: &'a [Step],
    /// The places of the two looks.
    looks: [usize; 2],
}

/// Returns the delivery with the fewest instructions, as the image does.
fn cheapest<'a>(names: &Names<'_>, deliveries: &'a [Vec<Step>]) -> io::Result<Option<Delivery<'a>>> {
    let mut best: Option<Delivery<'_>> = None;
    for steps in deliveries {
        let mut looks = Vec::new();
        for (place, step) in steps.iter().enumerate().filter(|(_, step)| step.code == RDTSC) {
            if names.functions(step.address)?.iter().any(|name| name == "read_tsc") {
                looks.push(place);
            }
        }
        if let [first, second] = looks[..]
            && best.as_ref().is_none_or(|best| steps.len() < best.steps.len())
        {
            best = Some(Delivery { steps, looks: [first, second] });
        }
    }
    Ok(best)
}

impl Delivery<'_> {
    /// Returns the number of instructions before the handler.
    fn before(&self) -> usize {
        self.looks[0]
    }

    /// Returns the number of instructions of the handler: as the image computes it, from its first look at the clock on, twice as many
    /// as there are to its second.
    fn inside(&self) -> usize {
        2 * (self.looks[1] - self.looks[0])
    }

    /// Returns the number of instructions without the handler.
    fn around(&self) -> usize {
        self.steps.len() - self.inside()
    }

    /// Returns the number of instructions of each part, in the order in which they first occur, before the handler and after it.
    fn rows(&self, names: &Names<'_>) -> io::Result<Vec<(Part, usize)>> {
        let mut rows: Vec<(bool, Part, usize)> = Vec::new();
        let handler = self.before()..self.before() + self.inside();
        for (place, step) in self.steps.iter().enumerate() {
            let is_after = place >= handler.start;
            let part = if handler.contains(&place) {
                Part::Handler
            } else if place + 1 == self.steps.len() {
                Part::Return
            } else {
                part(names, step.address, is_after)?
            };
            match rows.iter_mut().find(|(after, known, _)| (*after, *known) == (is_after, part)) {
                Some((.., count)) => *count += 1,
                None => rows.push((is_after, part, 1)),
            }
        }
        Ok(rows.into_iter().map(|(_, part, count)| (part, count)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_belong_to_the_next_figure() {
        let step = |address, code: &str| Step { address, code: code.to_owned() };
        let text = format!(
            "at entry 7\npath 10:57 ff:48cf\nmark {MEASURED} 9\nmark 30 10\npath 20:0f31\nmark {MEASURED} 20\n"
        );
        let expected = [vec![vec![step(16, "57"), step(255, "48cf")]], vec![vec![step(32, RDTSC)]], vec![]];
        assert_eq!(parse(&text), expected);
    }

    #[test]
    fn a_delivery_is_reckoned_as_in_the_image() {
        let steps: Vec<_> = core::iter::repeat_n(Step { address: 0, code: String::new() }, 67).collect();
        let delivery = Delivery { steps: &steps, looks: [31, 35] };
        assert_eq!((delivery.before(), delivery.inside(), delivery.around()), (31, 8, 59));
    }
}
