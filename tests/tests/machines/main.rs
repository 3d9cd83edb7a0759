//! The machine matrix: emulators, machines and ways to boot, each of which must reach `ready` and serve a file.
//!
//! `make test-machines` unpacks the emulators (`tools/machines`) and runs this, which prints a table. Words on the command
//! line select rows. A row fails, works, or is skipped with a reason: that an emulator is not to be had, or that the
//! machine has no such way to boot.

mod bochs;
mod check;
mod emulator;
mod libvirt;
mod qemu;
mod row;
mod table;
mod xen;

use std::env;
use std::process::ExitCode;

/// Rows that run at the same time.
const THREADS: usize = 2;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let rows = [qemu::rows(), bochs::rows(), libvirt::rows(), xen::rows()].into_iter().flatten();
    let rows: Vec<_> = rows.filter(|row| words.iter().all(|word| row.name().contains(word.as_str()))).collect();
    let results = row::run(rows, THREADS);
    println!("{}\n{}", table::of(&results), table::short(&results));
    let count = |of: fn(&row::Outcome) -> bool| results.iter().filter(|result| of(&result.outcome)).count();
    let failed = count(row::Outcome::is_failure);
    let skipped = count(row::Outcome::is_skipped);
    println!("machines: {} passed, {failed} failed, {skipped} skipped", results.len() - failed - skipped);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
