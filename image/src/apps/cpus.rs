//! Work on every CPU: prime numbers are counted by one CPU and by all of them. `-- panic N` panics on CPU N instead.

use core::fmt;

use embassy_time::{Duration, Instant, Timer};
use switchboard_runtime::say;
use switchboard_runtime::system::{Outcome, System};
use switchboard_runtime::tasks::{Cpu, Tasks};

/// The numbers that are looked at.
const LIMIT: u32 = 64_000;
/// The CPUs take turns by blocks of this many numbers.
const BLOCK: u32 = 100;

pub(super) async fn run(system: System) -> Outcome {
    if let Some(number) = system.arguments.strip_prefix("panic ") {
        let number: usize = number.parse()?;
        let cpu = system.machine.cpus().find(|cpu| cpu.number() == number).ok_or("that CPU does not run")?;
        system.tasks.spawn_on(cpu, async move { panic!("as requested, on {cpu}") }).await;
    }
    let alone = count(system.tasks, system.machine.cpus().take(1)).await;
    let all = count(system.tasks, system.machine.cpus()).await;
    say!("primes below {LIMIT}: {alone}; {all}");
    if alone.primes == all.primes { Ok(()) } else { Err("the counts differ".into()) }
}

/// The result of a count.
struct Count {
    cpus: usize,
    primes: u32,
    time: Duration,
}

/// Counts the primes below the limit by some of the CPUs.
async fn count(tasks: Tasks, cpus: impl ExactSizeIterator<Item = Cpu>) -> Count {
    let (start, step) = (Instant::now(), cpus.len());
    let mut parts = alloc::vec::Vec::new();
    for (first, cpu) in (0..).zip(cpus) {
        parts.push(tasks.spawn_on(cpu, async move {
            // A timer of another CPU wakes its task there.
            Timer::after_millis(1).await;
            let blocks = (first..LIMIT / BLOCK).step_by(step);
            let mine = blocks.flat_map(|block| block * BLOCK..(block + 1) * BLOCK);
            mine.filter(|number| is_prime(*number)).fold(0, |count, _| count + 1)
        }));
    }
    let mut primes = 0;
    for part in parts {
        primes += part.await;
    }
    Count { cpus: step, primes, time: start.elapsed() }
}

fn is_prime(number: u32) -> bool {
    number >= 2 && (2..).take_while(|factor| factor * factor <= number).all(|factor| !number.is_multiple_of(factor))
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {} CPUs in {} us", self.primes, self.cpus, self.time.as_micros())
    }
}
