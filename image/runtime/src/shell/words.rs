//! The words that every shell has.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use switchboard::machine::Machine;

use super::output::{Output, Then};
use super::{Shell, Word};
use crate::tasks::{self, Tasks};
use crate::{boot_table, hal, log_ring, memory_budget};

/// The bytes of the log that the word shows.
const LOG_BYTES: usize = 8 << 10;

/// Returns a shell's words, without those of an app.
pub(super) fn standard(machine: &'static Machine, tasks: Option<Tasks>) -> Vec<Word> {
    let word = |name, help, run: fn(&Machine, &mut Output)| {
        let run = Box::new(move |_: &str, output: &mut Output| run(machine, output));
        Word { name, help, run }
    };
    Vec::from([
        word("functions", "every PCI function, its driver and what it was granted", functions),
        word("interrupts", "every handler, and how often it was called", interrupts),
        Word {
            name: "tasks",
            help: "tasks, uptime and idle time",
            run: Box::new(move |_, output| show_tasks(machine, tasks, output)),
        },
        Word { name: "log", help: "the last lines of the console; `log N`: the last N", run: Box::new(log) },
        word("memory", "heap, DMA pool, and the budget of peers", memory),
        word("reboot", "restarts the machine", |_, output| output.then = Then::Reboot),
        word("poweroff", "turns the machine off", |_, output| output.then = Then::PowerOff),
        word("exit", "ends this session", |_, output| output.then = Then::End),
    ])
}

/// Prints the words.
pub(super) fn help(shell: &Shell, output: &mut Output) {
    for word in &shell.words {
        let _ = writeln!(output, "{:<12}{}", word.name, word.help);
    }
    let _ = writeln!(output, "{:<12}this list", "help");
}

fn functions(machine: &Machine, output: &mut Output) {
    let interrupts = machine.interrupt_report();
    for function in machine.functions() {
        let _ = writeln!(output, "{}", boot_table::row(&function, &interrupts));
        for (name, value) in &function.details {
            let _ = writeln!(output, "{:12}  {name}: {value}", "");
        }
        for fault in &function.faults {
            let _ = writeln!(output, "{:12}  {fault}", "");
        }
    }
}

fn interrupts(machine: &Machine, output: &mut Output) {
    let _ = writeln!(
        output,
        "{:>3}  {:>6}  {:12}  {:14}  {:>10}  {:>9}  messages",
        "cpu", "vector", "function", "driver", "calls", "unclaimed"
    );
    for row in machine.interrupt_report() {
        let _ = writeln!(
            output,
            "{:>3}  {:>6}  {}  {:14}  {:>10}  {:>9}  {}",
            row.cpu.number(),
            row.vector.number(),
            row.function,
            row.driver,
            row.count,
            row.unclaimed,
            row.names.join(" ")
        );
    }
    let (unexpected, spurious) = (machine.unexpected_interrupts(), machine.spurious_interrupts());
    let _ = writeln!(output, "{} vectors free, {unexpected} unexpected, {spurious} spurious", machine.free_vectors());
}

fn show_tasks(machine: &Machine, tasks: Option<Tasks>, output: &mut Output) {
    if let Some(tasks) = tasks {
        let _ = writeln!(output, "{} tasks", tasks.running());
    }
    let (up_ms, idle_ms) = (machine.clock().now_ns() / 1_000_000, tasks::idle_ns() / 1_000_000);
    let _ =
        writeln!(output, "up {}.{:03} s, idle {}.{:03} s", up_ms / 1000, up_ms % 1000, idle_ms / 1000, idle_ms % 1000);
}

fn memory(_: &Machine, output: &mut Output) {
    let usage = hal::memory_usage();
    let (used, total) = (usage.heap_bytes_used >> 10, usage.heap_bytes >> 10);
    let _ = writeln!(output, "heap: {used} of {total} KiB in use, {} KiB free", usage.heap_bytes_free >> 10);
    let _ = writeln!(output, "DMA: {} of {} pages of 4 KiB in use", usage.dma_pages_used, usage.dma_pages);
    let budget = memory_budget::usage();
    let _ = writeln!(output, "for peers: {} of {} KiB in use", budget.used_bytes >> 10, budget.limit_bytes >> 10);
}

fn log(arguments: &str, output: &mut Output) {
    let (mut cursor, mut bytes) = (log_ring::Cursor::default(), [0; 512]);
    let mut all: Vec<u8> = Vec::new();
    loop {
        match log_ring::read(&mut cursor, &mut bytes) {
            0 => break,
            count => all.extend_from_slice(&bytes[..count]),
        }
    }
    let text = String::from_utf8_lossy(&all);
    let lines: Vec<&str> = text.lines().collect();
    let (mut kept, mut room) = (0, LOG_BYTES);
    for line in lines.iter().rev().take(arguments.parse().unwrap_or(usize::MAX)) {
        let Some(rest) = room.checked_sub(line.len()) else { break };
        (kept, room) = (kept + 1, rest);
    }
    for line in &lines[lines.len() - kept..] {
        let _ = writeln!(output, "{line}");
    }
}
