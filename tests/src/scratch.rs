//! Names for what a test leaves in the temporary folder, and does not leave behind.

use core::sync::atomic::{AtomicU32, Ordering};
use std::path::{Path, PathBuf};
use std::{env, fs, process};

/// A place for a file or a socket, deleted with this.
#[derive(Debug)]
pub struct ScratchPath {
    path: PathBuf,
}

impl ScratchPath {
    /// A path that nobody uses, ending in `.kind`.
    #[must_use]
    pub fn new(kind: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("switchboard-{}-{}.{kind}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self { path: env::temp_dir().join(name) }
    }

    /// The place.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ScratchPath {
    fn drop(&mut self) {
        // A file left behind in the temporary folder is no reason to fail a test.
        drop(fs::remove_file(&self.path));
    }
}
