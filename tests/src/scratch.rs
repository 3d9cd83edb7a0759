//! Temporary paths that are deleted when a test is done.

use core::sync::atomic::{AtomicU32, Ordering};
use std::path::{Path, PathBuf};
use std::{env, fs, process};

/// The path of a temporary file or socket, deleted when dropped.
#[derive(Debug)]
pub struct ScratchPath {
    path: PathBuf,
}

impl ScratchPath {
    /// Returns an unused path that ends in `.extension`.
    #[must_use]
    pub fn new(extension: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("switchboard-{}-{}.{extension}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self { path: env::temp_dir().join(name) }
    }

    /// Returns the path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ScratchPath {
    fn drop(&mut self) {
        // A file that is left in the temporary folder does not fail a test.
        drop(fs::remove_file(&self.path));
    }
}
