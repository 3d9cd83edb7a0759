//! Reset, suspend and isolation of a function: its configuration is restored, and a function that does not return is reported.

mod device;
mod isolate;
mod reset;
mod suspend;
