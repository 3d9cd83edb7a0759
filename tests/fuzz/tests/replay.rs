//! A replay of the corpus: every input that fuzzing has found stays a test.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use switchboard_fuzz::TARGETS;

fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name)
}

/// Runs a target on every file of a folder. Returns the number of files, and those on which it panics.
fn replay(folder: &Path, target: fn(&[u8])) -> (usize, Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    let count = files.len();
    let panics = |path: &PathBuf| {
        let data = fs::read(path).expect("a file of the corpus");
        catch_unwind(|| target(&data)).is_err()
    };
    (count, files.into_iter().filter(panics).collect())
}

#[test]
fn no_target_panics_on_its_corpus() {
    for (name, target) in TARGETS {
        let (count, failures) = replay(&corpus(name), *target);
        assert!(count >= 5, "{name}: {count} files");
        assert!(failures.is_empty(), "{name} panics on {failures:?}");
    }
}

#[test]
fn every_folder_has_its_target() {
    for entry in fs::read_dir(corpus("")).expect("the corpus") {
        let name = entry.expect("an entry").file_name();
        assert!(TARGETS.iter().any(|(known, _)| name == *known), "no target {name:?}");
    }
}

#[test]
fn a_target_that_panics_is_reported() {
    let (count, failures) = replay(&corpus("queue"), |data| assert!(data.len() % 2 == 0, "planted"));
    let odd = fs::read_dir(corpus("queue"))
        .expect("the corpus")
        .filter(|entry| entry.as_ref().expect("an entry").metadata().expect("a file").len() % 2 == 1);
    assert!(count > 0);
    assert_eq!(failures.len(), odd.count());
}

#[test]
fn empty_input_and_noise_do_not_panic() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let noise: Vec<u8> = (0..4096)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        })
        .collect();
    for (_, target) in TARGETS {
        target(&[]);
        noise.chunks(256).for_each(target);
        target(&noise);
    }
}
