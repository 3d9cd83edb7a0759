//! Tests each of QEMU's edu devices: a factorial with an interrupt, and DMA to the device and back.

use alloc::vec;
use alloc::vec::Vec;

use embassy_time::{Duration, TimeoutError, with_timeout};
use switchboard_drivers::edu::{BUFFER_SIZE, Edu, EduError};

use switchboard_runtime::devices::Found;
use switchboard_runtime::say;
use switchboard_runtime::system::{Outcome, System};

/// The timeout of an operation, which takes milliseconds. A lost interrupt would never end it.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("no edu device: no function has the edu driver")]
    NoDevice,
    #[error("10! was computed as {0}")]
    WrongFactorial(u32),
    #[error("the bytes read back by DMA differ from those written")]
    WrongBytes,
    #[error("no interrupt within {} seconds", OPERATION_TIMEOUT.as_secs())]
    TimedOut,
    #[error(transparent)]
    Device(#[from] EduError),
}

impl From<TimeoutError> for Failure {
    fn from(TimeoutError: TimeoutError) -> Self {
        Self::TimedOut
    }
}

pub(super) async fn run(mut system: System) -> Outcome {
    if system.devices.first::<Edu>().is_none() {
        return Err(Failure::NoDevice.into());
    }
    for mut edu in system.devices.iter_mut::<Edu>() {
        factorial(&mut edu).await?;
        round_trip(&mut edu).await?;
    }
    Ok(())
}

async fn factorial(Found { function, device, .. }: &mut Found<&mut Edu>) -> Result<(), Failure> {
    let result = with_timeout(OPERATION_TIMEOUT, device.factorial(10)).await??;
    if result != (1..=10).product::<u32>() {
        return Err(Failure::WrongFactorial(result));
    }
    say!("edu {function}: 10! = {result}, by {}", device.mode());
    Ok(())
}

async fn round_trip(Found { function, device, .. }: &mut Found<&mut Edu>) -> Result<(), Failure> {
    let sent: Vec<u8> = (0..=250).cycle().take(BUFFER_SIZE).collect();
    let mut received = vec![0; BUFFER_SIZE];
    with_timeout(OPERATION_TIMEOUT, device.write_buffer(0, &sent)).await??;
    with_timeout(OPERATION_TIMEOUT, device.read_buffer(0, &mut received)).await??;
    if received != sent {
        return Err(Failure::WrongBytes);
    }
    say!("edu {function}: DMA there and back of {BUFFER_SIZE} bytes, by {}", device.mode());
    Ok(())
}
