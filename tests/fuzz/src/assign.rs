//! Assignment of BARs and bridge windows, for arbitrary trees and firmware assignments.

use switchboard_testing::check_assignment;

pub(crate) fn run(data: &[u8]) {
    check_assignment(data);
}
