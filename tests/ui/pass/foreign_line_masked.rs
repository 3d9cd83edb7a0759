//! A driver masks its own line.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::interrupt::{Line, LineIsr, Live, Masked};

fn mask<I: LineIsr>(line: Line<I, Live>) -> Line<I, Masked> {
    line.mask()
}

fn main() {}
