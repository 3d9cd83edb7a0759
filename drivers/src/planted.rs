//! The places of planted bugs, for the package `switchboard-planted`, which compiles these sources with another module here.

/// Marks where the tests on QEMU's device models plant a bug, to see that they notice it.
///
/// `planted!(right, "name" => wrong)` is `right` here, and `wrong` in the run that plants the bug of that name.
/// `planted!("name" => wrong)` is nothing here: a statement that only the bug adds.
macro_rules! planted {
    ($bug:literal => $wrong:expr) => {};
    ($right:expr, $bug:literal => $wrong:expr $(,)?) => {
        $right
    };
}
pub(crate) use planted;
