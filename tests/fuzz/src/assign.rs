//! Assignment of BARs and bridge windows, for any tree and whatever firmware left in it.

use switchboard_testing::assign_any;

pub(crate) fn run(data: &[u8]) {
    assign_any(data);
}
