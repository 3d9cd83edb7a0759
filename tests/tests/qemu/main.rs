//! The image in QEMU: one boot for each device, mode and machine that makes a difference, driven from outside.
