//! Assignment of BARs and bridge windows, for any tree and whatever firmware left in it.

use switchboard_testing::check_assignment;

pub(crate) fn run(data: &[u8]) {
    check_assignment(data);
}
