//! What a build with `-Cinstrument-coverage` needs: the symbol by which the linker would include LLVM's profile runtime, which is
//! for hosts with files. The counters are read from the image's memory by the test harness.

#![expect(unsafe_code, reason = "a symbol that the linker looks for by name")]

/// Referred to by the linker's arguments; not used.
#[unsafe(no_mangle)]
#[used]
static __llvm_profile_runtime: u32 = 0;
