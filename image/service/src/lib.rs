//! What serves: tasks that come and go, a TCP/IP stack on a network function, and HTTP on that.
//!
//! A crate of its own, since what each packet passes through is optimised for speed, and the rest of the image for size.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod http;
pub mod network;
pub mod tasks;
