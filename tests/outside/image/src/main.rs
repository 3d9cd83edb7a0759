//! An image with its own driver, device class and app.
#![no_std]
#![no_main]

extern crate alloc;

mod app;
mod card;
mod machine;
mod services;
mod sockets;

use switchboard_drivers::hotplug::HotplugPort;
use switchboard_drivers::virtio::{VirtioBlk, VirtioNet, VirtioRng};
use switchboard_net::nic;
use switchboard_runtime::devices::{RandomSource, class, device};
use switchboard_runtime::disk::Disk;
use switchboard_runtime::system::App;

switchboard_boot::image! {
    drivers: &[
        nic::<VirtioNet>(),
        class::<VirtioBlk, Disk>(),
        class::<VirtioRng, RandomSource>(),
        class::<card::FactorialCard, card::Calculator>(),
        device::<HotplugPort>(),
    ],
    apps: &[App::new("outside", &app::run)],
}
