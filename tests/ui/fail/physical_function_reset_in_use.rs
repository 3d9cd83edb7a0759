//! Hazard: a physical function is reset while one of its virtual functions lives.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::driver::ProbeError;
use switchboard::function::Function;

fn reset(function: Function) -> Result<(), ProbeError> {
    let port = function.claim()?.sriov.expect("the capability");
    let enabled = port.enable(1).map_err(|_| ProbeError::Device("no virtual functions"))?;
    let first = enabled.take(0);
    drop(function.reset());
    drop(first);
    Ok(())
}

fn main() {
    let _ = reset;
}
