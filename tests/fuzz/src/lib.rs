//! Fuzz targets: each interprets arbitrary bytes as the behaviour of devices or firmware, and panics when a driver or
//! the framework violates an invariant.
//!
//! They are plain functions. `runner/` runs them with libFuzzer; `tests/replay.rs` replays the corpus, on any
//! toolchain.

mod assign;
mod blk;
mod e1000;
mod input;
mod mp_table;
mod net;
mod queue;
mod tables;
mod virtio;
mod walk;

/// A target: its name, which is also that of its folder in `corpus/` and of its program in `runner/`, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("walk", walk::run),
    ("assign", assign::run),
    ("tables", tables::run),
    ("mp_table", mp_table::run),
    ("queue", queue::run),
    ("net", net::run),
    ("blk", blk::run),
    ("e1000", e1000::run),
];

/// Runs the target with that name.
///
/// # Panics
/// When there is no such target, and when the target finds a violation.
pub fn run(name: &str, data: &[u8]) {
    let Some((_, target)) = TARGETS.iter().find(|(known, _)| *known == name) else { panic!("no target {name}") };
    target(data);
}
