//! The image: its drivers and its apps.
#![no_std]
#![no_main]

use switchboard_image::apps::APPS;
use switchboard_image::drivers::DRIVERS;

switchboard_boot::image! { drivers: DRIVERS, apps: APPS }
