//! Hazard: virtual functions are disabled while a driver uses one of them.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::driver::{Driver, ProbeError};
use switchboard::function::VirtualFunctions;

fn disable<D: Driver>(enabled: VirtualFunctions) -> Result<(), ProbeError> {
    let driver = enabled.lend(0).expect("it is free").attach::<D>()?;
    drop(enabled.disable());
    drop(driver);
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
