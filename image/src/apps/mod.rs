//! The apps of this image: **the list that a fork edits** to run something else.
//!
//! `app=NAME` on the command line chooses an app; without it the first one runs. All others demonstrate or test the
//! drivers, and are part of the feature `demos`, which is on by default. Those that measure or stress interrupts need the
//! feature `instruments`, those that run crates of the ecosystem the feature `clients`.

#[cfg(feature = "demos")]
mod blkbench;
#[cfg(feature = "clients")]
mod clients;
#[cfg(feature = "demos")]
mod cpus;
#[cfg(feature = "demos")]
mod disk;
#[cfg(feature = "demos")]
mod edu;
#[cfg(feature = "demos")]
mod hello;
#[cfg(feature = "demos")]
mod hotplug;
#[cfg(feature = "demos")]
mod lookup;
#[cfg(feature = "demos")]
mod power;
#[cfg(feature = "demos")]
mod reflect;
#[cfg(feature = "demos")]
mod removal;
#[cfg(feature = "demos")]
mod rest;
#[cfg(all(feature = "demos", feature = "p9"))]
mod sharebench;
#[cfg(all(feature = "demos", feature = "write"))]
mod store;
mod web;

use switchboard_runtime::system::App;

/// The apps. The first one runs when the command line names none.
pub const APPS: &[App] = &[
    App::new("web", &web::run),
    #[cfg(feature = "demos")]
    App::new("edu", &edu::run),
    #[cfg(feature = "demos")]
    App::new("disk", &disk::run),
    #[cfg(feature = "demos")]
    App::new("reflect", &reflect::run),
    #[cfg(feature = "demos")]
    App::new("blkbench", &blkbench::run),
    #[cfg(all(feature = "demos", feature = "p9"))]
    App::new("sharebench", &sharebench::run),
    #[cfg(feature = "instruments")]
    App::new("bench-interrupts", &switchboard_instruments::bench_interrupts::run),
    #[cfg(feature = "instruments")]
    App::new("interrupts", &|system| switchboard_instruments::interrupts::run(system, &web::run)),
    #[cfg(feature = "demos")]
    App::new("hotplug", &hotplug::run),
    #[cfg(feature = "demos")]
    App::new("power", &power::run),
    #[cfg(feature = "demos")]
    App::new("removal", &removal::run),
    #[cfg(feature = "demos")]
    App::new("rest", &rest::run),
    #[cfg(feature = "demos")]
    App::new("lookup", &lookup::run),
    #[cfg(all(feature = "demos", feature = "write"))]
    App::new("store", &store::run),
    #[cfg(feature = "clients")]
    App::new("http-get", &clients::http_get::run),
    #[cfg(feature = "clients")]
    App::new("mqtt", &clients::mqtt::run),
    #[cfg(feature = "clients")]
    App::new("embedded-tls", &clients::embedded_tls::run),
    #[cfg(feature = "clients")]
    App::new("tls-get", &clients::tls_get::run),
    #[cfg(feature = "clients")]
    App::new("picoserve", &clients::picoserve::run),
    #[cfg(feature = "demos")]
    App::new("cpus", &cpus::run),
    #[cfg(feature = "demos")]
    App::new("hello", &hello::run),
];
