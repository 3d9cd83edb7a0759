//! The driver is dropped first.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::driver::{Driver, ProbeError};
use switchboard::function::VirtualFunctions;

fn disable<D: Driver>(enabled: VirtualFunctions) -> Result<(), ProbeError> {
    let driver = enabled.lend(0).expect("it is free").attach::<D>()?;
    drop(driver);
    drop(enabled.disable());
    Ok(())
}

fn main() {
    let _ = disable::<Card>;
}

struct Card;

impl Driver for Card {
    const NAME: &'static str = "card";
    const MATCHES: &'static [switchboard::driver::Id] = &[];
    fn probe(_: switchboard::function::Function) -> Result<Self, ProbeError> {
        Ok(Self)
    }
}
