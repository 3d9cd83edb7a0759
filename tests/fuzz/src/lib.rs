//! Fuzz targets: each takes any bytes for what devices or firmware say, and panics when something comes of them
//! that must not.
//!
//! They are plain functions. `runner/` gives them to libFuzzer; `tests/replay.rs` gives them the corpus, on any
//! toolchain.

mod assign;
mod blk;
mod e1000;
mod input;
mod net;
mod queue;
mod tables;
mod virtio;
mod walk;

/// A target: its name, which is that of its folder in `corpus/` and of its program in `runner/`, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("walk", walk::run),
    ("assign", assign::run),
    ("tables", tables::run),
    ("queue", queue::run),
    ("net", net::run),
    ("blk", blk::run),
    ("e1000", e1000::run),
];

/// Runs the target of that name.
///
/// # Panics
/// When there is none, and when the target does: it has found something.
pub fn run(name: &str, data: &[u8]) {
    let Some((_, target)) = TARGETS.iter().find(|(known, _)| *known == name) else { panic!("no target {name}") };
    target(data);
}
