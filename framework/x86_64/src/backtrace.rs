//! Backtraces: the return addresses on a stack.
//!
//! Code is built without frame pointers, which would cost instructions in each interrupt. The stack is searched for
//! words that point into the image's text, right after a call instruction; a few may be left over from calls that have
//! returned.

#![expect(unsafe_code, reason = "reading a stack, and the code before a return address")]

use core::fmt;
use core::ops::Range;

use spin::Once;

use super::boot_info::ImageLayout;
use super::integer::to_usize;
use super::memory_map::PAGE;
use super::stacks;

/// The largest number of return addresses in one report.
const MAX_DEPTH: usize = 24;
const WORD: u64 = size_of::<u64>() as u64;

static IMAGE: Once<ImageLayout> = Once::new();

/// Keeps the layout of the image, which is needed to recognise return addresses.
pub(super) fn init(image: &ImageLayout) {
    IMAGE.call_once(|| image.clone());
}

/// A backtrace, which displays the return addresses of active calls, innermost first, one a line. `addr2line` resolves
/// them.
#[derive(Debug, Clone, Copy)]
pub struct Backtrace {
    stack_pointer: u64,
}

impl Backtrace {
    /// Takes the backtrace of the caller.
    #[must_use]
    pub fn here() -> Self {
        let stack_pointer: u64;
        // SAFETY: only reads a register.
        unsafe { core::arch::asm!("mov {}, rsp", out(reg) stack_pointer, options(nomem, nostack, preserves_flags)) };
        Self { stack_pointer }
    }

    /// Takes the backtrace of code that was interrupted with that stack pointer.
    pub(super) fn of(stack_pointer: u64) -> Self {
        Self { stack_pointer }
    }
}

impl fmt::Display for Backtrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(image) = IMAGE.get() else { return Ok(()) };
        let stack = stacks::holding(self.stack_pointer).or_else(|| boot_stack(image, self.stack_pointer));
        let stack = stack.unwrap_or_default();
        // The stack pointer of an overflowed stack is below it: the stack is read from its lowest page on.
        let start = self.stack_pointer.next_multiple_of(WORD).max(stack.start);
        let words = (start..stack.end).step_by(to_usize(WORD)).map(|at| {
            // SAFETY: inside a mapped stack, aligned; any bits are a valid `u64`.
            unsafe { core::ptr::with_exposed_provenance::<u64>(to_usize(at)).read_volatile() }
        });
        let returns = words.filter(|word| image.text.contains(word) && follows_call(*word, &image.text));
        returns.take(MAX_DEPTH).try_for_each(|address| writeln!(f, "  at {address:#x}"))
    }
}

/// Returns the boot stack, which is at the end of the image, when `address` is in it or in its guard page.
fn boot_stack(image: &ImageLayout, address: u64) -> Option<Range<u64>> {
    (image.stack_guard..image.data.end).contains(&address).then_some(image.stack_guard + PAGE..image.data.end)
}

/// Returns whether a call instruction ends right before `address`: `e8` with four bytes, or `ff /2` with two to seven.
fn follows_call(address: u64, text: &Range<u64>) -> bool {
    let byte = |back: u64| {
        let at = address.checked_sub(back).filter(|at| text.contains(at))?;
        // SAFETY: inside the image's text, which is readable.
        Some(unsafe { core::ptr::with_exposed_provenance::<u8>(to_usize(at)).read_volatile() })
    };
    let is_indirect = |back| byte(back) == Some(0xff) && byte(back - 1).is_some_and(|modrm| modrm >> 3 & 7 == 2);
    byte(5) == Some(0xe8) || (2..=7).any(is_indirect)
}
