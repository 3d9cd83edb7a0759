//! Lines of the log that clients cause, at most one in a while.

use log::Level;
use switchboard_runtime::log_limit;

use crate::filesystem::FileSystemError;

/// The limit of lines about files that were cut short.
#[derive(Debug, Default)]
pub(crate) struct LogLimit(log_limit::LogLimit);

impl LogLimit {
    /// Logs that a file was cut short.
    pub(crate) fn log(&self, error: FileSystemError) {
        // The removal of a disk is not an error.
        let level = if error.is_gone() { Level::Info } else { Level::Error };
        self.0.log(level, format_args!("file cut short: {error}"));
    }
}
