//! `switchboard-bench run [OPTIONS] | instructions [--update|--check] | interrupts | profile OPERATION [TOP]`
#![forbid(unsafe_code)]

use std::process::{Command, ExitCode};
use std::{env, fs, io};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;
use switchboard_bench::count;
use switchboard_bench::guest::PINNED_CPU;
use switchboard_bench::report::Report;
use switchboard_bench::rows::Bench;
use switchboard_bench::systems::Files;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let files = Files::from_environment();
    let outcome = match words[..] {
        ["run", ref options @ ..] => run(files, options),
        ["instructions", ref options @ ..] => count::instructions(&files, options),
        ["interrupts"] => count::interrupts(&files),
        ["profile", operation] => count::profile(&files, operation, 25),
        ["profile", operation, top] => count::profile(&files, operation, top.parse().unwrap_or(25)),
        _ => Err(io::Error::other(format!(
            "usage: run {OPTIONS} | instructions [--update|--check] | interrupts | profile OPERATION [TOP]"
        ))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Options of `run`.
#[derive(Debug, PartialEq, Eq)]
struct RunOptions {
    is_quick: bool,
    rounds: u32,
    only: String,
}

impl RunOptions {
    fn parse(options: &[&str]) -> io::Result<Self> {
        let (mut is_quick, mut rounds, mut only, mut is_name) = (false, None, Vec::new(), false);
        let mut words = options.iter();
        while let Some(word) = words.next() {
            match *word {
                "--quick" => is_quick = true,
                "--rounds" => {
                    rounds = Some(words.next().and_then(|number| number.parse().ok()).filter(|number| *number > 0));
                }
                "--only" => {}
                // The name of a row has several words.
                word if is_name && !word.starts_with("--") => only.push(word),
                word => return Err(io::Error::other(format!("`{word}` is not understood; the options are {OPTIONS}"))),
            }
            is_name = *word == "--only" || is_name && !word.starts_with("--");
        }
        let rounds = match rounds {
            Some(None) => return Err(io::Error::other("--rounds needs a number above zero")),
            Some(Some(rounds)) => rounds,
            None => 1,
        };
        Ok(Self { is_quick, rounds, only: only.join(" ") })
    }
}

const OPTIONS: &str = "[--rounds N] [--quick] [--only PART OF A ROW'S NAME]";

fn run(files: Files, options: &[&str]) -> io::Result<()> {
    // For a thousand connections, of this process and of QEMU.
    let (_, files_at_most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, files_at_most, files_at_most)?;
    let RunOptions { is_quick, rounds, only } = RunOptions::parse(options)?;
    let (everywhere, pinned) = (sched_getaffinity(Pid::from_raw(0))?, pinned_cpu()?);
    let report = Report { about: about(&files, rounds), ..Report::default() };
    let (seconds, turns) = if is_quick { (0.3, 1) } else { (0.5, 3) };
    let mut bench = Bench { files, report, seconds, turns, is_quick, only };
    for round in 1..=rounds {
        for is_pinned in [true, false] {
            let how = if is_pinned { "all on one CPU" } else { "on all CPUs" };
            println!("round {round} of {rounds}, {how}");
            sched_setaffinity(Pid::from_raw(0), if is_pinned { &pinned } else { &everywhere })?;
            bench.round(is_pinned);
        }
    }
    let counts = fs::read_to_string(bench.files.results.join("instructions.json")).ok();
    let counts = counts.and_then(|text| serde_json::from_str(&text).ok());
    let (markdown, results) = (bench.report.to_markdown(counts.as_ref()), &bench.files.results);
    fs::write(results.join("report.md"), &markdown)?;
    fs::write(results.join("report.json"), format!("{:#}\n", bench.report.to_json(counts)))?;
    println!("\n{markdown}\nwritten to {}", results.join("report.md").display());
    if bench.report.failures.is_empty() {
        Ok(())
    } else {
        Err(io::Error::other(format!("{} measurements failed; the report lists them", bench.report.failures.len())))
    }
}

fn pinned_cpu() -> io::Result<CpuSet> {
    let mut set = CpuSet::new();
    set.set(PINNED_CPU)?;
    Ok(set)
}

/// Returns the description of the machine and the versions.
fn about(files: &Files, rounds: u32) -> Vec<(String, String)> {
    let first = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output().ok()?;
        String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned)
    };
    let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = information.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let cpus = information.lines().filter(|line| line.starts_with("processor")).count();
    let size = fs::metadata(files.results.join("stripped")).map_or(0, |metadata| metadata.len());
    let linux = fs::read_to_string(files.guests.join("release")).unwrap_or_default();
    let rows = [
        ("date", first("date", "-I")),
        ("CPU", Some(format!("{}, {cpus} of them", cpu.unwrap_or("unknown")))),
        ("QEMU", first("qemu-system-x86_64", "--version").map(|version| version + ", TCG, `-smp 1`")),
        ("Linux guest", Some(linux.trim().to_owned())),
        ("the image without its optional features, stripped", Some(format!("{} KiB", size / 1024))),
        (
            "nginx",
            fs::read_to_string(files.guests.join("nginx-release"))
                .ok()
                .map(|release| format!("Debian's {}", release.trim())),
        ),
        (
            "rounds",
            Some(format!("{rounds}, of three turns of half a second each, in which the systems alternate; 0.3 s of warm-up before each value")),
        ),
        (
            "per CPU second",
            Some(
                "the work for each second of CPU time of QEMU, which other load on the host hardly changes: on a busy host, the honest ratio"
                    .into(),
            ),
        ),
        (
            "network",
            Some(
                "adaptive polling: by interrupts or polled, whichever is faster; for frames as named in the row".into(),
            ),
        ),
        (
            "e1000 by interrupt",
            Some(
                "QEMU throttles its interrupts to one per 128 us, for any driver; the host's timer adds about 50 us"
                    .into(),
            ),
        ),
        ("not measured", Some("KVM, real hardware, other unikernels in the same run, disks with a file behind".into())),
    ];
    rows.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> io::Result<RunOptions> {
        RunOptions::parse(&line.split_ascii_whitespace().collect::<Vec<_>>())
    }

    #[test]
    fn options_are_parsed_or_refused() {
        let options = |is_quick, rounds, only: &str| RunOptions { is_quick, rounds, only: only.to_owned() };
        for (line, expected) in [
            ("", options(false, 1, "")),
            ("--quick", options(true, 1, "")),
            ("--only HTTP, 16 --quick --rounds 5", options(true, 5, "HTTP, 16")),
            ("--rounds 2 --only 4K reads, depth 1", options(false, 2, "4K reads, depth 1")),
        ] {
            assert_eq!(parse(line).expect(line), expected);
        }
        for line in ["--rounds", "--rounds 0", "--rounds many", "--onyl HTTP", "HTTP", "--quick HTTP"] {
            parse(line).expect_err(line);
        }
    }
}
