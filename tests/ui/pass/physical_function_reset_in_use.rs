//! It is reset before it is claimed.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::driver::ProbeError;
use switchboard::function::Function;

fn reset(function: Function) -> Result<(), ProbeError> {
    let function = match function.reset() {
        Ok(settling) => settling.wait().map_err(|_| ProbeError::Device("the reset does not end"))?,
        Err((_, function)) => function,
    };
    let port = function.claim()?.sriov.expect("the capability");
    let enabled = port.enable(1).map_err(|_| ProbeError::Device("no virtual functions"))?;
    let first = enabled.take(0);
    drop(first);
    Ok(())
}

fn main() {
    let _ = reset;
}
