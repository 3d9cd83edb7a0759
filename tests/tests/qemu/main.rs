//! Tests of the image in QEMU: one boot for each relevant device, mode and machine, driven from outside.

mod assignment;
mod budgets;
mod disk;
mod edu;
mod faults;
mod forged;
mod hotplug;
mod interrupts;
mod ivshmem;
mod load;
mod machines;
mod make;
mod matrix;
mod network;
mod panic;
mod power;
mod protocol;
mod proxy;
mod raw;
mod redzone;
mod removal;
mod services;
mod storm;
mod teardown;
mod virtio;
mod web;
