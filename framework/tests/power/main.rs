//! Reset and sleep of a function: what it loses comes back, and one that does not come back is told.

mod device;
mod reset;
mod sleep;
