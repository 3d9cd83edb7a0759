//! The goals that the report compares results with.

use core::fmt;

use crate::systems::System;

/// A goal: prefix of the row's name, system, compared system, and the ratio that must be reached at least or at most.
pub(crate) type Goal = (&'static str, System, System, f64);

pub(crate) const FILE_1: &str = "file of 1 MiB, 1 connection";
pub(crate) const FILE_16: &str = "file of 1 MiB, 16 connections";
pub(crate) const POST: &str = "POST of 64 KiB, sent back";
pub(crate) const WEBSOCKET: &str = "WebSocket echo";
pub(crate) const HTTPS: &str = "HTTPS request";
pub(crate) const HANDSHAKE: &str = "HTTPS handshake and request";
pub(crate) const IDLE: &str = "memory of an idle connection of 1,000";

/// Goals as ratios, for pinned rows.
pub(crate) const GOALS: [Goal; 35] = [
    ("QEMU start to ready", System::Msix, System::Limit, 1.6),
    ("resident memory", System::Msix, System::Limit, 1.15),
    ("HTTP, 1 connection", System::Msix, System::Linux, 1.3),
    ("HTTP, 16 connections", System::Msix, System::Linux, 4.0),
    (FILE_1, System::Msix, System::Linux, 2.0),
    (FILE_16, System::Msix, System::Linux, 2.0),
    (POST, System::Msix, System::Linux, 1.5),
    (WEBSOCKET, System::Msix, System::Linux, 2.0),
    (HTTPS, System::Msix, System::Linux, 1.5),
    ("bulk to the guest", System::Msix, System::Linux, 1.0),
    ("bulk from the guest", System::Msix, System::Linux, 1.3),
    ("frames of 64 on virtio, window 64", System::Msix, System::Limit, 0.95),
    ("frames of 1514 on virtio, window 64", System::Msix, System::Limit, 0.95),
    ("frames of 64 on e1000, window 64", System::Intx, System::Limit, 0.95),
    ("frames of 1514 on e1000, window 64", System::Intx, System::Limit, 0.95),
    ("frames of 64 on virtio, window 1", System::Msix, System::Linux, 1.3),
    ("frames of 64 on virtio, window 1", System::Polling, System::Limit, 0.8),
    ("frames of 64 on e1000, window 1", System::Intx, System::Linux, 1.3),
    ("frames of 64 on e1000, window 1", System::Polling, System::Linux, 1.3),
    ("frames of 64 on e1000, window 1", System::Polling, System::Limit, 0.8),
    ("4K reads, depth 1", System::Msix, System::Linux, 1.8),
    ("4K reads, depth 32", System::Msix, System::Linux, 3.0),
    ("NVMe: 4K reads, depth 1", System::Msix, System::Linux, 2.5),
    ("NVMe: 4K reads, depth 32", System::Msix, System::Linux, 3.0),
    ("AHCI: 4K reads, depth 1", System::Msix, System::Linux, 2.0),
    ("AHCI: 4K reads, depth 32", System::Msix, System::Linux, 2.0),
    ("frames of 64 on e1000e, window 64", System::Msix, System::Linux, 2.0),
    ("frames of 64 on e1000e, window 1", System::Msix, System::Linux, 1.3),
    ("bulk to the guest, on a tap", System::Msix, System::Linux, 1.5),
    ("bulk from the guest, on a tap", System::Msix, System::Linux, 1.5),
    ("frames of 64 on a tap, window 64", System::Msix, System::Linux, 1.5),
    ("9P: sequential reads of 64 MiB", System::Msix, System::Linux, 1.0),
    ("4K writes, depth 1", System::Msix, System::Linux, 2.0),
    ("4K writes, depth 32", System::Msix, System::Linux, 2.0),
    ("4K writes with a flush each, depth 1", System::Msix, System::Linux, 2.0),
];

/// A figure of the image that has a limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    /// The median of the value, in its unit.
    Value,
    /// The 99th percentile of the round-trip time divided by its median.
    P99ToP50,
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Value => "",
            Self::P99ToP50 => " x the median of its times, 99 of 100",
        })
    }
}

/// Limits of figures, for pinned rows.
pub(crate) const LIMITS: [(&str, Figure, f64); 2] =
    [(IDLE, Figure::Value, 6.0), ("HTTP, 256 connections", Figure::P99ToP50, 3.0)];

/// Maximum number of guest instructions of an operation.
pub(crate) const MAX_INSTRUCTIONS: [(&str, u64); 14] = [
    ("message: vector to handler", 32),
    ("message: whole overhead, to iretq", 64),
    ("entry to ready", 4_000_000),
    ("UDP echo", 5_000),
    ("UDP echo, INTx", 5_000),
    ("TCP echo", 7_000),
    ("TCP echo, INTx", 7_000),
    ("HTTP request, 1 connection", 8_000),
    ("HTTP request, 1 connection, INTx", 8_000),
    ("HTTP request, 16 connections", 6_000),
    ("HTTP request, 16 connections, INTx", 6_000),
    ("4K read, depth 1", 1_500),
    ("4K read, depth 1, INTx", 1_500),
    ("4K read, depth 1, NVMe", 1_500),
];
