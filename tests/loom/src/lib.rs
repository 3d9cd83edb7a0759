//! Models of the interrupt core, by loom: the framework's own source, run in every order and with every stale value that the memory model
//! allows.
//!
//! The modules are the framework's files. Only [`sync`] is another: its primitives are loom's. So a file that is moved or renamed there is a
//! compile error here. Each model is also run with a [bug planted](planted) in that source, one at a time, and must fail.

#![expect(dead_code, reason = "models use a part of what they are made of")]

extern crate alloc;

#[path = "../../../framework/src/assign/mod.rs"]
pub mod assign;
#[path = "../../../framework/src/bar/mod.rs"]
pub mod bar;
#[path = "../../../framework/src/config/mod.rs"]
pub mod config;
#[path = "../../../framework/src/dma/mod.rs"]
pub mod dma;
#[path = "../../../framework/src/driver/mod.rs"]
pub mod driver;
#[path = "../../../framework/src/event/mod.rs"]
pub mod event;
#[path = "../../../framework/src/function/mod.rs"]
pub mod function;
#[path = "../../../framework/src/interrupt/mod.rs"]
pub mod interrupt;
#[path = "../../../framework/src/inventory/mod.rs"]
mod inventory;
#[path = "../../../framework/src/machine/mod.rs"]
pub mod machine;
#[path = "../../../framework/src/mmio/mod.rs"]
pub mod mmio;
#[path = "../../../framework/src/ownership/mod.rs"]
mod ownership;
#[path = "../../../framework/src/platform/mod.rs"]
pub mod platform;
#[path = "../../../framework/src/scan/mod.rs"]
mod scan;
#[path = "../../../framework/src/sort.rs"]
mod sort;
#[path = "../../../framework/src/vector/mod.rs"]
pub mod vector;

mod hardware;
pub mod models;
pub mod planted;
pub mod sync;
