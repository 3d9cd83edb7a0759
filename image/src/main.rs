//! The bootable image: the lists of drivers and apps, made a program.
#![no_std]
#![no_main]

use switchboard_image::apps::APPS;
use switchboard_image::drivers::DRIVERS;

switchboard_boot::image! { drivers: DRIVERS, apps: APPS }
