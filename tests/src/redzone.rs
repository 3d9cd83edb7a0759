//! Finds instructions that access data below the stack pointer, which an interrupt would overwrite.

/// Returns whether a line of `objdump -d` (AT&T syntax) reads or writes memory below the stack pointer.
///
/// `lea` only computes an address. With an index register the address is usually above: the compiler folds
/// `base[i - 1]` into a negative offset.
#[must_use]
pub fn reaches_below_stack(line: &str) -> bool {
    let Some((_, instruction)) = line.split_once(":\t") else { return false };
    let Some((before, _)) = instruction.split_once("(%rsp)") else { return false };
    let mnemonic = instruction.split_whitespace().next().unwrap_or_default();
    let offset = before.rsplit([' ', '\t', ',', ':', '*']).next().unwrap_or_default();
    offset.starts_with('-') && !mnemonic.starts_with("lea") && !mnemonic.starts_with("nop")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accesses_below_the_stack_pointer_are_found() {
        for line in [
            "  1005:\tmov    %rax,-0x8(%rsp)",
            "  1005:\tmovups -0x18(%rsp),%xmm0",
            "  1005:\tcmpl   $0x0,-0x4(%rsp)",
            "  1005:\tmov    %fs:-0x8(%rsp),%rax",
            "  1005:\tjmp    *-0x10(%rsp)",
        ] {
            assert!(reaches_below_stack(line), "{line}");
        }
    }

    #[test]
    fn accesses_above_it_are_not() {
        for line in [
            "  1005:\tmov    %rax,0x8(%rsp)",
            "  1005:\tmov    %rax,(%rsp)",
            "  1005:\tlea    -0x28(%rsp),%rsp",
            "  1005:\tmov    -0x8(%rbp),%rax",
            "  1005:\tmov    -0x8(%rsp,%rax,8),%rcx",
            "0000000000001000 <function(%rsp)>:",
        ] {
            assert!(!reaches_below_stack(line), "{line}");
        }
    }
}
