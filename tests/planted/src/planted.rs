//! Bugs planted in the source: `planted!` in the drivers' files names the places.

use std::env;
use std::string::String;
use std::sync::LazyLock;

/// The environment variable with the name of the bug to plant.
pub const VARIABLE: &str = "SWITCHBOARD_PLANT";

static CHOSEN: LazyLock<Option<String>> = LazyLock::new(|| env::var(VARIABLE).ok());

/// Whether this run has that bug.
pub(crate) fn is_planted(name: &str) -> bool {
    CHOSEN.as_deref() == Some(name)
}

/// Chooses the other arm in the run that plants the bug of that name.
macro_rules! planted {
    ($bug:literal => $wrong:expr) => {
        if crate::planted::is_planted($bug) {
            $wrong;
        }
    };
    ($right:expr, $bug:literal => $wrong:expr $(,)?) => {
        if crate::planted::is_planted($bug) { $wrong } else { $right }
    };
}
pub(crate) use planted;
