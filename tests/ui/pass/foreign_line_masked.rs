//! Lines are masked by their own grants, not by number. This one compiles.

#![allow(dead_code, unused_imports, unused_variables)]

use switchboard::interrupt::{Line, LineIsr, Live, Masked};

fn mask<I: LineIsr>(line: Line<I, Live>) -> Line<I, Masked> {
    line.mask()
}

fn main() {}
