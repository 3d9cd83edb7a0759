//! From the loader's jump to `kernel_main`: what the compiler expects of a platform, and nothing else.

mod entry;
mod intrinsics;
mod panic;
mod unwind;

use switchboard_x86_64::Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;
