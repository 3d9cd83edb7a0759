//! Reset and sleep of a function, and cutting it off: what it loses comes back, and one that does not come back is told.

mod cut;
mod device;
mod reset;
mod sleep;
